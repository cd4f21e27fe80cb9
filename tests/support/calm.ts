import type { LocalClusterOptions } from "./local_cluster.ts";

/**
 * For tests that are not about elections: one node leads at once, and no election happens by accident,
 * however busy the machine is.
 */
export const CALM = {
  nodeFlags: ["--election-ms", "3000"],
  flagsOf: { n1: ["--role", "leader"] },
} satisfies LocalClusterOptions;
