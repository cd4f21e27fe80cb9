import { Buffer } from "node:buffer";

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
