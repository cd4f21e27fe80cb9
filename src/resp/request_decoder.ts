import {
  type Arguments,
  type ByteString,
  copyOf,
  LONG_BYTES_MIN,
  textOf,
} from "../base/byte_string.ts";
import { encodeArgumentPieces, joinArguments } from "./encode.ts";
import { latin1 } from "../base/bytes.ts";
import { ByteTail, parseLength } from "./byte_tail.ts";
import { splitInline } from "./inline.ts";

const CRLF = "\r\n";
const NO_REST: readonly ByteString[] = [];

/**
 * A request as it goes over the wire, to be handed on without being taken apart. It is written as
 * `encodeRequest` writes it, so that whoever reads it finds the same arguments.
 */
export class RequestText {
  readonly kind = "complete";
  /** Of the arguments, the command's name included; at least 1. */
  readonly count: number;
  /**
   * The arguments as bulk strings without their number, one character (0–255) for each byte. If one
   * of them is long, only those before it.
   */
  readonly text: string;
  /** What follows the text: the first long argument, and all after it. */
  readonly rest: readonly ByteString[];
  /** Of text and rest. */
  readonly bytes: number;
  readonly #args: Arguments | null;

  /** @param args what the text is made of, where it is at hand; they must be if there is a rest */
  constructor(
    count: number,
    text: string,
    args: Arguments | null = null,
    rest: readonly ByteString[] = NO_REST,
  ) {
    this.count = count;
    this.text = text;
    this.rest = rest;
    let bytes = text.length;
    for (const piece of rest) bytes += piece.length;
    this.bytes = bytes;
    this.#args = args;
  }

  static of(args: Arguments): RequestText {
    const [text = "", ...rest] = encodeArgumentPieces(args);
    return new RequestText(args.length, textOf(text), args, rest.length === 0 ? NO_REST : rest);
  }

