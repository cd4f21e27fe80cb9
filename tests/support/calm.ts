import type { LocalClusterOptions } from "./local_cluster.ts";

/** For tests that are not about elections: none happens by accident, however busy the machine is. */
export const CALM_FLAGS: readonly string[] = ["--election-ms", "1000"];

export const CALM: LocalClusterOptions = { nodeFlags: CALM_FLAGS };
