import {
  type Arguments,
  type ByteString,
  copyOf,
  LONG_BYTES_MIN,
  textOf,
} from "../base/byte_string.ts";
import { latin1 } from "../base/bytes.ts";
import { ByteTail, parseLength } from "./byte_tail.ts";
import { encodeArgumentPieces, joinArguments } from "./encode.ts";
import { splitInline } from "./inline.ts";

const CRLF = "\r\n";
const NO_REST: readonly ByteString[] = [];

/**
 * A request as it goes over the wire, which is forwarded without being parsed again. It has the form
 * that `encodeRequest` writes.
 */
export class RequestText {
  readonly kind = "complete";
  /** Number of arguments, including the command's name; at least 1. */
  readonly count: number;
  /**
   * The arguments as bulk strings without the header, one character (0–255) for each byte. If one of
   * them is long, the text ends before it.
   */
  readonly text: string;
  /** The bytes after `text`: the first long argument, and everything after it. */
  readonly rest: readonly ByteString[];
  /** Total length of `text` and `rest`. */
  readonly bytes: number;
  readonly #args: Arguments | null;

  /** @param args the arguments that `text` encodes, if the caller has them; required with a `rest` */
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
    // Nearly all names have fewer than ten characters: `$3`, CR LF, and the name.
    if (text.charCodeAt(2) === CR) return text.slice(4, 4 + text.charCodeAt(1) - ZERO);
    const from = text.indexOf(CRLF) + 2;
    return text.slice(from, from + Number(text.slice(1, from - 2)));
  }

  /** The arguments in a new array. They share their memory with the request. */
  args(): ByteString[] {
    // Reading a text that was just concatenated would make V8 copy all of it.
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

/** Limits on what a client may send. A request that exceeds one is invalid. */
export interface RequestLimits {
  /** Bytes of one argument. @default 512 MiB */
  readonly bulkBytesMax?: number;
  /** Number of arguments of one request, including the name. @default 1,048,576 */
  readonly argumentsMax?: number;
  /** Bytes of a line: a command typed by hand, or a length. @default 64 KiB */
  readonly inlineBytesMax?: number;
  /** Bytes of all arguments of one request together. @default 512 MiB */
  readonly requestBytesMax?: number;
}

/**
 * - `complete`: a whole request, at least one argument
 * - `incomplete`: the bytes so far are the beginning of a request, or none are left
 * - `invalid`: nothing more can be read from this client
 */
export type DecodedRequest =
  | { readonly kind: "complete"; readonly args: ByteString[] }
  | { readonly kind: "incomplete" }
  | InvalidRequest;

/** Bytes that are not a request. Nothing after them can be read. */
export interface InvalidRequest {
  readonly kind: "invalid";
  /** The error to reply, in Redis's words, without the code `ERR`. */
  readonly error: string;
  /**
   * The client speaks HTTP. It has to be disconnected without a reply, as Redis does to stop requests
   * forged in browsers.
   */
  readonly crossProtocol: boolean;
}

/** As `DecodedRequest`, but the arguments stay one text. */
export type DecodedText = RequestText | { readonly kind: "incomplete" } | InvalidRequest;

const INCOMPLETE = { kind: "incomplete" } as const;
const CR = 0x0d;
const LF = 0x0a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const ZERO = 0x30;
const NO_BULK = -1;
/** Lengths with more digits take the slow path. */
const SHORT_LENGTH_DIGITS = 7;
const NOT_SHORT = -1;
/**
 * A forwarded request with at least this many arguments is encoded chunk by chunk, as it arrives, so
 * that its last chunk does not cause a long pause.
 */
const ENCODED_ARGUMENTS_MIN = 512;
/** An argument counts as nearly read when at most this many of its bytes are missing. */
const NEARLY_READ_BYTES = 1024 * 1024;
/** Maximum size of a text that the requests of a chunk share: each keeps all of it in memory. */
const SHARED_BYTES_MAX = 2048;

/**
 * Reads requests from the bytes of one client: arrays of bulk strings, and inline commands. Chunks
 * may be cut anywhere; time is linear in the number of bytes.
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
  /** Chunks that arrived before the earlier ones were used up. */
  #waiting: Uint8Array[] = [];
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;
  /** The whole chunk as text, once a request needs it. */
  #sharedText: string | null = null;
  /** The beginning of a line or a bulk that continues in the next chunk. */
  readonly #tail = new ByteTail();
  #args: ByteString[] = [];
  /** The arguments before `#args`, already encoded. */
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

  /**
   * Takes the next bytes. They must not change until `next()` has answered `incomplete`. After
   * `invalid` they are dropped.
   */
  push(chunk: Uint8Array): void {
    if (this.#invalid !== null) return;
    if (this.#position < this.#chunk.length || this.#waiting.length > 0) {
      this.#waiting.push(chunk);
      return;
    }
    this.#read(chunk);
  }

  /** Number of received bytes that belong to no request returned so far. */
  get pendingBytes(): number {
    let bytes = this.#tail.length + this.#requestBytes + this.#chunk.length - this.#position;
    for (const chunk of this.#waiting) bytes += chunk.length;
    return bytes;
  }

  /**
   * The announced size of a request whose current argument is nearly read (`NEARLY_READ_BYTES`);
   * otherwise 0.
   */
  get bytesNearlyRead(): number {
    if (this.#bulkLength === NO_BULK) return 0;
    const missing = this.#bulkLength - this.#tail.length;
    return missing <= NEARLY_READ_BYTES ? this.#requestBytes : 0;
  }

  /** The next request. After `incomplete`, push more bytes; `invalid` is final. */
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

  /** As `next`, for callers that forward requests. The two may be called in turns. */
  nextText(): DecodedText {
    const whole = this.#takeWhole();
    if (whole !== null) return whole;
    const decoded = this.#next();
    if (decoded.kind === "complete") return this.#textWith(decoded.args);
    if (this.#args.length >= ENCODED_ARGUMENTS_MIN) this.#encode(this.#args);
    return decoded;
  }

  /** Encodes the arguments of the current request that have arrived so far. */
  #encode(args: Arguments): void {
    this.#encoded.push(joinArguments(args));
    this.#encodedCount += args.length;
    this.#args = [];
  }

  /** The request that ends with these arguments. */
  #textWith(args: Arguments): RequestText {
    if (this.#encodedCount === 0) return RequestText.of(args);
    this.#encode(args);
    const text = new RequestText(this.#encodedCount, this.#encoded.join(""));
    this.#encoded = [];
    this.#encodedCount = 0;
    return text;
  }

  /**
   * The fast path: an array of bulk strings that lies in the chunk as a whole and exceeds no limit.
   * `null` in all other cases.
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
    const [first] = this.#waiting;
    if (first !== undefined && this.#waiting.length === 1) {
      this.#waiting.pop();
      return first;
    }
    // Many chunks are joined into one: removing them from the front one by one could be quadratic.
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

  /** Returns `null` when there is more to read. */
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

  /** Handles the line in `bytes[from … end - 1]`, without its LF. */
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

  /** Reads a bulk's bytes and the CR LF after them. */
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

/** The length in `bytes[at …]` up to CR LF; `NOT_SHORT` if it is malformed, long or incomplete. */
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

/** The number of bytes that a short length takes, with its CR LF. */
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
