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

/** The version of RESP that a connection speaks: 2 until `HELLO 3`. */
export type Protocol = 2 | 3;

const OK_TEXT = "+OK\r\n";
const BULK_HEADERS = Array.from({ length: 1024 }, (_, length) => `$${length}\r\n`);
const COUNTS = Array.from({ length: 64 }, (_, count) => `*${count}\r\n`);
const INTEGERS = Array.from({ length: 1024 }, (_, value) => `:${value}\r\n`);

/**
 * The reply as it goes over the wire: one character (0–255) for each byte, so that lengths of
 * strings are lengths in bytes. A CR or LF in a status or an error becomes a space: text that came
 * from a client can never split a reply in two.
 *
 * @example
 * ```ts
 * encodeReply("abc", 2); // "$3\r\nabc\r\n"
 * encodeReply(null, 3); // "_\r\n"
 * ```
 */
export function encodeReply(reply: Reply, protocol: Protocol): string {
  if (typeof reply === "string") return encodeBulk(reply);
  if (reply === OK) return OK_TEXT;
  if (reply === null) return protocol === 3 ? "_\r\n" : "$-1\r\n";
  if (typeof reply === "number") return INTEGERS[reply] ?? `:${reply}\r\n`;
  if (typeof reply === "bigint") return `:${reply}\r\n`;
  if (reply instanceof SimpleString) return `+${oneLine(reply.text)}\r\n`;
  if (reply instanceof ErrorReply) return `-${oneLine(reply.text)}\r\n`;
  if (reply instanceof DoubleReply) return encodeDouble(reply.value, protocol);
  if (reply instanceof MapReply) return encodeMap(reply, protocol);
  if (reply instanceof VerbatimReply) return encodeVerbatim(reply.text, protocol);
  if (reply instanceof PushReply) {
    return encodeItems(protocol === 3 ? ">" : "*", reply.items, protocol);
  }
  return encodeItems("*", reply, protocol);
}

/** A request as clients send it: an array of bulk strings. */
export function encodeRequest(args: readonly string[]): string {
  return encodeCount(args.length) + encodeArguments(args);
}

/** How a request of so many arguments begins; they follow. */
export function encodeCount(count: number): string {
  return COUNTS[count] ?? `*${count}\r\n`;
}

/** Arguments of a request, without their number. */
export function encodeArguments(args: readonly string[]): string {
  let text = "";
  for (const arg of args) text += encodeBulk(arg);
  return text;
}

function encodeBulk(text: string): string {
  return (BULK_HEADERS[text.length] ?? `$${text.length}\r\n`) + text + "\r\n";
}

function encodeItems(type: string, items: readonly Reply[], protocol: Protocol): string {
  let text = `${type}${items.length}\r\n`;
  for (const item of items) text += encodeReply(item, protocol);
  return text;
}

function encodeMap(map: MapReply, protocol: Protocol): string {
  const { pairs } = map;
  let text = protocol === 3 ? `%${pairs.length}\r\n` : `*${pairs.length * 2}\r\n`;
  for (const [key, value] of pairs) {
    text += encodeReply(key, protocol) + encodeReply(value, protocol);
  }
  return text;
}

function encodeVerbatim(text: string, protocol: Protocol): string {
  return protocol === 3 ? `=${text.length + 4}\r\ntxt:${text}\r\n` : encodeBulk(text);
}

function encodeDouble(value: number, protocol: Protocol): string {
  const text = formatDouble(value);
  return protocol === 3 ? `,${text}\r\n` : encodeBulk(text);
}

/** The shortest text that reads back as the same number, in the words that RESP3 prescribes. */
function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
}
