import { accessMutants } from "./lists/access_mutants.ts";
import { answerMutants } from "./lists/answer_mutants.ts";
import { blobMutants } from "./lists/blob_mutants.ts";
import { catchUpMutants } from "./lists/catch_up_mutants.ts";
import { clockMutants } from "./lists/clock_mutants.ts";
import { commandLineMutants } from "./lists/command_line_mutants.ts";
import { commandMutants } from "./lists/command_mutants.ts";
import { diskMutants } from "./lists/disk_mutants.ts";
import { electionMutants } from "./lists/election_mutants.ts";
import { fileMutants } from "./lists/file_mutants.ts";
import { fileServiceMutants } from "./lists/file_service_mutants.ts";
import { frequencyMutants } from "./lists/frequency_mutants.ts";
import { httpMutants } from "./lists/http_mutants.ts";
import { identityMutants } from "./lists/identity_mutants.ts";
import { logMutants } from "./lists/log_mutants.ts";
import { membershipMutants } from "./lists/membership_mutants.ts";
import { nodeMutants } from "./lists/node_mutants.ts";
import { operatorMutants } from "./lists/operator_mutants.ts";
import { peerMutants } from "./lists/peer_mutants.ts";
import { proxyBorderMutants } from "./lists/proxy_border_mutants.ts";
import { proxyMutants } from "./lists/proxy_mutants.ts";
import { readMutants } from "./lists/read_mutants.ts";
import { ringMutants } from "./lists/ring_mutants.ts";
import { seamClientMutants } from "./lists/seam_client_mutants.ts";
import { seamConsensusMutants } from "./lists/seam_consensus_mutants.ts";
import { seamStateMutants } from "./lists/seam_state_mutants.ts";
import { securityMutants } from "./lists/security_mutants.ts";
import { sessionMutants } from "./lists/session_mutants.ts";
import { sliceMutants } from "./lists/slice_mutants.ts";
import { snapshotMutants } from "./lists/snapshot_mutants.ts";
import { storageMutants } from "./lists/storage_mutants.ts";
import { valueMutants } from "./lists/value_mutants.ts";
import { versionMutants } from "./lists/version_mutants.ts";
import { wireMutants } from "./lists/wire_mutants.ts";
import type { Mutant } from "./mutant.ts";

/** Every known bug, from the core outwards. */
export const allMutants: readonly Mutant[] = [
  ...electionMutants,
  ...logMutants,
  ...readMutants,
  ...answerMutants,
  ...membershipMutants,
  ...fileServiceMutants,
  ...frequencyMutants,
  ...httpMutants,
  ...blobMutants,
  ...identityMutants,
  ...snapshotMutants,
  ...catchUpMutants,
  ...clockMutants,
  ...storageMutants,
  ...sessionMutants,
  ...diskMutants,
  ...nodeMutants,
  ...peerMutants,
  ...versionMutants,
  ...commandMutants,
  ...securityMutants,
  ...accessMutants,
  ...valueMutants,
  ...sliceMutants,
  ...wireMutants,
  ...proxyMutants,
  ...proxyBorderMutants,
  ...operatorMutants,
  ...commandLineMutants,
  ...ringMutants,
  ...fileMutants,
  ...seamClientMutants,
  ...seamConsensusMutants,
  ...seamStateMutants,
];
