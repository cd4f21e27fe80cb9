import { assert } from "../base/errors.ts";
import {
  adoptConfiguration,
  flushTransfer,
  hasTransferWork,
  retireIfRemoved,
  tickLeaving,
  tickTransfer,
} from "./membership.ts";
import { type Progress, reachedByMajority } from "./progress.ts";
import { hasCommittedInTerm, leadershipOf, type RaftState } from "./state.ts";
import type {
  AppendReply,
  Entry,
  Heartbeat,
  HeartbeatReply,
  Message,
  NodeId,
  ReadIndexRequest,
} from "./types.ts";

/**
 * Number of whole ticks after which a round that was sent to a bare majority is sent to the other
 * peers too.
 */
const ROUND_WIDEN_TICKS = 1;

/**
 * Maximum number of bytes of entries in a probe. The peer may refuse a probe, or have its entries
 * already, and a probe is sent again while it is not answered. So it carries little, and no entry
 * at all if the next one is larger.
 */
const PROBE_BYTES_MAX = 64 * 1024;

/** Starts to lead, and opens the term with the no-op (Raft paper §8; thesis §6.4). */
export function startLeading<T>(state: RaftState<T>): void {
  state.becomeLeader();
  const index = state.log.lastIndex() + 1;
  adoptConfiguration(state, index);
  state.append({ index, term: state.term, data: null, sizeBytes: 0 });
}

/** Appends proposals to the leader's log, and returns the index of the first. */
export function appendProposals<T>(state: RaftState<T>, proposals: readonly T[]): number {
  assert(state.role === "leader", "only a leader appends proposals");
  const first = state.log.lastIndex() + 1;
  for (const [offset, data] of proposals.entries()) {
    const sizeBytes = state.options.sizeOf(data);
    state.append({ index: first + offset, term: state.term, data, sizeBytes });
  }
  const { index } = state.configurations.newest;
  if (index >= first) {
    adoptConfiguration(state, index);
    confirmReads(state); // fewer voters need fewer answers
  }
  return first;
}

/** Handles a message of this leader's own term. */
export function stepLeader<T>(state: RaftState<T>, message: Message<T>): void {
  switch (message.type) {
    case "appendReply":
      return handleAppendReply(state, message);
    case "heartbeatReply":
      return handleHeartbeatReply(state, message);
    case "readIndex":
      return addRead(state, message);
    default: // late votes, and a second leader of one term, which cannot happen
      return;
  }
}

/**
 * Asks for a read index, for this node or a follower. A follower that asks in this term had not
 * voted in a later one when its read arrived. So if this leader and that node form a majority,
 * nobody else can have been elected by then, and the read needs no round.
 */
export function addRead<T>(
  state: RaftState<T>,
  read: Pick<ReadIndexRequest, "from" | "readId">,
): void {
  const { from, readId } = read;
  const index = hasCommittedInTerm(state) ? state.log.commitIndex() : null;
  if (index !== null && isMajorityWith(state, from)) state.answerRead(from, readId, index);
  else leadershipOf(state).reads.add({ from, readId }, index);
}

function handleAppendReply<T>(state: RaftState<T>, reply: AppendReply): void {
  const peer = leadershipOf(state).progress.get(reply.from);
  if (peer === undefined) return;
  peer.heardTick = state.ticks;
  if (!reply.accepted) {
    const hint = state.log.lastIndexOfTermAtMost(reply.hintIndex, reply.hintTerm, peer.match);
    peer.refuse(reply.index, hint);
    return;
  }
  if (reply.index > state.log.lastIndex()) return; // no peer can have what was never sent
  if (peer.accept(reply.index)) advanceCommit(state);
}

function handleHeartbeatReply<T>(state: RaftState<T>, reply: HeartbeatReply): void {
  const { progress, reads } = leadershipOf(state);
  const peer = progress.get(reply.from);
  if (peer === undefined || reply.round > reads.round) return;
  peer.heardTick = state.ticks;
  peer.noteAlive(state.ticks, state.options.heartbeatTicks, state.options.electionTicks);
  if (reply.round <= peer.ackedRound) return;
  peer.ackedRound = reply.round;
  confirmReads(state);
}

/**
 * Commits the entries that are durable on a majority, this node's own disk included, if the last of
 * them is of the current term. Entries of older terms are committed only along with it (Raft paper
 * §5.3, §5.4.2).
 */
