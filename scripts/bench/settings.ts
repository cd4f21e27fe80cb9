import { integer, type Values } from "../../src/cli/flags.ts";

/** The sizes of the measurements. */
export const settingFlags = {
  rounds: integer("N", {
    help: "Number of counted runs of each load, after one for warm-up",
    defaultValue: 3,
    min: 1,
    max: 100,
  }),
  requests: integer("N", {
    help: "Requests in one run of a load; three times as many with -P 16, fewer with large values",
    defaultValue: 100_000,
    min: 1_000,
    max: 1e8,
  }),
  connections: integer("N", {
    help: "Part connections: number of busy clients, compared with 50",
    defaultValue: 1_000,
    min: 1,
    max: 10_000,
  }),
  idleConnections: integer("N", {
    help: "Part connections: number of idle clients",
    defaultValue: 10_000,
    min: 1,
    max: 25_000,
  }),
  rate: integer("N", {
    help: "Parts latency and memory: requests per second",
    defaultValue: 5_000,
    min: 1,
    max: 100_000,
  }),
  seconds: integer("N", {
    help: "Parts latency and big-and-small: duration of each load in seconds, over all rounds",
    defaultValue: 20,
    min: 1,
    max: 86_400,
  }),
  keys: integer("N", {
    help: "Part memory: number of keys",
    defaultValue: 1_000_000,
    min: 1_000,
    max: 1e8,
  }),
  minutes: integer("N", {
    help: "Part memory: minutes of steady writes while the memory is measured; 0: none",
    defaultValue: 0,
    min: 0,
    max: 10_000,
  }),
  failovers: integer("N", {
    help: "Part failover: number of times that the leader is killed; 0: skip the part",
    defaultValue: 20,
    min: 0,
    max: 1_000,
  }),
  electionSeconds: integer("N", {
    help: "Part elections: seconds of counting without load, and then with it; 0: skip the part",
    defaultValue: 0,
    min: 0,
    max: 86_400,
  }),
};

export type Settings = Values<typeof settingFlags>;
