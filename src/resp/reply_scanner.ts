import { type ByteString, LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { latin1 } from "../base/bytes.ts";
import { ByteTail, parseLength } from "./byte_tail.ts";
import {
  DoubleReply,
  ErrorReply,
  MapReply,
  OK,
  PushReply,
  type Reply,
  SetReply,
  SimpleString,
  VerbatimReply,
} from "./reply.ts";

/** Limits on what a server may send. A stream that exceeds one is invalid. */
export interface ReplyLimits {
  /** Bytes of one reply. @default the longest string of V8 */
  readonly replyBytesMax?: number;
  /** Bytes of a line: a status, an error, a number, or a length. @default 64 KiB */
  readonly lineBytesMax?: number;
  /** Nesting depth of aggregates. @default 128 */
  readonly depthMax?: number;
  /**
   * For callers that forward replies. A long reply is returned in pieces, so that it is never copied
   * as a whole. A reply beyond the limit is skipped, and this text is returned instead. @default each
   * reply is one text, and a reply beyond the limit is invalid
   */
  readonly oversizedText?: string;
}

/**
 * - `complete`: `text`, followed by the pieces of `rest` if there are any, is one whole reply as it
 *   arrived, one character (0–255) for each byte. The first character is the reply's type. A reply of
 *   one line is in `text` alone
 * - `incomplete`: the bytes so far are the beginning of a reply, or none are left
 * - `invalid`: the bytes are not RESP, or exceed a limit; nothing more can be read
 */
export type ScannedReply =
  | { readonly kind: "complete"; readonly text: string; readonly rest?: readonly ByteString[] }
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly error: string };

const INCOMPLETE: ScannedReply = { kind: "incomplete" };
const OK_LINE: ScannedReply = { kind: "complete", text: "+OK\r\n" };
/** V8's longest string has 2^29 - 24 characters. */
const REPLY_BYTES_MAX = 2 ** 29 - 64 * 1024;
/** A long reply is cut into pieces of at least this size. */
const PIECE_BYTES_MIN = 128 * 1024;
/** The first bytes of a long reply are returned as text, which shows its type; the rest as bytes. */
const HEAD_BYTES = 32;
const CR = 0x0d;
const LF = 0x0a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const MAP = 0x25;
const ATTRIBUTE = 0x7c;
const SCALARS = bytesOf("+-:_#,(");
const BULKS = bytesOf("$=!");
const AGGREGATES = bytesOf("*~>%|");
const ELEMENTS_MAX = 2 ** 31;
const NOTHING = new Uint8Array(0);
const NO_LINE = -1;

/**
 * Finds where each reply of RESP2 or RESP3 ends, without building its value, so that it can be
 * forwarded unchanged. Chunks may be cut anywhere; time is linear in the number of bytes.
 */
export class ReplyScanner {
  readonly #replyBytesMax: number;
  readonly #lineBytesMax: number;
  readonly #depthMax: number;
  readonly #oversizedText: string | null;
  #chunk: Uint8Array = NOTHING;
  #position = 0;
  /** Bytes of the current reply that arrived in earlier chunks. */
  readonly #tail = new ByteTail();
  /** Pieces of the current reply before the tail, and their total length. */
  #pieces: ByteString[] = [];
  #piecesBytes = 0;
  /** The current reply is too long and is skipped. */
  #isOversized = false;
  /** Start of the current reply in the chunk. */
  #replyFrom = 0;
  /** Start, in the tail, of a line that continues in the next chunk. */
  #lineFrom = NO_LINE;
  /** Bytes of the current bulk that have not arrived, including its CR LF. */
  #bulkMissing = 0;
  /** Whether the last line was a whole element, and not the header of one. */
  #lineEndsElement = false;
  /** Number of elements missing in each open aggregate, outermost first. */
  #open: number[] = [];
  #invalid: ScannedReply | null = null;

