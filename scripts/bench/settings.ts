import { integer, type Values } from "../../src/cli/flags.ts";

/** The sizes of the measurements. */
export const settingFlags = {
  rounds: integer("N", {
    help: "Runs of each load, beside one that warms up and does not count",
    fallback: 3,
    min: 1,
    max: 100,
  }),
  requests: integer("N", {
    help: "Requests of a load; three times as many with -P 16, fewer where values are large",
    fallback: 100_000,
    min: 1_000,
    max: 1e8,
  }),
  connections: integer("N", {
    help: "Clients at work, beside 50",
    fallback: 1_000,
    min: 1,
    max: 10_000,
  }),
  idleConnections: integer("N", {
    help: "Clients that do nothing",
    fallback: 10_000,
    min: 1,
    max: 25_000,
  }),
  rate: integer("N", {
    help: "Requests a second where the rate is fixed",
    fallback: 5_000,
    min: 1,
    max: 100_000,
  }),
  seconds: integer("N", {
    help: "For each load of a fixed rate, over all rounds",
    fallback: 20,
    min: 1,
    max: 86_400,
  }),
  keys: integer("N", {
    help: "Keys whose memory is measured",
    fallback: 1_000_000,
    min: 1_000,
    max: 1e8,
  }),
  minutes: integer("N", {
    help: "Of steady writes while the memory is watched; 0: left out",
    fallback: 0,
    min: 0,
    max: 10_000,
  }),
  failovers: integer("N", { help: "Leaders killed", fallback: 20, min: 0, max: 1_000 }),
  electionSeconds: integer("N", {
    help: "For how long elections are counted without and with load; 0: left out",
    fallback: 0,
    min: 0,
    max: 86_400,
  }),
};

export type Settings = Values<typeof settingFlags>;
