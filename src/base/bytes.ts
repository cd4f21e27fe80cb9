import { Buffer } from "node:buffer";
import { crc32 as zlibCrc32 } from "node:zlib";
import { assert } from "./errors.ts";

/** Number of bytes that `writeUint53` writes. */
export const UINT53_BYTES = 8;

/** The 4 bytes at `at` as an unsigned big-endian number. Bytes beyond the end count as 0. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/**
 * The 8 bytes at `at` as an unsigned big-endian number. It is exact only if it is a safe integer.
 */
export function readUint53(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4);
}

/** @param value a safe integer, not negative */
export function writeUint53(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, Math.floor(value / 2 ** 32));
  writeUint32(bytes, at + 4, value >>> 0);
}

/** Number of bytes that `writeVarint` writes for this value. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/**
 * Writes a number in groups of seven bits, lowest first, as LEB128 does.
 *
 * @param value a safe integer, not negative
 * @returns the offset after the last byte
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[at++] = rest;
  return at;
}

/** Reads consecutive numbers that `writeVarint` wrote. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Offset of the next number. */
  get at(): number {
    return this.#at;
  }

  /**
   * The next number. `null` at the end, for more bytes than needed, and for an unsafe integer.
   */
  next(): number | null {
    const first = this.#bytes[this.#at++];
    if (first === undefined) return null;
    if (first < 0x80) return first;
    let value = first % 0x80;
    for (let factor = 0x80; factor <= 2 ** 49; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || byte === 0) return null;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : null;
    }
    return null;
  }
}

/**
 * CRC-32 (IEEE 802.3) of the bytes, as an unsigned 32-bit number.
 *
 * @param seed checksum of the preceding bytes, to continue from
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/** Native methods of current runtimes that some type declarations lack. */
interface NativeBase64 {
  toBase64?(): string;
  setFromBase64?(
    text: string,
    options: { lastChunkHandling: "strict" },
  ): { read: number; written: number };
}

const asciiEncoder = new TextEncoder();

/** Whether the runtime decodes base64 natively into an existing array. */
const hasNativeBase64 = (Uint8Array.prototype as NativeBase64).setFromBase64 !== undefined;

/** The bytes as base64 (RFC 4648 §4, padded). */
export function base64Text(bytes: Uint8Array): string {
  return (bytes as NativeBase64).toBase64?.() ??
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/**
 * Maximum number of bytes encoded into one string. V8 gives a string of more than 128 KiB pages of
 * its own; a shorter one is freed by the next minor garbage collection. It is a multiple of 3, so
 * that only the last string has padding.
 */
const PIECE_BYTES = 48 * 1024;

/** The bytes as base64 in ASCII. */
export function base64Bytes(bytes: Uint8Array): Uint8Array {
  const ascii = new Uint8Array(base64Length(bytes.length));
  writeBase64(ascii, 0, bytes);
  return ascii;
}

/**
 * Writes the bytes as base64 at `at`, where there must be room.
 *
 * @returns the offset after the last byte
 */
export function writeBase64(target: Uint8Array, at: number, bytes: Uint8Array): number {
  if (bytes.length <= PIECE_BYTES) return writeBase64Piece(target, at, bytes);
  let to = at;
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    to = writeBase64Piece(target, to, bytes.subarray(from, from + PIECE_BYTES));
  }
  return to;
}

function writeBase64Piece(target: Uint8Array, at: number, bytes: Uint8Array): number {
  const text = base64Text(bytes);
  const { written } = asciiEncoder.encodeInto(text, at === 0 ? target : target.subarray(at));
  assert(written === text.length, "There is no room for the base64");
  return at + written;
}

/** Length of the base64 of this many bytes. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Number of bytes that a base64 text encodes; `null` when no base64 has this length. */
export function base64Size(text: string): number | null {
  if (text.length % 4 !== 0) return null;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return text.length / 4 * 3 - padding;
}

/** Decodes base64. `null` for anything that `base64Bytes` would not write. */
export function parseBase64(text: string): Uint8Array | null {
  const size = base64Size(text);
  if (size === null) return null;
  const bytes = new Uint8Array(size);
  return parseBase64Into(text, bytes) ? bytes : null;
}

/**
 * Decodes base64 into all of `target`.
 *
 * @returns false when the text is not the base64 of exactly that many bytes; `target` may be
 * changed
 */
export function parseBase64Into(text: string, target: Uint8Array): boolean {
  // Decoders skip whitespace. The length shows it: the text is longer than its bytes need.
  if (base64Size(text) !== target.length) return false;
  const native = target as NativeBase64;
  if (native.setFromBase64 === undefined) return parseWithBuffer(text, target);
  try {
    return native.setFromBase64(text, { lastChunkHandling: "strict" }).written === target.length;
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/**
 * Decodes base64 on runtimes without the native methods. `Buffer` accepts almost any text, so the
 * result is encoded again and compared.
 */
export function parseWithBuffer(text: string, target: Uint8Array): boolean {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== target.length || bytes.toString("base64") !== text) return false;
  target.set(bytes);
  return true;
}

/** A method of Node's `Buffer` that the type declarations leave out. */
type Latin1Slice = (this: Uint8Array, from: number, to: number) => string;
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice: Latin1Slice }).latin1Slice;

