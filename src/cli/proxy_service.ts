import type { Logger } from "../base/logger.ts";
import type { Address } from "../node/network.ts";
import { DEFAULT_PROXY_LIMITS } from "../proxy/limits.ts";
import { Proxy } from "../proxy/proxy.ts";
import { clientFlags, clientLimits } from "./client_flags.ts";
import { bytes, type Flags, formatAddress, integer, type Values } from "./flags.ts";
import { processFacts } from "./platform/process_facts.ts";
import { systemClock } from "./platform/system_clock.ts";
import { tcpNetwork } from "./platform/tcp_network.ts";

const MIB = 1024 * 1024;

/** The bounds of a proxy, alone or in the process of a node. */
export const proxyFlags = {
  holdRequestsMax: integer("N", {
    help: "Requests held by the proxy while there is no leader",
    fallback: DEFAULT_PROXY_LIMITS.holdRequestsMax,
    min: 0,
    max: 10_000_000,
  }),
  holdBytesMax: bytes({
    help: "Bytes of requests held by the proxy while there is no leader",
    fallback: DEFAULT_PROXY_LIMITS.holdBytesMax,
    min: 0,
    max: 1024 * MIB,
  }),
  holdMsMax: integer("MS", {
    help: "How long the proxy holds a request",
    fallback: DEFAULT_PROXY_LIMITS.holdMsMax,
    min: 0,
    max: 600_000,
  }),
} satisfies Flags;

export interface ProxyService {
  /** Where to listen. */
  readonly address: Address;
  /** Nodes to begin with. */
  readonly seeds: readonly Address[];
  readonly logger: Logger;
}

/** Starts a proxy in this process. */
export async function startProxy(
  values: Values<typeof proxyFlags & typeof clientFlags>,
  { address, seeds, logger }: ProxyService,
): Promise<Proxy> {
  const { holdRequestsMax, holdBytesMax, holdMsMax, clientsMax } = values;
  const proxy = await Proxy.start({
    address,
    seeds,
    network: tcpNetwork,
    clock: systemClock,
    random: Math.random,
    logger,
    limits: { holdRequestsMax, holdBytesMax, holdMsMax },
    clientLimits: clientLimits(values),
    facts: processFacts(),
    config: new Map([
      ["appendonly", "yes"],
      ["bind", address.host],
      ["databases", "1"],
      ["maxclients", String(clientsMax)],
      ["port", String(address.port)],
      ["save", ""],
    ]),
  });
  logger.info(`serves clients on ${formatAddress(address)}`);
  return proxy;
}