export function advanceCommit<T>(state: RaftState<T>): void {
  const { reads } = leadershipOf(state);
  const index = reachedByVoters(state, state.log.durableIndex(), (peer) => peer.match);
  if (index <= state.log.commitIndex() || state.log.term(index) !== state.term) return;
  state.log.commitTo(index);
  reads.noteCommit(index);
  retireIfRemoved(state);
}

/** Answers the reads whose round a majority has answered, this node included. */
function confirmReads<T>(state: RaftState<T>): void {
  const { reads } = leadershipOf(state);
  const round = reachedByVoters(state, reads.round, (peer) => peer.ackedRound);
  for (const read of reads.confirm(round)) state.answerRead(read.from, read.readId, read.index);
}

/** Whether this node and `id` alone form a majority. */
function isMajorityWith<T>(state: RaftState<T>, id: NodeId): boolean {
  const other = leadershipOf(state).progress.get(id);
  return reachedByVoters(state, 1, (peer) => peer === other ? 1 : 0) === 1;
}

/**
 * The highest value that a majority of the voters has reached, given this node's `own` if it is a
 * voter. Learners do not count.
 */
function reachedByVoters<T>(
  state: RaftState<T>,
  own: number,
  reachedBy: (peer: Progress) => number,
): number {
  const { progress } = leadershipOf(state);
  return reachedByMajority(state.configuration.voters.map((voter) => {
    if (voter === state.id) return own;
    const peer = progress.get(voter);
    assert(peer !== undefined, `the leader knows nothing of voter ${voter}`);
    return reachedBy(peer);
  }));
}

/** Marks the heartbeats that are due, and steps down if a majority no longer answers. */
export function tickLeader<T>(state: RaftState<T>): void {
  const leadership = leadershipOf(state);
  const { heartbeatTicks } = state.options;
  const isRoundLate = state.ticks - leadership.reads.oldestTick > ROUND_WIDEN_TICKS;
  leadership.heartbeatElapsed++;
  const isHeartbeatTime = leadership.heartbeatElapsed >= heartbeatTicks;
  if (isHeartbeatTime) leadership.heartbeatElapsed = 0;
  for (const peer of leadership.progress.values()) {
    // Under load the next append carries the commit index anyway; an idle peer gets it now.
    const isBehind = peer.commitSent < Math.min(peer.match, state.log.commitIndex());
    const isAsked = isRoundLate && peer.askedRound < leadership.reads.round;
    if (isHeartbeatTime || isBehind || isAsked) peer.heartbeatDue = true;
  }
  tickLeaving(state);
  tickTransfer(state, isHeartbeatTime);
  if (state.role === "leader" && !hasActiveMajority(state)) state.becomeFollower(state.term, null);
}

/**
 * Records the size of what keeps this node busy. The followers learn of it at once, before the
 * leader falls silent. They learn of its end with the next regular heartbeat.
 */
export function setBusy<T>(state: RaftState<T>, mib: number): void {
  const isMore = mib > state.busyMib;
  state.busyMib = mib;
  if (!isMore) return;
  for (const peer of state.leadership?.progress.values() ?? []) peer.heartbeatDue = true;
}

/** See `Raft.ticksUntilDue`. */
export function ticksUntilLeaderIsDue<T>(state: RaftState<T>): number {
  const { heartbeatElapsed, progress, reads, transfer, leaving } = leadershipOf(state);
  if (transfer !== null || leaving.size > 0) return 1;
  const untilHeartbeat = state.options.heartbeatTicks - heartbeatElapsed;
  const untilRoundIsLate = reads.oldestTick + ROUND_WIDEN_TICKS + 1 - state.ticks;
  if (untilRoundIsLate >= untilHeartbeat) return untilHeartbeat;
  for (const peer of progress.values()) {
    if (peer.askedRound < reads.round) return Math.max(1, untilRoundIsLate);
  }
  return untilHeartbeat;
}

function hasActiveMajority<T>(state: RaftState<T>): boolean {
  return reachedByVoters(state, 1, (peer) => isActiveOrBusy(state, peer) ? 1 : 0) === 1;
}

/** A peer that is reading the entries in flight to it may be silent for longer. */
function isActiveOrBusy<T>(state: RaftState<T>, peer: Progress): boolean {
  return state.isActive(peer, state.graceTicks(Math.floor(peer.inflightBytes / 2 ** 20)));
}