/**
 * Older versions of Deno build the string character by character, which takes 0.1 s and more per
 * MiB. They are recognized by the method's three parameters. With them, going through native base64
 * is 200 times as fast.
 */
const isSliceSlow = latin1Slice.length > 2 && hasNativeBase64;
/** On an older Deno: minimum number of bytes to read for which base64 is faster. */
const READ_BY_BASE64_BYTES_MIN = 128;

/**
 * The bytes from `from` to `to - 1` as a string with one character (0–255) per byte. The string is
 * a copy: it keeps neither the bytes nor a longer string in memory.
 */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  // The native call takes about 100 ns whatever the length. For short words this is faster.
  switch (to - from) {
    case 0:
      return "";
    case 1:
      return String.fromCharCode(bytes[from] ?? 0);
    case 3:
      return String.fromCharCode(bytes[from] ?? 0, bytes[from + 1] ?? 0, bytes[from + 2] ?? 0);
    case 4:
      return String.fromCharCode(
        bytes[from] ?? 0,
        bytes[from + 1] ?? 0,
        bytes[from + 2] ?? 0,
        bytes[from + 3] ?? 0,
      );
    default:
      return isSliceSlow && to - from >= READ_BY_BASE64_BYTES_MIN
        ? latin1ByBase64(bytes, from, to)
        : latin1Slice.call(bytes, from, to);
  }
}

/** As `latin1`, for runtimes with a slow `latin1Slice`. */
export function latin1ByBase64(bytes: Uint8Array, from: number, to: number): string {
  return atob(base64Text(bytes.subarray(from, to)));
}

/** The bytes of a string of characters 0–255. */
export function latin1Bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

const encoder = new TextEncoder();
/** Minimum number of characters for which a native call is faster. */
const NATIVE_CHARACTERS_MIN = 80;
/** Number of leading characters examined to guess whether a text is ASCII. */
const PROBE_CHARACTERS = 64;
/** On an older Deno: minimum number of characters to write for which base64 is faster. */
const WRITE_BY_BASE64_CHARACTERS_MIN = 4096;
/**
 * Long texts are written in pieces of this many characters. The fastest way is chosen for each.
 */
const PIECE_CHARACTERS = 192 * 1024;

/**
 * Writes the bytes of a string of characters 0–255 at `at`.
 *
 * @returns the offset after the last byte
 * @throws {RangeError} when they do not fit
 */
export function writeLatin1(bytes: Uint8Array, at: number, text: string): number {
  const end = at + text.length;
  if (end > bytes.length) throw new RangeError(`Cannot write text: it ends at ${end}`);
  for (let from = 0; from < text.length; from += PIECE_CHARACTERS) {
    writePiece(bytes, at, text, from, Math.min(text.length, from + PIECE_CHARACTERS));
  }
  return end;
}

/** Writes the characters from `from` to `to - 1`. Character 0 of the text belongs at `at`. */
function writePiece(bytes: Uint8Array, at: number, text: string, from: number, to: number): void {
  const isShort = to - from < NATIVE_CHARACTERS_MIN;
  if (isShort || !beginsAsAscii(text, from, to)) return writeOther(bytes, at, text, from, to);
  // ASCII has the same bytes in UTF-8, and the UTF-8 encoder is native. Any other text needs more
  // room than there is, so the encoder does not read all of it.
  const piece = pieceOf(text, from, to);
  const { read } = encoder.encodeInto(piece, bytes.subarray(at + from, at + to));
  if (read < piece.length) writeOther(bytes, at, text, from, to);
}

function pieceOf(text: string, from: number, to: number): string {
  return to - from === text.length ? text : text.slice(from, to);
}

/** Writes a text that is short or not ASCII. */
function writeOther(bytes: Uint8Array, at: number, text: string, from: number, to: number): void {
  const usesBase64 = isSliceSlow && to - from >= WRITE_BY_BASE64_CHARACTERS_MIN;
  if (usesBase64 && writeByBase64(bytes.subarray(at + from, at + to), pieceOf(text, from, to))) {
    return;
  }
  writeBytewise(bytes, at, text, from, to);
}

/** Writes a text as long as the target. Returns false if it is not, or not of characters 0–255. */
export function writeByBase64(target: Uint8Array, text: string): boolean {
  try {
    return parseBase64Into(btoa(text), target);
  } catch {
    return false;
  }
}

function beginsAsAscii(text: string, from: number, to: number): boolean {
  const end = Math.min(to, from + PROBE_CHARACTERS);
  for (let i = from; i < end; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * Takes about 1 ms per MiB. `btoa` takes 5 ms once V8 has optimized its caller. The text is not cut
 * into pieces first: reading from a slice takes twice as long.
 */
function writeBytewise(
  bytes: Uint8Array,
  at: number,
  text: string,
  from: number,
  to: number,
): void {
  let all = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    all |= code;
    bytes[at + i] = code;
  }
  assert(all <= 0xff, "Cannot write text: a character is above 255");
}

/** All bytes of some chunks, in order. */
export function joinBytes(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
