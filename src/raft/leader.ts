import { assert } from "../base/assert.ts";
import { type Core, leadershipOf } from "./core.ts";
import { adoptConfiguration, retireIfRemoved, tickLeaving } from "./membership.ts";
import type { Progress } from "./progress.ts";
import { reachedByMajority } from "./quorum.ts";
import { tickTransfer } from "./transfer.ts";
import type { NodeId } from "./types.ts";

/** After so many whole ticks a round that was sent to a bare majority goes to the others as well. */
const ROUND_TICKS = 1;

/** Takes up leadership and opens the term with the no-op (Raft paper §8; thesis §6.4). */
export function startLeading<T>(core: Core<T>): void {
  core.becomeLeader();
  const index = core.log.lastIndex() + 1;
  adoptConfiguration(core, index);
  core.append({ index, term: core.term, data: null, sizeBytes: 0 });
}

/** Appends proposals to the leader's log; the result is the index of the first. */
export function appendProposals<T>(core: Core<T>, proposals: readonly T[]): number {
  assert(core.role === "leader", "only a leader appends proposals");
  const first = core.log.lastIndex() + 1;
  for (const [offset, data] of proposals.entries()) {
    const sizeBytes = core.options.sizeOf(data);
    core.append({ index: first + offset, term: core.term, data, sizeBytes });
  }
  const { index } = core.configurations.newest;
  if (index >= first) adoptConfiguration(core, index);
  return first;
}

/**
 * Commits what a majority has durably, this node's own disk included, if the last of it is of the
 * current term: older entries are committed only along with it (Raft paper §5.3, §5.4.2).
 */
export function advanceCommit<T>(core: Core<T>): void {
  const { reads } = leadershipOf(core);
  const index = reachedByVoters(core, core.log.durableIndex(), (peer) => peer.match);
  if (index <= core.log.commitIndex() || core.log.term(index) !== core.term) return;
  core.log.commitTo(index);
  reads.opened(index);
  retireIfRemoved(core);
}

/** Answers the reads whose round a majority has answered, this node included. */
export function confirmReads<T>(core: Core<T>): void {
  const { reads } = leadershipOf(core);
  const round = reachedByVoters(core, reads.round, (peer) => peer.ackedRound);
  for (const read of reads.confirm(round)) core.answerRead(read.from, read.readId, read.index);
}

/** Whether this node and that one alone are a majority. */
export function isMajorityWith<T>(core: Core<T>, id: NodeId): boolean {
  const other = leadershipOf(core).progress.get(id);
  return reachedByVoters(core, 1, (peer) => peer === other ? 1 : 0) === 1;
}

/** What a majority of the voters has reached: this node, if it is one, `own`. Learners do not count. */
function reachedByVoters<T>(
  core: Core<T>,
  own: number,
  reachedBy: (peer: Progress) => number,
): number {
  const { progress } = leadershipOf(core);
  return reachedByMajority(core.configuration.voters.map((voter) => {
    if (voter === core.id) return own;
    const peer = progress.get(voter);
    assert(peer !== undefined, `the leader knows nothing of voter ${voter}`);
    return reachedBy(peer);
  }));
}

/** Heartbeats, news of the commit index, and the check that a majority still answers. */
export function tickLeader<T>(core: Core<T>): void {
  const leadership = leadershipOf(core);
  const { heartbeatTicks } = core.options;
  const isRoundLate = core.ticks - leadership.reads.oldestTick > ROUND_TICKS;
  leadership.heartbeatElapsed++;
  const isHeartbeatTime = leadership.heartbeatElapsed >= heartbeatTicks;
  if (isHeartbeatTime) leadership.heartbeatElapsed = 0;
  for (const peer of leadership.progress.values()) {
    // Under load the next append tells the commit index for free; an idle peer hears of it now.
    const isBehind = peer.commitTold < Math.min(peer.match, core.log.commitIndex());
    const isAsked = isRoundLate && peer.askedRound < leadership.reads.round;
    if (isHeartbeatTime || isBehind || isAsked) peer.heartbeatDue = true;
  }
  tickLeaving(core);
  tickTransfer(core, isHeartbeatTime);
  if (core.role === "leader" && !hasActiveMajority(core)) core.becomeFollower(core.term, null);
}

/** See `Raft.ticksUntilDue`. */
export function ticksUntilLeaderIsDue<T>(core: Core<T>): number {
  const { heartbeatElapsed, progress, reads, transfer, leaving } = leadershipOf(core);
  if (transfer !== null || leaving.size > 0) return 1;
  const untilHeartbeat = core.options.heartbeatTicks - heartbeatElapsed;
  const untilRoundIsLate = reads.oldestTick + ROUND_TICKS + 1 - core.ticks;
  if (untilRoundIsLate >= untilHeartbeat) return untilHeartbeat;
  for (const peer of progress.values()) {
    if (peer.askedRound < reads.round) return Math.max(1, untilRoundIsLate);
  }
  return untilHeartbeat;
}

function hasActiveMajority<T>(core: Core<T>): boolean {
  return reachedByVoters(core, 1, (peer) => core.isActive(peer) ? 1 : 0) === 1;
}
