import { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Address } from "../platform/network.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { bytes, type Flags, integer, type Values } from "./flags.ts";

const MIB = 1024 * 1024;

/** The limits on clients, the same for node and proxy. */
export const clientFlags = {
  clientsMax: integer("N", {
    help: "Maximum number of clients",
    fallback: DEFAULT_CLIENT_LIMITS.clientsMax,
    min: 1,
    max: 1_000_000,
  }),
  bulkBytesMax: bytes({
    help: "Maximum size of an argument, and of a value; above the default the nodes may need a " +
      "longer --election-ms",
    fallback: DEFAULT_CLIENT_LIMITS.bulkBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  requestBytesMax: bytes({
    help: "Maximum size of a request",
    fallback: DEFAULT_CLIENT_LIMITS.requestBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  pipelineMax: integer("N", {
    help: "Requests of one client in flight; above it, the client is not read",
    fallback: DEFAULT_CLIENT_LIMITS.pipelineMax,
    min: 1,
    max: 1_000_000,
  }),
  outputBytesMax: bytes({
    help: "Unread replies of one client; above it, a client that reads nothing for 5 s is " +
      "disconnected, and above four times it, any client",
    fallback: DEFAULT_CLIENT_LIMITS.outputBytesMax,
    min: MIB,
    max: 1024 * MIB,
  }),
  pipelineBytesMax: bytes({
    help: "Bytes of one client's requests in flight; above it, the client is not read",
    fallback: DEFAULT_CLIENT_LIMITS.pipelineBytesMax,
    min: 64 * 1024,
    max: 1024 * MIB,
  }),
  inFlightBytesMax: bytes({
    help: "The same for all clients together; above it, only small requests are read",
    fallback: DEFAULT_CLIENT_LIMITS.inFlightBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  allOutputBytesMax: bytes({
    help: "Unread replies of all clients together; above it, the client with most is disconnected",
    fallback: DEFAULT_CLIENT_LIMITS.allOutputBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  tcpKeepaliveS: integer("S", {
    help: "Idle time before TCP keep-alive probes a client; 0: never",
    fallback: DEFAULT_CLIENT_LIMITS.tcpKeepaliveS,
    min: 0,
    max: 32_767,
  }),
  timeoutS: integer("S", {
    help: "Idle time after which a client is disconnected; 0: never",
    fallback: DEFAULT_CLIENT_LIMITS.timeoutS,
    min: 0,
    max: 1_000_000,
  }),
} satisfies Flags;

/** The flags with no more clients than file descriptors allow. Logs when that lowers the limit. */
export function withClientsThatFit<T extends { readonly clientsMax: number }>(
  values: T,
  clientsFitting: number,
  logger: Logger,
): T {
  const { clientsMax } = values;
  if (clientsMax <= clientsFitting) return values;
  if (clientsFitting < 1) {
    throw new UserError("Cannot serve clients: the limit of open files (ulimit -n) is too low");
  }
  logger.warn(
    `${clientsFitting} clients at most instead of ${clientsMax} (--clients-max), ` +
      "since the limit of open files (ulimit -n) allows no more",
  );
  return { ...values, clientsMax: clientsFitting };
}

export function clientLimits(values: Values<typeof clientFlags>): ClientLimits {
  const { clientsMax, bulkBytesMax, requestBytesMax, pipelineMax, outputBytesMax } = values;
  const { pipelineBytesMax, inFlightBytesMax, allOutputBytesMax, tcpKeepaliveS, timeoutS } = values;
  return {
    ...DEFAULT_CLIENT_LIMITS,
    clientsMax,
    bulkBytesMax,
    requestBytesMax,
    pipelineMax,
    outputBytesMax,
    pipelineBytesMax,
    inFlightBytesMax,
    allOutputBytesMax,
    tcpKeepaliveS,
    timeoutS,
  };
}

/**
 * The settings that node and proxy report for `CONFIG GET`, as Redis's clients expect them.
 *
 * @param directory where the data is; empty for a proxy, which stores nothing
 */
export function redisSettings(
  { host, port }: Address,
  { clientsMax, bulkBytesMax, tcpKeepaliveS, timeoutS }: Values<typeof clientFlags>,
  directory: string,
): [name: string, value: string][] {
  return [
    ["appendfsync", "always"],
    ["appendonly", "yes"],
    ["bind", host],
    ["databases", "1"],
    ["dir", directory],
    ["maxclients", String(clientsMax)],
    ["maxmemory-policy", "noeviction"],
    ["port", String(port)],
    ["proto-max-bulk-len", String(bulkBytesMax)],
    ["save", ""],
    ["tcp-keepalive", String(tcpKeepaliveS)],
    ["timeout", String(timeoutS)],
  ];
}
