import { formatAddress } from "../base/address.ts";
import type { Logger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import {
  clientsThatFit,
  endOfService,
  hasNoFreeDescriptors,
  processFacts,
  stderrLogger,
} from "../platform/process.ts";
import { DEFAULT_PROXY_LIMITS } from "../proxy/limits.ts";
import { Proxy } from "../proxy/proxy.ts";
import { clientFlags, clientLimits, redisSettings, withClientsThatFit } from "./client_flags.ts";
import { readClusterSecret, secretFlags, secretOf } from "./cluster_secret.ts";
import { subcommand } from "./command_line.ts";
import {
  addressList,
  bytes,
  type Flags,
  hostFlag,
  integer,
  port as portFlag,
  toggle,
  type Values,
} from "./flags.ts";
import { descriptorsWanted, shareDescriptors } from "./services/descriptors.ts";
import { uploadFlags } from "./services/file_flags.ts";
import { httpFlags, startServices } from "./services/services.ts";
import { type Links, openLinks, tlsFlags, tlsSettings } from "./tls.ts";

/** Maximum number of connections for `WAIT`, as a share of the clients for which there is room. */
const WAITS_SHARE_MAX = 0.1;
const MIB = 1024 * 1024;

/** The limits of a proxy, alone or in the process of a node. */
export const proxyFlags = {
  holdRequestsMax: integer("N", {
    help:
      "Maximum number of requests that the proxy holds while there is no leader, or it cannot " +
      "be used; more get an error",
    defaultValue: DEFAULT_PROXY_LIMITS.holdRequestsMax,
    min: 0,
    max: 10_000_000,
  }),
  holdBytesMax: bytes({
    help: "Maximum size of the requests waiting at the proxy, with a leader or without; at the " +
      "limit, clients with large requests are not read, and while requests are held, more get an " +
      "error",
    defaultValue: DEFAULT_PROXY_LIMITS.holdBytesMax,
    min: 0,
    max: 1024 * MIB,
  }),
  holdMsMax: integer("MS", {
    help: "Maximum time for which the proxy holds a request; after it, the reply is an error",
    defaultValue: DEFAULT_PROXY_LIMITS.holdMsMax,
    min: 0,
    max: 600_000,
  }),
  waitsMax: integer("N", {
    help: "Maximum number of the proxy's clients in WAIT, each with a connection to the leader; " +
      "more get an error; at most a tenth of the clients that the limit of open files allows",
    defaultValue: DEFAULT_PROXY_LIMITS.waitsMax,
    min: 0,
    max: 1_000_000,
  }),
} satisfies Flags;

export interface ProxyService {
  /** Address to listen on. */
  readonly address: Address;
  /** Nodes to connect to first. */
  readonly seeds: readonly Address[];
  /** Number of clients, waiting ones counted twice, for which there are file descriptors. */
  readonly clientsFitting: number;
  readonly links: Links;
  /** The secret of the cluster; `null` if this process has none. */
  readonly secret: string | null;
  readonly logger: Logger;
}

/** Number of clients for which a proxy needs file descriptors, waiting ones counted twice. */
export function proxyClientsWanted(
  { clientsMax, waitsMax }: Values<typeof proxyFlags & typeof clientFlags>,
): number {
  return clientsMax + waitsMax;
}

export async function startProxy(
  values: Values<typeof proxyFlags & typeof clientFlags>,
  { address, seeds, clientsFitting, links, secret, logger }: ProxyService,
): Promise<Proxy> {
  const { holdRequestsMax, holdBytesMax, holdMsMax } = values;
  const waitsMax = Math.min(values.waitsMax, Math.floor(clientsFitting * WAITS_SHARE_MAX));
  const fitting = withClientsThatFit(values, clientsFitting - waitsMax, logger);
  const proxy = await Proxy.start({
    address,
    seeds,
    network: links.network(),
    gate: links.gate({ port: "the port of the proxy", connectionsMax: fitting.clientsMax }),
    clock: systemClock,
    random: Math.random,
    logger,
    limits: { holdRequestsMax, holdBytesMax, holdMsMax, waitsMax },
    clientLimits: clientLimits(fitting),
    hasNoFreeDescriptors,
    facts: processFacts(),
    config: new Map(redisSettings(address, fitting, "")),
    secret: secretOf(secret),
  });
  logger.info(`serves clients on ${formatAddress(address)}`);
  return proxy;
}

const flags = {
  port: portFlag({ help: "Port for clients" }),
  host: hostFlag({ help: "Host or IP address to listen on", defaultValue: "127.0.0.1" }),
  nodes: addressList({ help: "Addresses of nodes; one is enough to find the others" }),
  ...httpFlags,
  ...uploadFlags,
  ...proxyFlags,
  ...clientFlags,
  ...tlsFlags,
  ...secretFlags,
  stopWithStdin: toggle({ help: "Stop when standard input ends, for use under a supervisor" }),
} satisfies Flags;

export const proxySubcommand = subcommand({
  name: "proxy",
  summary: "run a proxy in front of the nodes",
  description:
    "Sends writes to the leader, spreads reads over the nodes, and holds requests while a new " +
    "leader is elected. Stores nothing on disk; run as many as you like.",
  flags,
  examples: ["regent proxy --port 7000 --nodes 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"],
  async run(values) {
    const { host, port, nodes, bulkBytesMax } = values;
    const address = { host, port };
    const logger = stderrLogger("proxy");
    const tls = tlsSettings(values);
    const links = openLinks(tls, logger, (peer) => peer.isProxy ? null : "is not a proxy's");
    const secret = readClusterSecret(values.clusterSecretFile, logger);
    const wanted = { http: values, hasStorage: false };
    const fitting = clientsThatFit(proxyClientsWanted(values) + descriptorsWanted(wanted));
    const { services: descriptors, clientsFitting } = shareDescriptors(wanted, fitting);
    const proxy = await startProxy(values, {
      address,
      seeds: nodes,
      clientsFitting,
      links,
      secret,
      logger,
    });
    const services = await startServices(values, {
      name: "proxy",
      address,
      seeds: nodes,
      bulkBytesMax,
      descriptors,
      copies: values.copies,
      storage: null,
      tls,
      secret,
      logger,
    });
    await endOfService(values.stopWithStdin, new Promise<never>(() => {}));
    await services?.close();
    proxy.stop();
    return 0;
  },
});
