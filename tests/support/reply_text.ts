import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";

/** The text of a status, an error or a string; `null` for other replies. */
export function replyText(reply: Reply): string | null {
  if (reply instanceof SimpleString || reply instanceof ErrorReply) return reply.text;
  return typeof reply === "string" ? reply : null;
}
