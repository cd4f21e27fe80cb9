import { ErrorReply, type Reply } from "../resp/reply.ts";
import { append, flatten } from "../store/rope.ts";
import { argument, NOT_AN_INTEGER, STRING_TOO_LONG, stringOf } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { parseInteger } from "./integer.ts";
import { FIRST_KEY, rowsOf } from "./rows.ts";

const NEGATIVE_OFFSET = new ErrorReply("ERR offset is out of range");

function strlen({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const found = keyspace.find(argument(args, 1));
  if (found === undefined) return 0;
  const value = stringOf(found);
  return value instanceof ErrorReply ? value : value.length;
}

function appendTo(context: CommandContext, args: readonly string[]): Reply {
  const key = argument(args, 1);
  const piece = argument(args, 2);
  const found = context.keyspace.find(key);
  if (found === undefined) {
    context.keyspace.set(key, piece);
    return piece.length;
  }
  const value = stringOf(found);
  if (value instanceof ErrorReply) return value;
  const length = value.length + piece.length;
  if (length > context.stringBytesMax) return STRING_TOO_LONG;
  context.keyspace.update(key, append(value, piece));
  return length;
}

function setrange(context: CommandContext, args: readonly string[]): Reply {
  const offset = parseInteger(argument(args, 2));
  if (offset === null) return NOT_AN_INTEGER;
  if (offset < 0) return NEGATIVE_OFFSET;
  const key = argument(args, 1);
  const piece = argument(args, 3);
  const found = context.keyspace.find(key);
  const value = found === undefined ? "" : stringOf(found);
  if (value instanceof ErrorReply) return value;
  if (piece.length === 0) return value.length;
  const end = Number(offset) + piece.length;
  if (end > context.stringBytesMax) return STRING_TOO_LONG;
  const result = overwrite(value, Number(offset), piece);
  context.keyspace.update(key, result);
  return result.length;
}

function overwrite(value: string, offset: number, piece: string): string {
  if (offset === value.length) return append(value, piece);
  const end = offset + piece.length;
  if (offset === 0 && end >= value.length) return piece;
  const head = offset > value.length
    ? value + "\0".repeat(offset - value.length)
    : value.slice(0, offset);
  return flatten(head + piece + value.slice(end));
}

function getrange({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const start = parseInteger(argument(args, 2));
  const end = parseInteger(argument(args, 3));
  if (start === null || end === null) return NOT_AN_INTEGER;
  const found = keyspace.find(argument(args, 1));
  if (found === undefined) return "";
  const value = stringOf(found);
  if (value instanceof ErrorReply) return value;
  if (start < 0 && end < 0 && start > end) return "";
  const from = fromStart(Number(start), value.length);
  const to = Math.min(fromStart(Number(end), value.length), value.length - 1);
  return from > to ? "" : value.slice(from, to + 1);
}

/** An index from the start, for one that counts from the end when it is negative. */
function fromStart(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : index;
}

const GETRANGE = {
  arity: 4,
  kind: "read",
  flags: [],
  keys: FIRST_KEY,
  summary: "Returns a part of a string",
  run: getrange,
} as const;

/** Commands that look at, or change, a part of a string. */
export const stringPartRows: readonly Command[] = rowsOf("string", ["string"], [
  {
    name: "strlen",
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    since: "2.2.0",
    summary: "Returns the length of a string in bytes",
    run: strlen,
  },
  {
    name: "append",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    since: "2.0.0",
    summary: "Appends to a string, which is made if needed",
    run: appendTo,
  },
  {
    name: "setrange",
    arity: 4,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_KEY,
    since: "2.2.0",
    summary: "Overwrites a part of a string, filling up with zero bytes if needed",
    run: setrange,
  },
  { name: "getrange", since: "2.4.0", ...GETRANGE },
  { name: "substr", since: "1.0.0", ...GETRANGE },
]);
