import type { Reply } from "../../resp/reply.ts";
import { rawReply } from "./raw_reply.ts";
import { asksForText, readableReply } from "./readable_reply.ts";

/** For people, or for programs. */
export type ReplyStyle = "readable" | "raw";

/** A reply as it is printed, in pieces. @param args the request that it answers */
export function styledReply(
  reply: Reply,
  args: readonly string[],
  style: ReplyStyle,
): Iterable<string> {
  return style === "raw" ? rawReply(reply) : readableReply(reply, asksForText(args));
}
