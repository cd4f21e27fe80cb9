import { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Address } from "../platform/network.ts";
import { type ClientLimits, DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { bytes, type Flags, integer, type Values } from "./flags.ts";

const MIB = 1024 * 1024;

/** The bounds on clients, the same for node and proxy. */
export const clientFlags = {
  clientsMax: integer("N", {
    help: "Clients at the same time",
    fallback: DEFAULT_CLIENT_LIMITS.clientsMax,
    min: 1,
    max: 1_000_000,
  }),
  bulkBytesMax: bytes({
    help: "Size of one argument, and of a value; more than the default may want a longer " +
      "--election-ms of the nodes",
    fallback: DEFAULT_CLIENT_LIMITS.bulkBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  requestBytesMax: bytes({
    help: "Size of one request",
    fallback: DEFAULT_CLIENT_LIMITS.requestBytesMax,
    min: 1024,
    max: 64 * MIB,
  }),
  pipelineMax: integer("N", {
    help: "Requests of one client that wait for an answer; beyond it the client is not read",
    fallback: DEFAULT_CLIENT_LIMITS.pipelineMax,
    min: 1,
    max: 1_000_000,
  }),
  outputBytesMax: bytes({
    help:
      "Replies held for a client; beyond it a client that takes nothing for 5 s is cut off, and " +
      "beyond four times it any client",
    fallback: DEFAULT_CLIENT_LIMITS.outputBytesMax,
    min: MIB,
    max: 1024 * MIB,
  }),
  pipelineBytesMax: bytes({
    help:
      "Bytes of one client's requests that wait for an answer; beyond it the client is not read",
    fallback: DEFAULT_CLIENT_LIMITS.pipelineBytesMax,
    min: 64 * 1024,
    max: 1024 * MIB,
  }),
  inFlightBytesMax: bytes({
    help: "The same of all clients together; beyond it only small requests are read",
    fallback: DEFAULT_CLIENT_LIMITS.inFlightBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  allOutputBytesMax: bytes({
    help: "Replies held for all clients together; beyond it the client with the most is cut off",
    fallback: DEFAULT_CLIENT_LIMITS.allOutputBytesMax,
    min: MIB,
    max: 4096 * MIB,
  }),
  tcpKeepaliveS: integer("S", {
    help: "Silence after which TCP asks whether a client is still there; 0: never",
    fallback: DEFAULT_CLIENT_LIMITS.tcpKeepaliveS,
    min: 0,
    max: 32_767,
  }),
  timeoutS: integer("S", {
    help: "A client that asks for nothing for so long is cut off; 0: never",
    fallback: DEFAULT_CLIENT_LIMITS.timeoutS,
    min: 0,
    max: 1_000_000,
  }),
} satisfies Flags;

/** The flags with as many clients as there can be; says so when that is fewer than asked for. */
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

/** What node and proxy have for `CONFIG GET`, under the names that Redis's clients ask for. */
export function redisSettings(
  { host, port }: Address,
  { clientsMax, bulkBytesMax, tcpKeepaliveS, timeoutS }: Values<typeof clientFlags>,
): [name: string, value: string][] {
  return [
    ["appendfsync", "always"],
    ["appendonly", "yes"],
    ["bind", host],
    ["databases", "1"],
    ["maxclients", String(clientsMax)],
    ["maxmemory-policy", "noeviction"],
    ["port", String(port)],
    ["proto-max-bulk-len", String(bulkBytesMax)],
    ["save", ""],
    ["tcp-keepalive", String(tcpKeepaliveS)],
    ["timeout", String(timeoutS)],
  ];
}
