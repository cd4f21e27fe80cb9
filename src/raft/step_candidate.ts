import type { Core } from "./core.ts";
import { countVote } from "./election.ts";
import { stepFollower } from "./step_follower.ts";
import type { Message } from "./types.ts";

/** A candidate's or pre-candidate's answer to a message of its own term, or to a granted pre-vote. */
export function stepCandidate<T>(core: Core<T>, message: Message<T>): void {
  switch (message.type) {
    case "preVoteReply":
      if (core.role !== "preCandidate") return;
      if (message.granted && message.term !== core.term + 1) return;
      return countVote(core, message.from, message.granted);
    case "voteReply":
      // Before its own vote is durable a candidate has asked nobody.
      if (core.role !== "candidate" || !core.votes.has(core.id)) return;
      return countVote(core, message.from, message.granted);
    case "append":
    case "snapshot":
    case "timeoutNow":
    case "heartbeat": // another has won this term, or still leads it
      core.becomeFollower(core.term, message.from);
      return stepFollower(core, message);
    case "readIndex":
      return core.answerRead(message.from, message.readId, null);
    default:
      return;
  }
}
