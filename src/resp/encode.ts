import { type Arguments, type ByteString, textOf } from "../base/byte_string.ts";
import {
  DoubleReply,
  EncodedStrings,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SetReply,
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
  if (reply instanceof Uint8Array) return encodeBulk(textOf(reply));
  if (reply === OK) return OK_TEXT;
  if (reply === null) return protocol === 3 ? "_\r\n" : "$-1\r\n";
  if (typeof reply === "number") return INTEGERS[reply] ?? `:${reply}\r\n`;
  if (typeof reply === "bigint") return `:${reply}\r\n`;
  if (reply instanceof SimpleString) return `+${oneLine(reply.text)}\r\n`;
  if (reply instanceof ErrorReply) return `-${oneLine(reply.text)}\r\n`;
  if (reply instanceof DoubleReply) return encodeDouble(reply.value, protocol);
  if (reply instanceof MapReply) return encodeMap(reply, protocol);
  if (reply instanceof EncodedStrings) return encodeCount(reply.count) + reply.text;
  if (reply instanceof VerbatimReply) return encodeVerbatim(reply.text, protocol);
  return encodeItems(reply, protocol);
}

/** A request as clients send it: an array of bulk strings. */
export function encodeRequest(args: readonly string[]): string {
  return encodeCount(args.length) + encodeArguments(args);
}

/** The header of a request with `count` arguments. */
export function encodeCount(count: number): string {
  return COUNTS[count] ?? `*${count}\r\n`;
}

/** The arguments of a request as bulk strings, without the header. */
export function encodeArguments(args: readonly string[]): string {
  let text = "";
  for (const arg of args) text += encodeBulk(arg);
  return text;
}

/** As `encodeArguments`, in pieces: long arguments are not copied, and text comes between them. */
export function encodeArgumentPieces(args: Arguments): ByteString[] {
  const pieces: ByteString[] = [];
  let text = "";
  for (const arg of args) {
    if (typeof arg === "string") text += encodeBulk(arg);
    else {
      pieces.push(`${text}$${arg.length}\r\n`, arg);
      text = "\r\n";
    }
  }
  pieces.push(text);
  return pieces;
}

/**
 * As `encodeArguments`, for many arguments: V8 flattens the text here, instead of later in one long
 * pause when the text is first read.
 */
export function joinArguments(args: Arguments): string {
  const pieces: string[] = [];
  for (const arg of args) {
    pieces.push(BULK_HEADERS[arg.length] ?? `$${arg.length}\r\n`, textOf(arg), "\r\n");
  }
  return pieces.join("");
}

function encodeBulk(text: string): string {
  return (BULK_HEADERS[text.length] ?? `$${text.length}\r\n`) + text + "\r\n";
}

/** A reply of elements in their order. */
type Items = readonly Reply[] | PushReply | SetReply;

function encodeItems(reply: Items, protocol: Protocol): string {
  let text = itemsHeader(reply, protocol);
  for (const item of itemsOf(reply)) text += encodeReply(item, protocol);
  return text;
}

function itemsHeader(reply: Items, protocol: Protocol): string {
  const { length } = itemsOf(reply);
  if (protocol === 3 && reply instanceof PushReply) return `>${length}\r\n`;
  if (protocol === 3 && reply instanceof SetReply) return `~${length}\r\n`;
  return encodeCount(length);
}

function itemsOf(reply: Items): readonly Reply[] {
  return reply instanceof PushReply || reply instanceof SetReply ? reply.items : reply;
}

function isItems(reply: Reply): reply is Items {
  return reply instanceof PushReply || reply instanceof SetReply || Array.isArray(reply);
}

function encodeMap(map: MapReply, protocol: Protocol): string {
  let text = mapHeader(map, protocol);
  for (const [key, value] of map.pairs) {
    text += encodeReply(key, protocol) + encodeReply(value, protocol);
  }
  return text;
}

