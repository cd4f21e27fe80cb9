import { type Core, hasCommittedInTerm, leadershipOf } from "./core.ts";
import { advanceCommit, confirmReads, isMajorityWith } from "./leader.ts";
import type { AppendReply, HeartbeatReply, Message, ReadIndexRequest } from "./types.ts";

/** A leader's answer to a message of its own term. */
export function stepLeader<T>(core: Core<T>, message: Message<T>): void {
  switch (message.type) {
    case "appendReply":
      return handleAppendReply(core, message);
    case "heartbeatReply":
      return handleHeartbeatReply(core, message);
    case "readIndex":
      return addRead(core, message);
    default: // late votes; and a second leader of one term, which cannot be
      return;
  }
}

/**
 * Asks for a read index, on behalf of this node or of a follower. A follower that asks in this term
 * had not voted in a later one when its read came: where this leader and the asker are a majority,
 * nobody else could have been elected by then, and no round is needed to know it.
 */
export function addRead<T>(core: Core<T>, read: Pick<ReadIndexRequest, "from" | "readId">): void {
  const { from, readId } = read;
  const index = hasCommittedInTerm(core) ? core.log.commitIndex() : null;
  if (index !== null && isMajorityWith(core, from)) core.answerRead(from, readId, index);
  else leadershipOf(core).reads.add({ from, readId }, index);
}

function handleAppendReply<T>(core: Core<T>, reply: AppendReply): void {
  const peer = leadershipOf(core).progress.get(reply.from);
  if (peer === undefined) return;
  peer.heardTick = core.ticks;
  if (!reply.accepted) {
    const hint = core.log.lastIndexOfTermAtMost(reply.hintIndex, reply.hintTerm, peer.match);
    peer.refused(reply.index, hint);
    return;
  }
  if (reply.index > core.log.lastIndex()) return; // nobody can match what was never sent
  if (peer.accepted(reply.index)) advanceCommit(core);
}

function handleHeartbeatReply<T>(core: Core<T>, reply: HeartbeatReply): void {
  const { progress, reads } = leadershipOf(core);
  const peer = progress.get(reply.from);
  if (peer === undefined || reply.round > reads.round) return;
  peer.heardTick = core.ticks;
  peer.alive(core.ticks, core.options.heartbeatTicks, core.options.electionTicks);
  if (reply.round <= peer.ackedRound) return;
  peer.ackedRound = reply.round;
  confirmReads(core);
}
