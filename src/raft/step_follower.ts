import type { Core } from "./core.ts";
import { campaignForTransfer } from "./election.ts";
import { acknowledge, verified } from "./following.ts";
import { handleSnapshot } from "./snapshot.ts";
import type { AppendRequest, Heartbeat, Message, ReadIndexReply } from "./types.ts";

/** A follower's answer to a message of its own term. */
export function stepFollower<T>(core: Core<T>, message: Message<T>): void {
  switch (message.type) {
    case "append":
      if (follow(core, message.from)) handleAppend(core, message);
      return;
    case "heartbeat":
      if (follow(core, message.from)) handleHeartbeat(core, message);
      return;
    case "snapshot":
      if (follow(core, message.from)) handleSnapshot(core, message);
      return;
    case "timeoutNow":
      if (follow(core, message.from)) campaignForTransfer(core);
      return;
    case "readIndex":
      return core.answerRead(message.from, message.readId, null);
    case "readIndexReply":
      return handleReadIndexReply(core, message);
    default: // answers to what this node asked in another role
      return;
  }
}

/** Takes the sender for the leader of this term; false when there is another, which cannot be. */
function follow<T>(core: Core<T>, from: string): boolean {
  if (core.leaderId === null) core.becomeFollower(core.term, from);
  core.electionElapsed = 0;
  return core.leaderId === from;
}

/** Raft paper, figure 2 (AppendEntries, receiver). */
function handleAppend<T>(core: Core<T>, request: AppendRequest<T>): void {
  const { log } = core;
  // What is committed here the leader has as well: only what comes after it is compared, so that
  // neither a late request nor a compacted log can lead to a cut among committed entries.
  const skipped = Math.max(0, log.commitIndex() - request.prevIndex);
  if (skipped === 0 && !log.matches(request.prevIndex, request.prevTerm)) {
    return refuseAppend(core, request);
  }
  const last = request.entries[skipped - 1];
  if (last !== undefined && !log.matches(last.index, last.term)) return; // no leader lacks what is committed
  for (const entry of skipped > 0 ? request.entries.slice(skipped) : request.entries) {
    if (log.matches(entry.index, entry.term)) continue;
    if (entry.index <= core.verifiedIndex) return; // a leader never changes its own log
    if (entry.index <= log.lastIndex()) core.truncateFrom(entry.index);
    core.append(entry);
  }
  const matchIndex = Math.max(request.prevIndex + request.entries.length, log.commitIndex());
  verified(core, matchIndex, request.commit);
  acknowledge(core, request.from, matchIndex);
}

/** Tells the leader where the logs may still match, one step for each term that they differ in. */
function refuseAppend<T>(core: Core<T>, request: AppendRequest<T>): void {
  const { log, id, term } = core;
  const { from: to, prevIndex: index, prevTerm } = request;
  const hintIndex = log.lastIndexOfTermAtMost(index, prevTerm, log.commitIndex());
  const hintTerm = log.term(hintIndex);
  const accepted = false;
  core.send({ type: "appendReply", from: id, to, term, accepted, index, hintIndex, hintTerm });
}

function handleHeartbeat<T>(core: Core<T>, heartbeat: Heartbeat): void {
  // The leader counts only what this node has confirmed in this term, perhaps before a restart.
  verified(core, Math.min(heartbeat.commit, core.log.lastIndex()), heartbeat.commit);
  const { id: from, term } = core;
  core.send({ type: "heartbeatReply", from, to: heartbeat.from, term, round: heartbeat.round });
}

function handleReadIndexReply<T>(core: Core<T>, reply: ReadIndexReply): void {
  if (reply.from !== core.leaderId) return;
  const readId = core.forwarded.answered(reply.readId);
  if (readId === null) return;
  // The index is a commit index of the leader: learning it here spares the read a heartbeat.
  if (reply.index !== null) verified(core, core.verifiedIndex, reply.index);
  core.answerRead(core.id, readId, reply.index);
}
