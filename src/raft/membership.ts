import { assert } from "../base/errors.ts";
import { isWellFormed } from "./configuration_log.ts";
import { Progress } from "./progress.ts";
import {
  hasCommittedInTerm,
  leadershipOf,
  type LeavingPeer,
  type RaftState,
  type TransferAttempt,
} from "./state.ts";
import type { Configuration, NodeId } from "./types.ts";

/**
 * Number of election timeouts after which the leader forgets a removed peer that does not answer.
 */
const LEAVING_ELECTION_TIMEOUTS = 4;

/** Why a configuration cannot be proposed now. */
export type ConfigurationRefusal =
  /** This node does not lead, or is handing leadership over. */
  | "notLeader"
  /** The leader has not committed an entry of its term yet. */
  | "termNotOpened"
  /** The previous change is not committed yet. */
  | "changeInProgress"
  /** More than one voter would be added or removed. */
  | "moreThanOneVoter"
  /** The configuration has no voter, or has an id twice. */
  | "malformed";

/**
 * Why this configuration cannot be proposed now; `null` if it can. Each change adds or removes one
 * voter at most, after the previous one is committed: then any two majorities that could decide at
 * the same time share a voter (thesis §4.1). Once a leader has committed an entry of its own term,
 * a change that an earlier leader began is committed too, or can no longer be.
 */
export function configurationRefusal<T>(
  state: RaftState<T>,
  configuration: Configuration,
): ConfigurationRefusal | null {
  if (state.role !== "leader" || leadershipOf(state).transfer !== null) return "notLeader";
  if (!isWellFormed(configuration)) return "malformed";
  if (!hasCommittedInTerm(state)) return "termNotOpened";
  if (!state.isConfigurationCommitted) return "changeInProgress";
  const difference = new Set(state.configuration.voters)
    .symmetricDifference(new Set(configuration.voters));
  return difference.size > 1 ? "moreThanOneVoter" : null;
}

/**
 * Updates the leader's peers to the newest configuration.
 *
 * @param next first guess of the next entry that a new peer needs
 */
export function adoptConfiguration<T>(state: RaftState<T>, next: number): void {
  const { progress, leaving } = leadershipOf(state);
  const { index, configuration: { voters, learners } } = state.configurations.newest;
  const members = new Set([...voters, ...learners]);
  members.delete(state.id);
  for (const peer of members) {
    leaving.delete(peer);
    if (progress.has(peer)) continue;
    progress.set(peer, new Progress(state.options, next, state.ticks));
  }
  for (const peer of progress.keys()) {
    if (members.has(peer) || leaving.has(peer)) continue;
    leaving.set(peer, { index, sinceTick: state.ticks, commitSentTick: null });
  }
}

/** Forgets the removed peers that have learned of their removal, or do not answer. */
export function tickLeaving<T>(state: RaftState<T>): void {
  const { progress, leaving } = leadershipOf(state);
  const timeoutTicks = LEAVING_ELECTION_TIMEOUTS * state.options.electionTicks;
  for (const [id, one] of leaving) {
    const peer = progress.get(id);
    if (peer !== undefined && !hasHeard(one, peer) && state.ticks - one.sinceTick < timeoutTicks) {
      if (peer.commitSent >= one.index) one.commitSentTick ??= state.ticks;
      continue;
    }
    leaving.delete(id);
    progress.delete(id);
  }
}

/**
 * A leader that is no voter of its committed configuration hands over and leaves (thesis §4.2.2).
 */
export function retireIfRemoved<T>(state: RaftState<T>): void {
  if (state.isConfigurationCommitted && !state.isVoter(state.id)) startRetiring(state);
}

function hasHeard({ commitSentTick }: LeavingPeer, peer: Progress): boolean {
  return commitSentTick !== null && peer.heardTick >= commitSentTick;
}

/** Begins to transfer leadership to a voter. Returns false if that is impossible. */
export function startTransfer<T>(state: RaftState<T>, to: NodeId): boolean {
  if (state.role !== "leader" || to === state.id || !state.isVoter(to)) return false;
  const leadership = leadershipOf(state);
  if (leadership.transfer !== null) return leadership.transfer.to === to;
  leadership.transfer = newTransfer(state, to, false);
  return true;
}

/** Makes a removed leader hand over to the voter with the most entries. */
function startRetiring<T>(state: RaftState<T>): void {
  const leadership = leadershipOf(state);
  if (leadership.transfer?.isRetiring) return;
  let best: { to: NodeId; match: number } | null = null;
  for (const to of state.configuration.voters) {
    const match = leadership.progress.get(to)?.match ?? 0;
    if (best === null || match > best.match) best = { to, match };
  }
  assert(best !== null, "a configuration has a voter");
  leadership.transfer = newTransfer(state, best.to, true);
  // The peers learn at once that the removal is committed.
  for (const peer of leadership.progress.values()) peer.heartbeatDue = true;
}

/** Whether the target has all entries, and has not been asked to stand since the last heartbeat. */
export function hasTransferWork<T>(state: RaftState<T>): boolean {
  const { transfer, progress } = leadershipOf(state);
  if (transfer === null || transfer.isTimeoutNowSent) return false;
  return progress.get(transfer.to)?.match === state.log.lastIndex();
}

/**
 * Asks the target to stand for election once it has all entries. This comes after all other
 * messages of a Ready.
 */
export function flushTransfer<T>(state: RaftState<T>): void {
  if (!hasTransferWork(state)) return;
  const { transfer } = leadershipOf(state);
  assert(transfer !== null, "there is a transfer");
  transfer.isTimeoutNowSent = true;
  state.send({ type: "timeoutNow", from: state.id, to: transfer.to, term: state.term });
  if (transfer.isRetiring) state.becomeFollower(state.term, null);
}

/**
 * Repeats the request with each regular heartbeat, and ends an attempt that takes longer than an
 * election timeout.
 */
export function tickTransfer<T>(state: RaftState<T>, isHeartbeatTime: boolean): void {
  const leadership = leadershipOf(state);
  const { transfer } = leadership;
  if (transfer === null) return;
  if (isHeartbeatTime) transfer.isTimeoutNowSent = false;
  if (state.ticks < transfer.endTick) return;
  if (transfer.isRetiring) state.becomeFollower(state.term, null);
  else leadership.transfer = null;
}

function newTransfer<T>(state: RaftState<T>, to: NodeId, isRetiring: boolean): TransferAttempt {
  return {
    to,
    endTick: state.ticks + state.options.electionTicks,
    isRetiring,
    isTimeoutNowSent: false,
  };
}