/** Whether `flushLeader` would send anything. */
export function hasLeaderWork<T>(state: RaftState<T>): boolean {
  const { progress, reads } = leadershipOf(state);
  if (reads.hasFresh() || hasTransferWork(state)) return true;
  for (const peer of progress.values()) {
    if (peer.heartbeatDue || peer.checkDue || peer.canSend(state.log.lastIndex())) return true;
    if (peer.needsSnapshot(state.log.firstIndex())) return true;
  }
  return false;
}

/**
 * Sends what is due. Called once for each Ready: everything proposed since the last one shares its
 * append requests, and all reads since then share one round of heartbeats.
 */
export function flushLeader<T>(state: RaftState<T>): void {
  const { progress, reads } = leadershipOf(state);
  const hasNewRound = reads.hasFresh();
  if (hasNewRound) reads.openRound(state.ticks);
  const asked = hasNewRound ? quickestMajority(state) : [];
  for (const [to, peer] of progress) {
    sendAppends(state, to, peer);
    if (peer.heartbeatDue || asked.includes(peer)) sendHeartbeat(state, to, peer, reads.round);
  }
  if (hasNewRound) confirmReads(state); // a single voter waits for nobody
  flushTransfer(state); // last: this may end the leadership
}

/**
 * The voters that answered last, as many as form a majority with this node: a round costs no more
 * messages than it must. If one of them stays silent, the others are asked after
 * `ROUND_WIDEN_TICKS`.
 */
function quickestMajority<T>(state: RaftState<T>): readonly Progress[] {
  const { progress } = leadershipOf(state);
  const voters: Progress[] = [];
  for (const [id, peer] of progress) if (state.isVoter(id)) voters.push(peer);
  voters.sort((a, b) => b.ackedRound - a.ackedRound);
  return voters.slice(0, state.quorum - (state.isVoter(state.id) ? 1 : 0));
}

function sendAppends<T>(state: RaftState<T>, to: NodeId, peer: Progress): void {
  const lastIndex = state.log.lastIndex();
  if (peer.needsSnapshot(state.log.firstIndex())) wantSnapshot(state, to, peer);
  if (peer.checkDue && !peer.canSend(lastIndex)) sendAppend(state, to, peer, []);
  peer.checkDue = false;
  while (peer.canSend(lastIndex)) {
    const entries = peer.state === "probe"
      ? probeEntries(state, peer.next, lastIndex)
      : state.log.entries(peer.next, lastIndex, state.options.appendBytesMax);
    sendAppend(state, to, peer, entries);
    let sizeBytes = 0;
    for (const entry of entries) sizeBytes += entry.sizeBytes;
    peer.noteSent(peer.next + entries.length - 1, sizeBytes, state.ticks);
  }
}

function probeEntries<T>(
  state: RaftState<T>,
  from: number,
  lastIndex: number,
): readonly Entry<T>[] {
  const bytesMax = Math.min(PROBE_BYTES_MAX, state.options.appendBytesMax);
  const entries = state.log.entries(from, lastIndex, bytesMax);
  return (entries[0]?.sizeBytes ?? 0) > PROBE_BYTES_MAX ? [] : entries;
}

function sendAppend<T>(
  state: RaftState<T>,
  to: NodeId,
  peer: Progress,
  entries: readonly Entry<T>[],
): void {
  const prevIndex = peer.next - 1;
  assert(prevIndex >= state.log.firstIndex() - 1, `${to} needs entries that were compacted`);
  const commit = state.log.commitIndex();
  const prevTerm = state.log.term(prevIndex);
  state.send({
    type: "append",
    from: state.id,
    to,
    term: state.term,
    prevIndex,
    prevTerm,
    commit,
    entries,
  });
  peer.commitSent = Math.max(peer.commitSent, Math.min(commit, prevIndex + entries.length));
}

function sendHeartbeat<T>(state: RaftState<T>, to: NodeId, peer: Progress, round: number): void {
  const commit = Math.min(peer.match, state.log.commitIndex());
  const { id: from, term, busyMib } = state;
  const heartbeat: Heartbeat = { type: "heartbeat", from, to, term, commit, round };
  state.send(busyMib > 0 ? { ...heartbeat, busyMib } : heartbeat);
  peer.commitSent = Math.max(peer.commitSent, commit);
  peer.askedRound = round;
  peer.heartbeatDue = false;
}

/** Asks the driver to send a snapshot to a peer that needs compacted entries. */
function wantSnapshot<T>(state: RaftState<T>, to: NodeId, peer: Progress): void {
  const index = state.log.firstIndex() - 1;
  peer.noteSnapshotWanted(index, state.ticks);
  state.snapshotsWanted.push({ to, term: state.term, index });
}
