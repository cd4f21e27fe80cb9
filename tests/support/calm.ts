import type { LocalClusterOptions } from "./local_cluster.ts";

/**
 * For tests with elections in which no client request may be refused: a proxy holds requests for
 * longer than a busy machine takes to start a node. Each test judges separately how long clients
 * were not served.
 */
export const PATIENT = {
  proxyFlags: ["--hold-ms-max", "60000"],
} satisfies LocalClusterOptions;

/**
 * For tests that are not about elections: one node leads at once, and no election happens by
 * accident, however busy the machine is.
 */
export const CALM = {
  ...PATIENT,
  nodeFlags: ["--election-ms", "10000"],
  flagsOf: { n1: ["--role", "leader"] },
} satisfies LocalClusterOptions;

/**
 * As `CALM`, for tests that later wait for an election, or until a leader without followers gives
 * up: both come within seconds.
 */
export const CALM_FOR_A_WHILE = {
  ...CALM,
  nodeFlags: ["--election-ms", "3000"],
} satisfies LocalClusterOptions;
