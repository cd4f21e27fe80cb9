import { Buffer } from "node:buffer";
import { assert } from "./assert.ts";

/** Node's own method, which the type declarations leave out. */
type Latin1Slice = (this: Uint8Array, from: number, to: number) => string;
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice: Latin1Slice }).latin1Slice;

/**
 * The bytes in `from … to - 1` as a string of one character (0–255) for each byte. The string stands
 * alone: it keeps neither the bytes nor a longer string in memory.
 */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  // The native call costs about 100 ns whatever the length; short words are cheaper by hand.
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
      return latin1Slice.call(bytes, from, to);
  }
}

/** The bytes of a string of characters 0–255. */
export function latin1Bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

const encoder = new TextEncoder();
/** Shorter texts are written sooner by hand than by a native call. */
const NATIVE_CHARACTERS_MIN = 80;
/** A text that is no ASCII mostly shows it in so many characters. */
const PROBE_CHARACTERS = 64;

/**
 * Writes the bytes of a string of characters 0–255 at `at`.
 *
 * @returns where the next thing goes
 * @throws {RangeError} when they do not fit
 */
export function writeLatin1(bytes: Uint8Array, at: number, text: string): number {
  const end = at + text.length;
  if (end > bytes.length) throw new RangeError(`Cannot write text: it ends at ${end}`);
  if (text.length < NATIVE_CHARACTERS_MIN || !beginsAsAscii(text)) {
    writeBytewise(bytes, at, text);
    return end;
  }
  // UTF-8 has the same bytes as long as all are below 128, and its encoder is a native one. Any
  // other text needs more room than there is, so that not all of it is read.
  const { read } = encoder.encodeInto(text, bytes.subarray(at, end));
  if (read < text.length) writeBytewise(bytes, at, text);
  return end;
}

function beginsAsAscii(text: string): boolean {
  const end = Math.min(text.length, PROBE_CHARACTERS);
  for (let i = 0; i < end; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function writeBytewise(bytes: Uint8Array, at: number, text: string): void {
  let all = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    all |= code;
    bytes[at + i] = code;
  }
  assert(all <= 0xff, "Cannot write text: a character is no byte");
}
