import { errorReplyOf } from "../../src/commands/command_error.ts";
import type { Reply } from "../../src/resp/reply.ts";

/** What a client would be answered: what `answer` returns, or the refusal that it throws. */
export function replyOf<T>(answer: () => T): T | Reply {
  try {
    return answer();
  } catch (error) {
    return errorReplyOf(error);
  }
}
