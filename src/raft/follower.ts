import { campaignForTransfer } from "./election.ts";
import type { RaftState } from "./state.ts";
import type {
  AppendReply,
  AppendRequest,
  Heartbeat,
  Message,
  NodeId,
  ReadIndexReply,
  SnapshotAt,
} from "./types.ts";

/** Handles a message of this follower's own term. */
export function stepFollower<T>(state: RaftState<T>, message: Message<T>): void {
  switch (message.type) {
    case "append":
      if (follow(state, message.from)) handleAppend(state, message);
      return;
    case "heartbeat":
      if (follow(state, message.from)) handleHeartbeat(state, message);
      return;
    case "timeoutNow":
      if (follow(state, message.from)) campaignForTransfer(state);
      return;
    case "readIndex":
      return state.answerRead(message.from, message.readId, null);
    case "readIndexReply":
      return handleReadIndexReply(state, message);
    default: // replies to requests that this node sent in another role
      return;
  }
}

/**
 * Accepts the sender as this term's leader. Returns false if the term has another one, which cannot
 * happen while all nodes are correct.
 */
function follow<T>(state: RaftState<T>, from: string): boolean {
  if (state.leaderId === null) state.becomeFollower(state.term, from);
  state.electionElapsed = 0;
  return state.leaderId === from;
}

/** Raft paper, figure 2 (AppendEntries, receiver). */
function handleAppend<T>(state: RaftState<T>, request: AppendRequest<T>): void {
  const { log } = state;
  // The leader has everything that is committed here. Only later entries are compared, so neither a
  // late request nor a compacted log can make this node truncate committed entries.
  const skipped = Math.max(0, log.commitIndex() - request.prevIndex);
  if (skipped === 0 && !log.matches(request.prevIndex, request.prevTerm)) {
    return refuseAppend(state, request);
  }
  const last = request.entries[skipped - 1];
  // No leader lacks what is committed, so the sender cannot be one.
  if (last !== undefined && !log.matches(last.index, last.term)) return;
  for (const entry of skipped > 0 ? request.entries.slice(skipped) : request.entries) {
    if (log.matches(entry.index, entry.term)) continue;
    if (entry.index <= state.matchIndex) return; // a leader never changes its own log
    if (entry.index <= log.lastIndex()) state.truncateFrom(entry.index);
    state.append(entry);
  }
  const matchIndex = Math.max(request.prevIndex + request.entries.length, log.commitIndex());
  noteMatch(state, matchIndex, request.commit);
  acknowledge(state, request.from, matchIndex);
}

/** Tells the leader how far the logs may still match: each refusal makes it skip a term. */
function refuseAppend<T>(state: RaftState<T>, request: AppendRequest<T>): void {
  const { log, id, term } = state;
  const { from: to, prevIndex: index, prevTerm } = request;
  const hintIndex = log.lastIndexOfTermAtMost(index, prevTerm, log.commitIndex());
  const hintTerm = log.term(hintIndex);
  const accepted = false;
  state.send({ type: "appendReply", from: id, to, term, accepted, index, hintIndex, hintTerm });
}

function handleHeartbeat<T>(state: RaftState<T>, heartbeat: Heartbeat): void {
  // The leader sends no higher `commit` than this node has confirmed in this term, perhaps before a
  // restart. So the logs match up to there.
  noteMatch(state, Math.min(heartbeat.commit, state.log.lastIndex()), heartbeat.commit);
  state.leaderGraceTicks = state.graceTicks(heartbeat.busyMib ?? 0);
  const { id: from, term } = state;
  state.send({ type: "heartbeatReply", from, to: heartbeat.from, term, round: heartbeat.round });
}

/**
 * Thesis §5, InstallSnapshot, receiver: the driver has received a complete snapshot. It is used
 * only if it brings something new. What is committed here, or in the log already, stays, with
 * everything after it. All of the snapshot is committed, so this term's leader has its entries,
 * even if another leader sent the snapshot.
 */
export function acceptSnapshot<T>(
  state: RaftState<T>,
  snapshot: SnapshotAt,
  leaderId: NodeId,
): void {
  const { index, term } = snapshot;
  if (index > state.log.commitIndex()) {
    if (!state.log.matches(index, term)) {
      if (index <= state.matchIndex) return; // a leader never changes its own log
      state.restore(snapshot);
    }
    noteMatch(state, index, index);
  }
  acknowledge(state, leaderId, state.log.commitIndex());
}

function handleReadIndexReply<T>(state: RaftState<T>, reply: ReadIndexReply): void {
  if (reply.from !== state.leaderId) return;
  const readId = state.forwardedReads.take(reply.readId);
  if (readId === null) return;
  // The index is the leader's commit index. Learning it here spares the read a wait for the next
  // heartbeat.
  if (reply.index !== null) noteMatch(state, state.matchIndex, reply.index);
  state.answerRead(state.id, readId, reply.index);
}

/** The log matches the leader's up to `index`, and the leader has committed up to `commit`. */
function noteMatch<T>(state: RaftState<T>, index: number, commit: number): void {
  state.matchIndex = Math.max(state.matchIndex, index);
  state.leaderCommit = Math.max(state.leaderCommit, commit);
  state.log.commitTo(Math.min(state.leaderCommit, state.matchIndex));
}

/** Confirms the log up to `index`. Confirmations that wait for the same write become one. */
function acknowledge<T>(state: RaftState<T>, to: string, index: number): void {
  const { id, term, messagesAfterPersist } = state;
  const last = messagesAfterPersist.at(-1);
  let matchIndex = index;
  if (last?.type === "appendReply" && last.accepted && last.to === to && last.term === term) {
    messagesAfterPersist.pop();
    matchIndex = Math.max(index, last.index);
  }
  const reply: AppendReply = {
    type: "appendReply",
    from: id,
    to,
    term,
    accepted: true,
    index: matchIndex,
    hintIndex: 0,
    hintTerm: 0,
  };
  state.send(reply, matchIndex);
}
