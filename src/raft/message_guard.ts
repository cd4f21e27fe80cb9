import { isWellFormed } from "./configuration_log.ts";
import type { AppendRequest, Message, SnapshotAt } from "./types.ts";

/**
 * Upper bound of terms, indexes and counts: no cluster gets near it, and sums of two are still
 * exact.
 */
const NUMBER_MAX = 2 ** 52;

/**
 * Whether a correct node could have sent this message at some time. The transport checks the shape
 * of messages (fields and their types).
 */
export function isPossible<T>(message: Message<T>): boolean {
  if (!isCount(message.term)) return false;
  switch (message.type) {
    case "preVote":
    case "vote":
      return isPosition(message.lastIndex, message.lastTerm) && message.lastTerm < message.term;
    case "append":
      return isPossibleAppend(message);
    case "appendReply":
      return isCount(message.index) && isCount(message.hintIndex) && isCount(message.hintTerm);
    case "heartbeat":
      return isCount(message.commit) && isCount(message.round) && isCount(message.busyMib ?? 0);
    case "heartbeatReply":
      return isCount(message.round);
    case "readIndex":
      return Number.isSafeInteger(message.readId);
    case "readIndexReply":
      return Number.isSafeInteger(message.readId) &&
        (message.index === null || isCount(message.index));
    case "preVoteReply":
    case "voteReply":
    case "timeoutNow":
      return true;
    default: // a type of another version
      return false;
  }
}

function isPossibleAppend<T>(message: AppendRequest<T>): boolean {
  if (!isPosition(message.prevIndex, message.prevTerm) || !isCount(message.commit)) return false;
  let { prevIndex: index, prevTerm: term } = message;
  for (const entry of message.entries) {
    const isNext = entry.index === index + 1 && isCount(entry.term) && isCount(entry.sizeBytes);
    if (!isNext || entry.term < Math.max(term, 1)) return false;
    index = entry.index;
    term = entry.term;
  }
  return term <= message.term;
}

/** Whether a correct leader of this term, or of an earlier one, could have sent this snapshot. */
export function isPossibleSnapshot(
  { index, term, configuration }: SnapshotAt,
  currentTerm: number,
): boolean {
  return isPosition(index, term) && index > 0 && term <= currentTerm &&
    isWellFormed(configuration);
}

/** Whether this is a position in a log: index 0 has term 0, and no other index has. */
function isPosition(index: number, term: number): boolean {
  return isCount(index) && isCount(term) && (index === 0) === (term === 0);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < NUMBER_MAX;
}
