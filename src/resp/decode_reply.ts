import {
  DoubleReply,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "./reply.ts";

/** The text is no RESP, or not one whole reply. */
export class ReplyFormatError extends Error {
  override name = "ReplyFormatError";
}

const DEPTH_MAX = 256;

/**
 * The value of one whole reply in RESP2 or RESP3, as `ReplyScanner` hands it out. Integers beyond
 * 2^53 and big numbers become `bigint`; sets become arrays; booleans 1 and 0, as RESP2 has them;
 * attributes are left out.
 *
 * @throws {ReplyFormatError} when it is not exactly one reply
 */
export function decodeReply(text: string): Reply {
  const cursor = { text, at: 0 };
  const reply = readReply(cursor, 0);
  if (cursor.at !== text.length) throw wrong("text after the reply", cursor);
  return reply;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function readReply(cursor: Cursor, depth: number): Reply {
  if (depth > DEPTH_MAX) throw wrong("nesting is too deep", cursor);
  const line = readLine(cursor);
  const rest = line.slice(1);
  switch (line.charAt(0)) {
    case "+":
      return rest === OK.text ? OK : new SimpleString(rest);
    case "-":
      return new ErrorReply(rest);
    case ":":
    case "(":
      return readInteger(rest, cursor);
    case ",":
      return new DoubleReply(readDouble(rest, cursor));
    case "#":
      if (rest !== "t" && rest !== "f") throw wrong(`a boolean is ${rest}`, cursor);
      return rest === "t" ? 1 : 0;
    case "_":
      return null;
    case "$":
      return rest === "-1" ? null : readBulk(cursor, rest);
    case "!":
      return new ErrorReply(readBulk(cursor, rest));
    case "=":
      return new VerbatimReply(readBulk(cursor, rest).slice(4));
    default:
      return readAggregate(cursor, line.charAt(0), rest, depth);
  }
}

function readAggregate(cursor: Cursor, type: string, count: string, depth: number): Reply {
  switch (type) {
    case "*":
    case "~":
      return count === "-1" ? null : readItems(cursor, readLength(count, cursor), depth);
    case ">":
      return new PushReply(readItems(cursor, readLength(count, cursor), depth));
    case "%":
      return new MapReply(readPairs(cursor, readLength(count, cursor), depth));
    case "|":
      readPairs(cursor, readLength(count, cursor), depth);
      return readReply(cursor, depth + 1);
    default:
      throw wrong(`a type is ${JSON.stringify(type)}`, cursor);
  }
}

function readItems(cursor: Cursor, count: number, depth: number): Reply[] {
  const items: Reply[] = [];
  for (let i = 0; i < count; i++) items.push(readReply(cursor, depth + 1));
  return items;
}

function readPairs(cursor: Cursor, count: number, depth: number): [Reply, Reply][] {
  const pairs: [Reply, Reply][] = [];
  for (let i = 0; i < count; i++) {
    pairs.push([readReply(cursor, depth + 1), readReply(cursor, depth + 1)]);
  }
  return pairs;
}

function readBulk(cursor: Cursor, length: string): string {
  const start = cursor.at;
  const end = start + readLength(length, cursor);
  if (cursor.text.slice(end, end + 2) !== "\r\n") throw wrong("a bulk has another length", cursor);
  cursor.at = end + 2;
  return cursor.text.slice(start, end);
}

function readLine(cursor: Cursor): string {
  const end = cursor.text.indexOf("\r\n", cursor.at);
  if (end < 0) throw wrong("a line has no end", cursor);
  const line = cursor.text.slice(cursor.at, end);
  cursor.at = end + 2;
  return line;
}

function readLength(text: string, cursor: Cursor): number {
  if (!/^(0|[1-9]\d{0,14})$/.test(text)) throw wrong(`a length is ${text}`, cursor);
  return Number(text);
}

function readInteger(text: string, cursor: Cursor): number | bigint {
  if (!/^[+-]?\d+$/.test(text)) throw wrong(`an integer is ${text}`, cursor);
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : BigInt(text.replace(/^\+/, ""));
}

function readDouble(text: string, cursor: Cursor): number {
  if (text === "inf") return Infinity;
  if (text === "-inf") return -Infinity;
  if (text === "nan") return NaN;
  const value = text === "" ? NaN : Number(text);
  if (Number.isNaN(value)) throw wrong(`a double is ${text}`, cursor);
  return value;
}

function wrong(what: string, cursor: Cursor): ReplyFormatError {
  return new ReplyFormatError(`Cannot read reply: ${what}, before offset ${cursor.at}`);
}
