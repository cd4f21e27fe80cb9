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
    help: "Size of one argument, and of a value",
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
} satisfies Flags;

export function clientLimits(values: Values<typeof clientFlags>): ClientLimits {
  const { clientsMax, bulkBytesMax, requestBytesMax, pipelineMax, outputBytesMax } = values;
  return {
    ...DEFAULT_CLIENT_LIMITS,
    clientsMax,
    bulkBytesMax,
    requestBytesMax,
    pipelineMax,
    outputBytesMax,
  };
}
