import { commandMutants } from "./lists/command_mutants.ts";
import { diskMutants } from "./lists/disk_mutants.ts";
import { electionMutants } from "./lists/election_mutants.ts";
import { logMutants } from "./lists/log_mutants.ts";
import { nodeMutants } from "./lists/node_mutants.ts";
import { peerMutants } from "./lists/peer_mutants.ts";
import { membershipMutants } from "./lists/membership_mutants.ts";
import { proxyMutants } from "./lists/proxy_mutants.ts";
import { readMutants } from "./lists/read_mutants.ts";
import { sessionMutants } from "./lists/session_mutants.ts";
import { snapshotMutants } from "./lists/snapshot_mutants.ts";
import { wireMutants } from "./lists/wire_mutants.ts";
import type { Mutant } from "./mutant.ts";

/** Every known bug that is tried, from the core outwards. */
export const allMutants: readonly Mutant[] = [
  ...electionMutants,
  ...logMutants,
  ...readMutants,
  ...membershipMutants,
  ...snapshotMutants,
  ...sessionMutants,
  ...diskMutants,
  ...nodeMutants,
  ...peerMutants,
  ...commandMutants,
  ...wireMutants,
  ...proxyMutants,
];
