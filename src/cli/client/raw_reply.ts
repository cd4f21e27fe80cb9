import {
  DoubleReply,
  ErrorReply,
  MapReply,
  PushReply,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "../../resp/reply.ts";

/**
 * A reply for programs: values as they are, elements on lines of their own, null an empty line. In
 * pieces, with a line feed at the end.
 */
export function* rawReply(reply: Reply): Generator<string> {
  yield* show(reply);
  yield "\n";
}

function* show(reply: Reply): Generator<string> {
  if (reply instanceof MapReply) return yield* showPairs(reply);
  if (reply instanceof PushReply) return yield* showItems(reply.items);
  if (typeof reply === "string") return yield reply;
  if (reply === null) return;
  if (typeof reply === "number" || typeof reply === "bigint") return yield String(reply);
  if (reply instanceof DoubleReply) return yield String(reply.value);
  if (
    reply instanceof SimpleString || reply instanceof ErrorReply || reply instanceof VerbatimReply
  ) {
    return yield reply.text;
  }
  yield* showItems(reply);
}

function* showItems(items: readonly Reply[]): Generator<string> {
  for (const [at, item] of items.entries()) {
    if (at > 0) yield "\n";
    yield* show(item);
  }
}

function* showPairs({ pairs }: MapReply): Generator<string> {
  for (const [at, [key, value]] of pairs.entries()) {
    if (at > 0) yield "\n";
    yield* show(key);
    yield " ";
    yield* show(value);
  }
}