function mapHeader({ pairs }: MapReply, protocol: Protocol): string {
  return protocol === 3 ? `%${pairs.length}\r\n` : `*${pairs.length * 2}\r\n`;
}

function encodeVerbatim(text: string, protocol: Protocol): string {
  return protocol === 3 ? `=${text.length + 4}\r\ntxt:${text}\r\n` : encodeBulk(text);
}

function encodeDouble(value: number, protocol: Protocol): string {
  const text = formatDouble(value);
  return protocol === 3 ? `,${text}\r\n` : encodeBulk(text);
}

/** The shortest text that parses to the same number, with RESP3's `inf` and `nan`. */
function formatDouble(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}

function oneLine(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, " ") : text;
}

/** Maximum number of bytes around an element: its type, its length, and two line ends. */
const FRAME_BYTES = 32;
/** Shorter texts are joined, to keep the number of pieces low. */
const PIECE_BYTES_MIN = 64 * 1024;

/**
 * An upper bound of the number of bytes that a reply takes on the wire, found without encoding it.
 *
 * @param bytesMax the count stops above this, so that the result is then just some larger number
 */
export function replyBytes(reply: Reply, bytesMax = Infinity): number {
  if (isString(reply)) return reply.length + FRAME_BYTES;
  if (typeof reply !== "object" || reply === null) return FRAME_BYTES;
  if (reply instanceof MapReply) return pairsBytes(reply.pairs, bytesMax);
  if (isItems(reply)) return itemsBytes(itemsOf(reply), bytesMax);
  if (reply instanceof EncodedStrings) return FRAME_BYTES + reply.bytes;
  return FRAME_BYTES + ("text" in reply ? reply.text.length : 0);
}

/** Whether a reply is a bulk string in both protocols. */
export function isString(reply: Reply): reply is ByteString {
  return typeof reply === "string" || reply instanceof Uint8Array;
}

/**
 * A long reply as it goes over the wire, in pieces of about 64 KiB, which are encoded one by one. A
 * longer string of the reply is a piece of its own and is not copied.
 */
export function* encodePieces(reply: Reply, protocol: Protocol): Generator<ByteString, void> {
  const open: Iterator<Reply>[] = [[reply].values()];
  let text = "";
  for (let items = open.at(-1); items !== undefined; items = open.at(-1)) {
    const { done, value } = items.next();
    if (done === true) {
      open.pop();
    } else if (isString(value)) {
      text += BULK_HEADERS[value.length] ?? `$${value.length}\r\n`;
      if (typeof value === "string" && value.length < PIECE_BYTES_MIN) text += value + "\r\n";
      else {
        yield text;
        yield value;
        text = "\r\n";
      }
    } else if (value instanceof EncodedStrings) {
      text += encodeCount(value.count);
      for (const part of value.parts) {
        text += part;
        if (text.length < PIECE_BYTES_MIN) continue;
        yield text;
        text = "";
      }
    } else if (value instanceof MapReply) {
      text += mapHeader(value, protocol);
      open.push(value.pairs.flat().values());
    } else if (isItems(value)) {
      text += itemsHeader(value, protocol);
      open.push(itemsOf(value).values());
    } else text += encodeReply(value, protocol);
    if (text.length < PIECE_BYTES_MIN) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

function itemsBytes(items: readonly Reply[], bytesMax: number): number {
  let bytes = FRAME_BYTES;
  for (const item of items) {
    bytes += replyBytes(item, bytesMax - bytes);
    if (bytes > bytesMax) break;
  }
  return bytes;
}

function pairsBytes(pairs: MapReply["pairs"], bytesMax: number): number {
  let bytes = FRAME_BYTES;
  for (const [key, value] of pairs) {
    bytes += replyBytes(key, bytesMax - bytes) + replyBytes(value, bytesMax - bytes);
    if (bytes > bytesMax) break;
  }
  return bytes;
}
