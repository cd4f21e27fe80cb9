import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";

/** What a status, an error or a string says; `null` for everything else. */
export function replyText(reply: Reply): string | null {
  if (reply instanceof SimpleString || reply instanceof ErrorReply) return reply.text;
  return typeof reply === "string" ? reply : null;
}
