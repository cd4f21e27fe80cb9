import { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Address } from "../platform/network.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { bytes, type Flags, integer, type Values } from "./flags.ts";

const MIB = 1024 * 1024;

/** The limits on clients, the same for node and proxy. */
export const clientFlags = {
  clientsMax: integer("N", {
    help: "Maximum number of connected clients",
    defaultValue: DEFAULT_CLIENT_LIMITS.clientsMax,
    min: 1,
    max: 1_000_000,
  }),
  bulkBytesMax: bytes({
    help: "Maximum size of an argument, and so of a value; above the default, the nodes may need " +
      "a longer --election-ms",
    defaultValue: DEFAULT_CLIENT_LIMITS.bulkBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  requestBytesMax: bytes({
    help: "Maximum size of a request with all its arguments",
    defaultValue: DEFAULT_CLIENT_LIMITS.requestBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  pipelineMax: integer("N", {
    help: "Maximum number of one client's requests in flight; at the limit, no more are read",
    defaultValue: DEFAULT_CLIENT_LIMITS.pipelineMax,
    min: 1,
    max: 1_000_000,
  }),
  outputBytesMax: bytes({
    help: "Limit of one client's unread replies; above it, a client that reads nothing for 5 s " +
      "is disconnected; above four times the limit, any client is",
    defaultValue: DEFAULT_CLIENT_LIMITS.outputBytesMax,
    min: MIB,
    max: 1024 * MIB,
  }),
  pipelineBytesMax: bytes({
    help: "Maximum size of one client's requests in flight; at the limit, no more are read",
    defaultValue: DEFAULT_CLIENT_LIMITS.pipelineBytesMax,
    min: 64 * 1024,
    max: 1024 * MIB,
  }),
  inFlightBytesMax: bytes({
    help: "Limit of all clients' requests in flight; above it, only small requests are read",
    defaultValue: DEFAULT_CLIENT_LIMITS.inFlightBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  allOutputBytesMax: bytes({
    help: "Limit of all clients' unread replies; above it, the client with the most is " +
      "disconnected",
    defaultValue: DEFAULT_CLIENT_LIMITS.allOutputBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  tcpKeepaliveS: integer("SECONDS", {
    help: "Idle time before TCP keep-alive probes a client; 0: never",
    defaultValue: DEFAULT_CLIENT_LIMITS.tcpKeepaliveS,
    min: 0,
    max: 32_767,
  }),
  timeoutS: integer("SECONDS", {
    help: "Idle time after which a client is disconnected; 0: never",
    defaultValue: DEFAULT_CLIENT_LIMITS.timeoutS,
    min: 0,
    max: 1_000_000,
  }),
} satisfies Flags;

/** Lowers `--clients-max` to what the file descriptors allow, with a line in the log. */
export function withClientsThatFit<T extends { readonly clientsMax: number }>(
  values: T,
  clientsFitting: number,
  logger: Logger,
): T {
  const { clientsMax } = values;
  if (clientsMax <= clientsFitting) return values;
  if (clientsFitting < 1) {
    throw new UserError("Cannot serve clients: raise the limit of open files (ulimit -n)");
  }
  logger.warn(
    `accepts at most ${clientsFitting} clients instead of ${clientsMax} (--clients-max), ` +
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
