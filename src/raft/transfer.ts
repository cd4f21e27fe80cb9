import { assert } from "../base/errors.ts";
import { leadershipOf, type RaftState, type TransferAttempt } from "./state.ts";
import type { NodeId } from "./types.ts";

/** Begins to hand leadership over to a voter. Returns false where that cannot be. */
export function startTransfer<T>(state: RaftState<T>, to: NodeId): boolean {
  if (state.role !== "leader" || to === state.id || !state.isVoter(to)) return false;
  const leadership = leadershipOf(state);
  if (leadership.transfer !== null) return leadership.transfer.to === to;
  leadership.transfer = newTransfer(state, to, false);
  return true;
}

/** Makes a removed leader leave its term to the voter with the most entries. */
export function startRetiring<T>(state: RaftState<T>): void {
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

/** Whether the target has all entries and is still to be asked to stand. */
export function hasTransferWork<T>(state: RaftState<T>): boolean {
  const { transfer, progress } = leadershipOf(state);
  if (transfer === null || transfer.isTimeoutNowSent) return false;
  return progress.get(transfer.to)?.match === state.log.lastIndex();
}

/** Asks the target to stand once it has all entries. Comes after all other messages of a Ready. */
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
