import { errorReplyOf } from "../../src/commands/command_error.ts";
import type { Reply } from "../../src/resp/reply.ts";

/** The reply to a client: the result of `answer`, or the error that it throws. */
export function replyOf<T>(answer: () => T): T | Reply {
  try {
    return answer();
  } catch (error) {
    return errorReplyOf(error);
  }
}
