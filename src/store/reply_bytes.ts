import {
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "../resp/reply.ts";

/** About what an element costs beside the bytes of its text. */
const ELEMENT_BYTES = 16;
const OK_BYTES = ELEMENT_BYTES + OK.text.length;

/** About how many bytes a kept reply takes. */
export function replyBytes(reply: Reply): number {
  if (reply === OK) return OK_BYTES;
  if (typeof reply === "string") return ELEMENT_BYTES + reply.length;
  if (reply === null || typeof reply !== "object") return ELEMENT_BYTES;
  if (reply instanceof SimpleString || reply instanceof ErrorReply) {
    return ELEMENT_BYTES + reply.text.length;
  }
  if (reply instanceof VerbatimReply) return ELEMENT_BYTES + reply.text.length;
  if (reply instanceof MapReply) return sum(reply.pairs.flat());
  if (reply instanceof PushReply) return sum(reply.items);
  return Array.isArray(reply) ? sum(reply) : ELEMENT_BYTES;
}

function sum(items: readonly Reply[]): number {
  let bytes = ELEMENT_BYTES;
  for (const item of items) bytes += replyBytes(item);
  return bytes;
}