  constructor(limits: ReplyLimits = {}) {
    this.#oversizedText = limits.oversizedText ?? null;
    this.#replyBytesMax = Math.min(
      limits.replyBytesMax ?? Infinity,
      this.#oversizedText === null ? REPLY_BYTES_MAX : Infinity,
    );
    this.#lineBytesMax = limits.lineBytesMax ?? 64 * 1024;
    this.#depthMax = limits.depthMax ?? 128;
  }

  /**
   * Takes the next bytes. Call it only after `next()` has returned `incomplete`; the bytes must not
   * change until it does so again.
   */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  next(): ScannedReply {
    if (this.#invalid !== null) return this.#invalid;
    const start = this.#position;
    if (this.#tail.length === 0 && !this.#isOversized && this.#isOk(start)) {
      this.#position = start + 5;
      return OK_LINE;
    }
    this.#replyFrom = start;
    const stopped = this.#scan();
    if (stopped !== null && stopped.kind === "invalid") return this.#fail(stopped);
    const replyBytes = this.#piecesBytes + this.#tail.length + this.#position - start;
    if (replyBytes > this.#replyBytesMax) {
      if (this.#oversizedText === null) return this.#fail(this.#tooLong());
      this.#isOversized = true;
    }
    if (this.#isOversized) return this.#passOver(stopped === null);
    return stopped === null ? this.#finish() : this.#keep();
  }

  #finish(): ScannedReply {
    if (this.#tail.length === 0 && this.#pieces.length === 0) {
      return { kind: "complete", text: latin1(this.#chunk, this.#replyFrom, this.#position) };
    }
    this.#keep();
    if (this.#tail.length > 0) this.#addPiece();
    const [first = "", ...rest] = this.#pieces;
    const text = textOf(first);
    this.#forget();
    return rest.length === 0 ? { kind: "complete", text } : { kind: "complete", text, rest };
  }

  /** Drops what was read, except a line that continues in the next chunk, or the last byte. */
  #passOver(isOver: boolean): ScannedReply {
    this.#keep();
    const { bytes, length } = this.#tail;
    // The last byte may be the CR of a bulk: it is checked when the LF arrives.
    const from = this.#lineFrom === NO_LINE ? Math.max(0, length - 1) : this.#lineFrom;
    const line = Uint8Array.from(bytes.subarray(from, length));
    this.#forget();
    if (isOver) return { kind: "complete", text: this.#oversizedText ?? "" };
    if (this.#lineFrom !== NO_LINE) this.#lineFrom = 0;
    this.#tail.append(line, 0, line.length);
    this.#isOversized = true;
    return INCOMPLETE;
  }

  #forget(): void {
    this.#tail.clear();
    this.#pieces = [];
    this.#piecesBytes = 0;
    this.#isOversized = false;
  }

  #keep(): ScannedReply {
    const from = this.#replyFrom;
    if (
      this.#oversizedText !== null && this.#tail.length >= PIECE_BYTES_MIN && this.#position > from
    ) {
      this.#cutPiece();
    }
    const expected = this.#open.length > 0
      ? Infinity
      : this.#tail.length + this.#position - from + this.#bulkMissing;
    this.#tail.append(this.#chunk, from, this.#position, expected);
    return INCOMPLETE;
  }

  /** Makes the tail a piece, unless a line that began in it continues in this chunk. */
  #cutPiece(): void {
    const { length } = this.#tail;
    if (this.#lineFrom !== NO_LINE && this.#lineFrom < length) return;
    if (this.#lineFrom !== NO_LINE) this.#lineFrom -= length;
    this.#addPiece();
    this.#piecesBytes += length;
  }

  /** Makes the tail a piece: text at the beginning of a reply or when short, otherwise bytes. */
  #addPiece(): void {
    const { bytes, length } = this.#tail;
    const isFirst = this.#pieces.length === 0;
    const mayBeBytes = this.#oversizedText !== null && length >= LONG_BYTES_MIN &&
      !(isFirst && SCALARS.has(bytes[0] ?? 0));
    if (!mayBeBytes) {
      this.#pieces.push(latin1(bytes, 0, length));
      this.#tail.clear();
      return;
    }
    if (isFirst) this.#pieces.push(latin1(bytes, 0, HEAD_BYTES));
    const taken = this.#tail.take(length);
    this.#pieces.push(isFirst ? taken.subarray(HEAD_BYTES) : taken);
  }

  #fail(error: ScannedReply): ScannedReply {
    this.#invalid = error;
    this.#chunk = NOTHING;
    this.#tail.clear();
    return error;
  }

  #tooLong(): ScannedReply {
    return invalid(`a reply of more than ${this.#replyBytesMax} bytes`);
  }

  #isOk(at: number): boolean {
    const chunk = this.#chunk;
    return chunk[at] === 0x2b && chunk[at + 1] === 0x4f && chunk[at + 2] === 0x4b &&
      chunk[at + 3] === CR && chunk[at + 4] === LF;
  }

  /** Scans to the end of the reply. Returns `null` there, otherwise the reason why it stopped. */
  #scan(): ScannedReply | null {
    for (;;) {
      const inBulk = this.#bulkMissing > 0;
      const stopped = inBulk ? this.#skipBulk() : this.#readLine();
      if (stopped !== null) return stopped;
      const ended = inBulk || this.#lineEndsElement;
      if (ended && this.#closeElement()) return null;
    }
  }

  /** Counts an element as ended, and each aggregate whose last element it was. */
  #closeElement(): boolean {
    const open = this.#open;
    while (open.length > 0) {
      const missing = (open.pop() ?? 0) - 1;
      if (missing > 0) {
        open.push(missing);
        return false;
      }
    }
    return true;
  }

  #skipBulk(): ScannedReply | null {
    const chunk = this.#chunk;
    const end = this.#position + this.#bulkMissing;
    if (end > chunk.length) {
      this.#bulkMissing = end - chunk.length;
      this.#position = chunk.length;
      return INCOMPLETE;
    }
    const { bytes, length } = this.#tail;
    const beforeLast = end >= 2 ? chunk[end - 2] : bytes[length - 1];
    if (beforeLast !== CR || chunk[end - 1] !== LF) return invalid("a bulk longer than announced");
    this.#bulkMissing = 0;
    this.#position = end;
    return null;
  }

  #readLine(): ScannedReply | null {
    const chunk = this.#chunk;
    const start = this.#position;
    let end = start;
    while (end < chunk.length && chunk[end] !== LF) end++;
    const { length: tailLength } = this.#tail;
    const bytesBefore = this.#lineFrom === NO_LINE ? 0 : tailLength - this.#lineFrom;
    if (bytesBefore + end - start > this.#lineBytesMax) return invalid("a line too long");
    if (end === chunk.length) {
      if (bytesBefore === 0) this.#lineFrom = tailLength + start - this.#replyFrom;
      this.#position = end;
      return INCOMPLETE;
    }
    this.#position = end + 1;
    const lineFrom = this.#lineFrom;
    this.#lineFrom = NO_LINE;
    if (bytesBefore === 0) return this.#takeLine(chunk, start, end);
    const line = new Uint8Array(bytesBefore + end);
    line.set(this.#tail.bytes.subarray(lineFrom, tailLength));
    line.set(chunk.subarray(0, end), bytesBefore);
    return this.#takeLine(line, 0, line.length);
  }

  /** Handles the line in `bytes[from … to - 1]`, without its LF. */
  #takeLine(bytes: Uint8Array, from: number, to: number): ScannedReply | null {
    if (to === from || bytes[to - 1] !== CR) return invalid("a line that does not end in CR LF");
    this.#lineEndsElement = true;
    const type = bytes[from] ?? 0;
    if (SCALARS.has(type)) return null;
    const bulk = BULKS.has(type);
    if (!bulk && !AGGREGATES.has(type)) return invalid(`a reply of type ${type}`);
    const count = parseLength(bytes, from + 1, to - 1);
    if (count === -1 && (type === DOLLAR || type === STAR)) return null;
    if (!(count >= 0 && count < ELEMENTS_MAX)) return invalid("a wrong length");
    return bulk ? this.#openBulk(count) : this.#openAggregate(type, count);
  }

  #openBulk(length: number): ScannedReply | null {
    if (length > this.#replyBytesMax) {
      if (this.#oversizedText === null) return this.#tooLong();
      this.#isOversized = true;
    }
    this.#bulkMissing = length + 2;
    this.#lineEndsElement = false;
    return null;
  }

  #openAggregate(type: number, count: number): ScannedReply | null {
    // Attributes are pairs that precede the reply to which they belong.
    const elements = type === ATTRIBUTE ? count * 2 + 1 : type === MAP ? count * 2 : count;
    if (elements === 0) return null;
    if (this.#open.length >= this.#depthMax) return invalid("too deep a nesting");
    this.#open.push(elements);
    this.#lineEndsElement = false;
    return null;
  }
}

function invalid(error: string): ScannedReply {
  return { kind: "invalid", error };
}

function bytesOf(types: string): ReadonlySet<number> {
  return new Set(Array.from(types, (type) => type.charCodeAt(0)));
}

/** The text is not RESP, or not exactly one reply. */
export class ReplyFormatError extends Error {
  override name = "ReplyFormatError";
}

const DEPTH_MAX = 256;

/**
 * The value of one whole reply in RESP2 or RESP3, as `ReplyScanner` returns it. Integers beyond 2^53
 * and big numbers become `bigint`. Booleans become 1 and 0, as in RESP2. Attributes are dropped.
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
    case "~":
      return count === "-1"
        ? null
        : new SetReply(readItems(cursor, readLength(count, cursor), depth));
    case "*":
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