  /** The first argument. */
  get name(): string {
    if (this.#args !== null) return textOf(this.#args[0] ?? "");
    const { text } = this;
    // Names have less than ten characters, nearly all: `$3`, CR LF, and the name.
    if (text.charCodeAt(2) === CR) return text.slice(4, 4 + text.charCodeAt(1) - ZERO);
    const from = text.indexOf(CRLF) + 2;
    return text.slice(from, from + Number(text.slice(1, from - 2)));
  }

  /** The arguments, which share their memory with the request; a new array at each call. */
  args(): ByteString[] {
    // To look into a text that was just put together, V8 would copy all of it.
    if (this.#args !== null) return [...this.#args];
    const { text, count } = this;
    const args: string[] = [];
    for (let at = 0; args.length < count;) {
      let length = 0;
      let lineEnd = at + 1;
      for (let code = text.charCodeAt(lineEnd); code !== CR; code = text.charCodeAt(lineEnd)) {
        length = length * 10 + (code - ZERO);
        lineEnd++;
      }
      const from = lineEnd + 2;
      args.push(text.slice(from, from + length));
      at = from + length + 2;
    }
    return args;
  }
}

/** Bounds on what a client may send; beyond them a request is invalid. */
export interface RequestLimits {
  /** One argument. @default 512 MiB */
  readonly bulkBytesMax?: number;
  /** Arguments of one request, the name included. @default 1,048,576 */
  readonly argumentsMax?: number;
  /** A command typed by hand, or the line that announces a length. @default 64 KiB */
  readonly inlineBytesMax?: number;
  /** All arguments of one request together. @default 512 MiB */
  readonly requestBytesMax?: number;
}

/**
 * - `complete`: a whole request, at least one argument
 * - `incomplete`: the bytes so far are the beginning of one, or none are left
 * - `invalid`: no more can be read from this client
 */
export type DecodedRequest =
  | { readonly kind: "complete"; readonly args: ByteString[] }
  | { readonly kind: "incomplete" }
  | InvalidRequest;

/** What cannot be read, and nothing behind it. */
export interface InvalidRequest {
  readonly kind: "invalid";
  /** What to reply, without the code `ERR`, in Redis's words. */
  readonly error: string;
  /**
   * It is an HTTP client, to be disconnected without an answer, as Redis does against forged requests
   * from browsers.
   */
  readonly crossProtocol: boolean;
}

/** As `DecodedRequest`, but the arguments stay together. */
export type DecodedText = RequestText | { readonly kind: "incomplete" } | InvalidRequest;

const INCOMPLETE = { kind: "incomplete" } as const;
const CR = 0x0d;
const LF = 0x0a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const ZERO = 0x30;
const NO_BULK = -1;
/** Larger lengths are read the long way. */
const SHORT_LENGTH_DIGITS = 7;
const NOT_SHORT = -1;
/**
 * From so many arguments on, those of a chunk that are to be handed on become text when the chunk has
 * been read, so that the last chunk does not leave all of them to be done at once.
 */
const ENCODED_ARGUMENTS_MIN = 512;
/** An argument ends soon when no more than this is missing of it. */
const NEARLY_READ_BYTES = 1024 * 1024;
/** So much may stay in memory for one request of a chunk when the others are gone. */
const SHARED_BYTES_MAX = 2048;

/**
 * Reads requests from the bytes of one client, split anywhere: arrays of bulk strings, and inline
 * commands. Time is linear in the number of bytes, however they are cut.
 *
 * @example
 * ```ts
 * decoder.push(bytes);
 * for (let request = decoder.next(); request.kind === "complete"; request = decoder.next()) {
 *   execute(request.args);
 * }
 * ```
 */
export class RequestDecoder {
  readonly #bulkBytesMax: number;
  readonly #argumentsMax: number;
  readonly #inlineBytesMax: number;
  readonly #requestBytesMax: number;
  /** Chunks that came before the earlier ones were used up. */
  #waiting: Uint8Array[] = [];
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;
  /** The chunk as a text, once it is wanted. */
  #sharedText: string | null = null;
  /** The beginning of a line or a bulk that goes on in the next chunk. */
  readonly #tail = new ByteTail();
  #args: ByteString[] = [];
  /** The arguments before those, as text. */
  #encoded: string[] = [];
  #encodedCount = 0;
  #argumentsMissing = 0;
  #bulkLength = NO_BULK;
  #requestBytes = 0;
  #invalid: DecodedRequest | null = null;

  constructor(limits: RequestLimits = {}) {
    this.#bulkBytesMax = limits.bulkBytesMax ?? 512 * 1024 * 1024;
    this.#argumentsMax = limits.argumentsMax ?? 1024 * 1024;
    this.#inlineBytesMax = limits.inlineBytesMax ?? 64 * 1024;
    this.#requestBytesMax = limits.requestBytesMax ?? 512 * 1024 * 1024;
  }

  /** Takes the next bytes. They must not change until `next()` has answered `incomplete`. */
  push(chunk: Uint8Array): void {
    if (this.#position < this.#chunk.length || this.#waiting.length > 0) {
      this.#waiting.push(chunk);
      return;
    }
    this.#read(chunk);
  }

  /** Bytes that came and are not part of a request handed out yet. */
  get pendingBytes(): number {
    let bytes = this.#tail.length + this.#requestBytes + this.#chunk.length - this.#position;
    for (const chunk of this.#waiting) bytes += chunk.length;
    return bytes;
  }

  /**
   * The size of a request whose argument is being read and ends soon, as far as it has announced its
   * arguments; 0: there is none, or much of it has yet to come.
   */
  get bytesNearlyRead(): number {
    if (this.#bulkLength === NO_BULK) return 0;
    const missing = this.#bulkLength - this.#tail.length;
    return missing <= NEARLY_READ_BYTES ? this.#requestBytes : 0;
  }

  /** The next request; after `incomplete`, push more; after `invalid`, the answer stays so. */
  next(): DecodedRequest {
    const decoded = this.#next();
    if (decoded.kind !== "complete" || this.#encodedCount === 0) return decoded;
    const args = this.#textWith(decoded.args).args();
    return { kind: "complete", args };
  }

  #next(): DecodedRequest {
    if (this.#invalid !== null) return this.#invalid;
    let decoded = this.#decode();
    while (decoded.kind === "incomplete" && this.#waiting.length > 0) {
      this.#read(this.#nextWaiting());
      decoded = this.#decode();
    }
    if (decoded.kind === "invalid") this.#fail(decoded);
    return decoded;
  }

  /** As `next`, for those who hand requests on. Each call may be of either. */
  nextText(): DecodedText {
    const whole = this.#takeWhole();
    if (whole !== null) return whole;
    const decoded = this.#next();
    if (decoded.kind === "complete") return this.#textWith(decoded.args);
    if (this.#args.length >= ENCODED_ARGUMENTS_MIN) this.#encode(this.#args);
    return decoded;
  }

  /** Keeps the arguments so far of the request under way as text. */
  #encode(args: Arguments): void {
    this.#encoded.push(joinArguments(args));
    this.#encodedCount += args.length;
    this.#args = [];
  }

  /** A request that ends with these arguments. */
  #textWith(args: Arguments): RequestText {
    if (this.#encodedCount === 0) return RequestText.of(args);
    this.#encode(args);
    const text = new RequestText(this.#encodedCount, this.#encoded.join(""));
    this.#encoded = [];
    this.#encodedCount = 0;
    return text;
  }

  /**
   * An array of bulk strings that is in the chunk from its first byte to its last, and against no
   * limit; `null` when there is anything to be said about what comes.
   */
  #takeWhole(): RequestText | null {
    const chunk = this.#chunk;
    const start = this.#position;
    if (this.#argumentsMissing > 0 || this.#tail.length > 0) return null;
    if (start === chunk.length || chunk[start] !== STAR) return null;
    const count = shortLengthAt(chunk, start + 1);
    if (count < 1 || count > this.#argumentsMax) return null;
    const from = start + 1 + lineBytes(count);
    let at = from;
    let requestBytes = 0;
    for (let left = count; left > 0; left--) {
      const length = chunk[at] === DOLLAR ? shortLengthAt(chunk, at + 1) : NOT_SHORT;
      if (length === NOT_SHORT || length > this.#bulkBytesMax) return null;
      requestBytes += length;
      at += 1 + lineBytes(length) + length + 2;
      if (chunk[at - 2] !== CR || chunk[at - 1] !== LF) return null;
    }
    if (requestBytes > this.#requestBytesMax) return null;
    this.#position = at;
    return new RequestText(count, this.#textOf(from, at));
  }

  /** The text of a part of the chunk. Requests of one small chunk share its text. */
  #textOf(from: number, to: number): string {
    const chunk = this.#chunk;
    const isLast = to === chunk.length;
    if (this.#sharedText === null && (isLast || chunk.length > SHARED_BYTES_MAX)) {
      return latin1(chunk, from, to);
    }
    const shared = this.#sharedText ?? latin1(chunk, 0, chunk.length);
    this.#sharedText = isLast ? null : shared;
    return shared.slice(from, to);
  }

  #read(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#position = 0;
    this.#sharedText = null;
  }

  #nextWaiting(): Uint8Array {
    if (this.#waiting.length === 1) return this.#waiting.pop() ?? this.#chunk;
    // Many chunks are joined into one: taking them off the front one by one could be quadratic.
    const joined = new ByteTail();
    for (const chunk of this.#waiting) joined.append(chunk, 0, chunk.length);
    this.#waiting = [];
    return joined.bytes.subarray(0, joined.length);
  }

  #decode(): DecodedRequest {
    for (;;) {
      const result = this.#bulkLength === NO_BULK ? this.#readLine() : this.#readBulk();
      if (result !== null) return result;
    }
  }

  /** `null`: go on reading. */
  #readLine(): DecodedRequest | null {
    const chunk = this.#chunk;
    const start = this.#position;
    let end = start;
    while (end < chunk.length && chunk[end] !== LF) end++;
    if (this.#tail.length === 0 && end < chunk.length) {
      this.#position = end + 1;
      return this.#takeLine(chunk, start, end);
    }
    const whole = end < chunk.length;
    this.#tail.append(chunk, start, end);
    this.#position = whole ? end + 1 : end;
    const { bytes, length } = this.#tail;
    if (whole) {
      const result = this.#takeLine(bytes, 0, length);
      this.#tail.clear();
      return result;
    }
    return length > this.#inlineBytesMax ? this.#lineTooBig(bytes[0]) : INCOMPLETE;
  }

  #lineTooBig(type: number | undefined): DecodedRequest {
    if (this.#argumentsMissing > 0) return invalid("too big bulk count string");
    return invalid(type === STAR ? "too big mbulk count string" : "too big inline request");
  }

  /** A line in `bytes[from … end - 1]`, the LF taken off. */
  #takeLine(bytes: Uint8Array, from: number, end: number): DecodedRequest | null {
    if (end - from > this.#inlineBytesMax) return this.#lineTooBig(bytes[from]);
    const hasCr = end > from && bytes[end - 1] === CR;
    if (this.#argumentsMissing === 0 && bytes[from] !== STAR) {
      return takeInline(latin1(bytes, from, hasCr ? end - 1 : end));
    }
    const length = hasCr ? parseLength(bytes, from + 1, end - 1) : NaN;
    if (this.#argumentsMissing === 0) return this.#takeArrayHeader(length);
    if (end > from && bytes[from] === DOLLAR) return this.#takeBulkHeader(length);
    return invalid(`expected '$', got '${end > from ? latin1(bytes, from, from + 1) : "\n"}'`);
  }

  #takeArrayHeader(count: number): DecodedRequest | null {
    if (!(count <= this.#argumentsMax)) return invalid("invalid multibulk length");
    if (count > 0) this.#argumentsMissing = count;
    return null;
  }

  #takeBulkHeader(length: number): DecodedRequest | null {
    if (!(length >= 0 && length <= this.#bulkBytesMax)) return invalid("invalid bulk length");
    this.#requestBytes += length;
    if (this.#requestBytes > this.#requestBytesMax) {
      return invalid(`too big request, more than ${this.#requestBytesMax} bytes`);
    }
    this.#bulkLength = length;
    return null;
  }

  /** A bulk's bytes and the CR LF behind them. */
  #readBulk(): DecodedRequest | null {
    const { length: tailLength } = this.#tail;
    const chunk = this.#chunk;
    const start = this.#position;
    const wholeLength = this.#bulkLength + 2;
    const end = start + wholeLength - tailLength;
    if (end > chunk.length) {
      this.#tail.append(chunk, start, chunk.length, wholeLength);
      this.#position = chunk.length;
      return INCOMPLETE;
    }
    this.#position = end;
    if (tailLength === 0) {
      if (chunk[end - 2] !== CR || chunk[end - 1] !== LF) return invalid("invalid bulk length");
      return this.#takeArgument(copyOf(chunk, start, end - 2));
    }
    this.#tail.append(chunk, start, end, wholeLength);
    const { bytes } = this.#tail;
    const length = wholeLength - 2;
    if (bytes[length] !== CR || bytes[length + 1] !== LF) return invalid("invalid bulk length");
    if (length >= LONG_BYTES_MIN) return this.#takeArgument(this.#tail.take(length));
    const argument = latin1(bytes, 0, length);
    this.#tail.clear();
    return this.#takeArgument(argument);
  }

  #takeArgument(argument: ByteString): DecodedRequest | null {
    this.#bulkLength = NO_BULK;
    this.#args.push(argument);
    this.#argumentsMissing--;
    if (this.#argumentsMissing > 0) return null;
    const args = this.#args;
    this.#args = [];
    this.#requestBytes = 0;
    return { kind: "complete", args };
  }

  #fail(decoded: DecodedRequest): void {
    this.#invalid = decoded;
    this.#args = [];
    this.#encoded = [];
    this.#encodedCount = 0;
    this.#waiting = [];
    this.#tail.clear();
    this.#read(new Uint8Array(0));
  }
}

/** The length in `bytes[at …]` up to CR LF; `NOT_SHORT` when it is none, is long, or does not end here. */
function shortLengthAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  let end = at;
  for (; end < at + SHORT_LENGTH_DIGITS; end++) {
    const digit = (bytes[end] ?? CR) - ZERO;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const isPlain = end === at + 1 || (end > at && bytes[at] !== ZERO);
  return isPlain && bytes[end] === CR && bytes[end + 1] === LF ? value : NOT_SHORT;
}

/** A short length, as it must be written, with its CR LF. */
function lineBytes(length: number): number {
  let bytes = 3;
  for (let limit = 10; length >= limit; limit *= 10) bytes++;
  return bytes;
}

function takeInline(line: string): DecodedRequest | null {
  const args = splitInline(line);
  if (args === null) return invalid("unbalanced quotes in request");
  const name = args[0]?.toLowerCase();
  if (name === undefined) return null;
  if (name === "post" || name === "host:") {
    return { ...invalid("HTTP request on the RESP port"), crossProtocol: true };
  }
  return { kind: "complete", args };
}

function invalid(reason: string): InvalidRequest {
  return { kind: "invalid", error: `Protocol error: ${reason}`, crossProtocol: false };
}
