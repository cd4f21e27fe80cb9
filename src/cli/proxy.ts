import { DEFAULT_PROXY_LIMITS } from "../proxy/limits.ts";
import { Proxy } from "../proxy/proxy.ts";
import { clientFlags, clientLimits } from "./client_flags.ts";
import {
  addressList,
  bytes,
  type Flags,
  integer,
  port as portFlag,
  text,
  toggle,
} from "./flags.ts";
import { processFacts } from "./platform/process_facts.ts";
import { stderrLogger } from "./platform/stderr_logger.ts";
import { systemClock } from "./platform/system_clock.ts";
import { tcpNetwork } from "./platform/tcp_network.ts";
import { endOfService } from "./running.ts";
import { subcommand } from "./subcommand.ts";

const MIB = 1024 * 1024;

const flags = {
  port: portFlag({ help: "Where clients connect" }),
  host: text("HOST", { help: "The address to listen on", fallback: "127.0.0.1" }),
  nodes: addressList({ help: "Addresses of nodes; one is enough to find the rest" }),
  holdRequestsMax: integer("N", {
    help: "Requests held while there is no leader",
    fallback: DEFAULT_PROXY_LIMITS.holdRequestsMax,
    min: 0,
    max: 10_000_000,
  }),
  holdBytesMax: bytes({
    help: "Bytes of requests held while there is no leader",
    fallback: DEFAULT_PROXY_LIMITS.holdBytesMax,
    min: 0,
    max: 1024 * MIB,
  }),
  holdMsMax: integer("MS", {
    help: "How long a request is held",
    fallback: DEFAULT_PROXY_LIMITS.holdMsMax,
    min: 0,
    max: 600_000,
  }),
  ...clientFlags,
  stopWithStdin: toggle({ help: "Stop when standard input ends, for supervisors" }),
} satisfies Flags;

export const proxySubcommand = subcommand({
  name: "proxy",
  summary: "the RESP router in front of the nodes",
  description:
    "Sends writes to the leader, spreads reads over the nodes, and holds requests while a new\n" +
    "leader is elected. Keeps nothing on disk; run as many as you like.",
  flags,
  examples: ["regent proxy --port 7000 --nodes 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"],
  async run(values) {
    const { host, port, nodes, holdRequestsMax, holdBytesMax, holdMsMax } = values;
    const logger = stderrLogger("proxy");
    const proxy = await Proxy.start({
      address: { host, port },
      seeds: nodes,
      network: tcpNetwork,
      clock: systemClock,
      random: Math.random,
      logger,
      limits: { holdRequestsMax, holdBytesMax, holdMsMax },
      clientLimits: clientLimits(values),
      facts: processFacts(),
      config: new Map([
        ["appendonly", "yes"],
        ["bind", host],
        ["databases", "1"],
        ["maxclients", String(values.clientsMax)],
        ["port", String(port)],
        ["save", ""],
      ]),
    });
    logger.info(`serves clients on ${host}:${port}`);
    await endOfService(values.stopWithStdin, new Promise<never>(() => {}));
    proxy.stop();
    return 0;
  },
});
