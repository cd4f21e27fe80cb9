import { latin1 } from "../base/latin1.ts";
import { ByteTail } from "./byte_tail.ts";
import { parseLength } from "./length.ts";

/** Bounds on what a server may send; beyond them the stream is invalid. */
export interface ReplyLimits {
  /** One whole reply. @default 1 GiB */
  readonly replyBytesMax?: number;
  /** A line: a status, an error, a number, or the announcement of a length. @default 64 KiB */
  readonly lineBytesMax?: number;
  /** Aggregates within aggregates. @default 128 */
  readonly depthMax?: number;
}

/**
 * - `complete`: `text` is one whole reply as it came, one character (0–255) for each byte; its first
 *   character is its type
 * - `incomplete`: the bytes so far are the beginning of one, or none are left
 * - `invalid`: this is no RESP, or beyond a limit; nothing more can be read
 */
export type ScannedReply =
  | { readonly kind: "complete"; readonly text: string }
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid"; readonly error: string };

const INCOMPLETE: ScannedReply = { kind: "incomplete" };
const OK: ScannedReply = { kind: "complete", text: "+OK\r\n" };
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
 * handed on as it is. Bytes may be cut anywhere; time is linear in their number.
 */
export class ReplyScanner {
  readonly #replyBytesMax: number;
  readonly #lineBytesMax: number;
  readonly #depthMax: number;
  #chunk: Uint8Array = NOTHING;
  #position = 0;
  /** What came in earlier chunks of the reply under way. */
  readonly #tail = new ByteTail();
  /** Where in the chunk the reply under way begins. */
  #replyFrom = 0;
  /** Where in the tail a line begins that goes on in the next chunk. */
  #lineFrom = NO_LINE;
  /** Bytes still to come of the bulk under way, with its CR LF. */
  #bulkMissing = 0;
  /** Whether the line just read was a whole element, or the head of one. */
  #lineEndsElement = false;
  /** For each open aggregate, outermost first, the elements still to come. */
  #open: number[] = [];
  #invalid: ScannedReply | null = null;

  constructor(limits: ReplyLimits = {}) {
    this.#replyBytesMax = limits.replyBytesMax ?? 1024 * 1024 * 1024;
    this.#lineBytesMax = limits.lineBytesMax ?? 64 * 1024;
    this.#depthMax = limits.depthMax ?? 128;
  }

  /**
   * Takes the next bytes, once `next()` has answered `incomplete`. They must not change until it
   * does so again.
   */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#position = 0;
  }

  next(): ScannedReply {
    if (this.#invalid !== null) return this.#invalid;
    const start = this.#position;
    if (this.#tail.length === 0 && this.#isOk(start)) {
      this.#position = start + 5;
      return OK;
    }
    this.#replyFrom = start;
    const stopped = this.#scan();
    if (stopped !== null && stopped.kind === "invalid") return this.#fail(stopped);
    const replyBytes = this.#tail.length + this.#position - start;
    if (replyBytes > this.#replyBytesMax) return this.#fail(this.#tooLong());
    return stopped === null ? this.#finish() : this.#keep();
  }

  #finish(): ScannedReply {
    if (this.#tail.length === 0) {
      return { kind: "complete", text: latin1(this.#chunk, this.#replyFrom, this.#position) };
    }
    this.#keep();
    const text = latin1(this.#tail.bytes, 0, this.#tail.length);
    this.#tail.clear();
    return { kind: "complete", text };
  }

  #keep(): ScannedReply {
    const from = this.#replyFrom;
    const expected = this.#open.length > 0
      ? Infinity
      : this.#tail.length + this.#position - from + this.#bulkMissing;
    this.#tail.append(this.#chunk, from, this.#position, expected);
    return INCOMPLETE;
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

  /** Goes on to the end of the reply: `null`; or tells why it cannot. */
  #scan(): ScannedReply | null {
    for (;;) {
      const inBulk = this.#bulkMissing > 0;
      const stopped = inBulk ? this.#skipBulk() : this.#readLine();
      if (stopped !== null) return stopped;
      const ended = inBulk || this.#lineEndsElement;
      if (ended && this.#closeElement()) return null;
    }
  }

  /** An element has ended, and with it perhaps the aggregates that it was the last of. */
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

  /** A line in `bytes[from … to - 1]`, the LF taken off. */
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
    if (length > this.#replyBytesMax) return this.#tooLong();
    this.#bulkMissing = length + 2;
    this.#lineEndsElement = false;
    return null;
  }

  #openAggregate(type: number, count: number): ScannedReply | null {
    // Attributes are pairs that stand before the reply which they belong to.
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
