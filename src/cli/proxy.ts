import { clientFlags } from "./client_flags.ts";
import { addressList, type Flags, port as portFlag, text, toggle } from "./flags.ts";
import { stderrLogger } from "./platform/stderr_logger.ts";
import { proxyFlags, startProxy } from "./proxy_service.ts";
import { endOfService } from "./running.ts";
import { subcommand } from "./subcommand.ts";

const flags = {
  port: portFlag({ help: "Where clients connect" }),
  host: text("HOST", { help: "The address to listen on", fallback: "127.0.0.1" }),
  nodes: addressList({ help: "Addresses of nodes; one is enough to find the rest" }),
  ...proxyFlags,
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
    const { host, port, nodes } = values;
    const logger = stderrLogger("proxy");
    const proxy = await startProxy(values, { address: { host, port }, seeds: nodes, logger });
    await endOfService(values.stopWithStdin, new Promise<never>(() => {}));
    proxy.stop();
    return 0;
  },
});
