import { latin1, writeLatin1 } from "./bytes.ts";

/**
 * A byte string of any length. A short one is text, with one character (0–255) for each byte. A
 * long one, of at least `LONG_BYTES_MIN` bytes, is the bytes themselves. Both forms mean the same.
 *
 * Text is what V8 handles best as long as it is short. A long text would be copied at each step
 * between the socket, the log and the store, into memory that V8 frees late.
 *
 * The bytes are shared by everything that holds them (the store, the log, a snapshot, a reply that
 * is being sent), so they must never be changed.
 */
export type ByteString = string | Uint8Array;

/** Minimum number of bytes of a `ByteString` that is not text. */
export const LONG_BYTES_MIN = 64 * 1024;

export function isByteString(value: unknown): value is ByteString {
  return typeof value === "string" || value instanceof Uint8Array;
}

/** The arguments of a request, the command's name first. */
export type Arguments = readonly ByteString[];

/** The byte string as text. Bytes are copied. */
export function textOf(value: ByteString): string {
  return typeof value === "string" ? value : latin1(value, 0, value.length);
}

/** The byte string in `bytes[from … to - 1]`, copied. */
export function copyOf(bytes: Uint8Array, from: number, to: number): ByteString {
  // A Buffer's own `slice` would share the memory.
  if (to - from >= LONG_BYTES_MIN) return new Uint8Array(bytes.subarray(from, to));
  return latin1(bytes, from, to);
}

/**
 * The byte string in `bytes[from … to - 1]`, which must never change. It shares their memory if it
 * is long and at least half of their buffer. Otherwise it is copied, so that it does not keep the
 * rest of the buffer in memory.
 */
export function shareOf(bytes: Uint8Array, from: number, to: number): ByteString {
  const isMostOfIt = to - from >= LONG_BYTES_MIN && 2 * (to - from) >= bytes.buffer.byteLength;
  return isMostOfIt ? bytes.subarray(from, to) : copyOf(bytes, from, to);
}

/** The part `from … to - 1` of a byte string. A long part of bytes shares their memory. */
export function partOf(value: ByteString, from: number, to: number): ByteString {
  if (typeof value === "string") return value.slice(from, to);
  return to - from < LONG_BYTES_MIN ? latin1(value, from, to) : value.subarray(from, to);
}

/**
 * Writes a byte string at `at`.
 *
 * @returns the offset after the last byte
 * @throws {RangeError} when it does not fit
 */
export function writeByteString(target: Uint8Array, at: number, value: ByteString): number {
  if (typeof value === "string") return writeLatin1(target, at, value);
  target.set(value, at);
  return at + value.length;
}
