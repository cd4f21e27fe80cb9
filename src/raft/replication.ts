import { assert } from "../base/assert.ts";
import { type Core, leadershipOf } from "./core.ts";
import { confirmReads } from "./leader.ts";
import type { Progress } from "./progress.ts";
import { sendSnapshot } from "./snapshot.ts";
import { flushTransfer, hasTransferWork } from "./transfer.ts";
import type { Entry, NodeId } from "./types.ts";

/** A probe may be refused, or repeat what the peer has: it does not carry much. */
const PROBE_BYTES_MAX = 64 * 1024;

/** Whether `flushLeader` would send anything. */
export function hasLeaderWork<T>(core: Core<T>): boolean {
  const { progress, reads } = leadershipOf(core);
  if (reads.hasFresh() || hasTransferWork(core)) return true;
  for (const peer of progress.values()) {
    if (peer.heartbeatDue || peer.checkDue || peer.canSend(core.log.lastIndex())) return true;
    if (peer.needsSnapshot(core.log.firstIndex())) return true;
  }
  return false;
}

/**
 * Sends what is due. Called once for each Ready, so that everything proposed since the last one
 * shares its appends, and all reads since then one round of heartbeats.
 */
export function flushLeader<T>(core: Core<T>): void {
  const { progress, reads } = leadershipOf(core);
  const hasNewRound = reads.hasFresh();
  if (hasNewRound) reads.openRound(core.ticks);
  const asked = hasNewRound ? quickestMajority(core) : [];
  for (const [to, peer] of progress) {
    sendAppends(core, to, peer);
    if (peer.heartbeatDue || asked.includes(peer)) sendHeartbeat(core, to, peer, reads.round);
  }
  if (hasNewRound) confirmReads(core); // a cluster of one waits for nobody
  flushTransfer(core); // last: this may end the leadership
}

/**
 * Those whose answers, with this node's own, make a majority, and who answered last: a round costs no
 * more messages than it must. If one of them stays away, the others are asked at the second tick.
 */
function quickestMajority<T>(core: Core<T>): readonly Progress[] {
  const { progress } = leadershipOf(core);
  const voters: Progress[] = [];
  for (const [id, peer] of progress) if (core.isVoter(id)) voters.push(peer);
  voters.sort((a, b) => b.ackedRound - a.ackedRound);
  return voters.slice(0, core.quorum - (core.isVoter(core.id) ? 1 : 0));
}

function sendAppends<T>(core: Core<T>, to: NodeId, peer: Progress): void {
  const lastIndex = core.log.lastIndex();
  if (peer.needsSnapshot(core.log.firstIndex())) sendSnapshot(core, to);
  if (peer.checkDue && !peer.canSend(lastIndex)) sendAppend(core, to, peer, []);
  peer.checkDue = false;
  while (peer.canSend(lastIndex)) {
    const bytesMax = peer.state === "probe"
      ? Math.min(PROBE_BYTES_MAX, core.options.appendBytesMax)
      : core.options.appendBytesMax;
    const entries = core.log.entries(peer.next, lastIndex, bytesMax);
    sendAppend(core, to, peer, entries);
    let sizeBytes = 0;
    for (const entry of entries) sizeBytes += entry.sizeBytes;
    peer.sent(peer.next + entries.length - 1, sizeBytes, core.ticks);
  }
}

function sendAppend<T>(
  core: Core<T>,
  to: NodeId,
  peer: Progress,
  entries: readonly Entry<T>[],
): void {
  const prevIndex = peer.next - 1;
  assert(prevIndex >= core.log.firstIndex() - 1, `${to} needs entries that were compacted`);
  const commit = core.log.commitIndex();
  const prevTerm = core.log.term(prevIndex);
  core.send({
    type: "append",
    from: core.id,
    to,
    term: core.term,
    prevIndex,
    prevTerm,
    commit,
    entries,
  });
  peer.commitTold = Math.max(peer.commitTold, Math.min(commit, prevIndex + entries.length));
}

function sendHeartbeat<T>(core: Core<T>, to: NodeId, peer: Progress, round: number): void {
  const commit = Math.min(peer.match, core.log.commitIndex());
  core.send({ type: "heartbeat", from: core.id, to, term: core.term, commit, round });
  peer.commitTold = Math.max(peer.commitTold, commit);
  peer.askedRound = round;
  peer.heartbeatDue = false;
}
