import { latin1Bytes } from "../../src/base/bytes.ts";
import { type Random, randomInteger } from "../../src/base/random.ts";

/**
 * Cuts the input as a network may cut it: into single bytes, a few pieces, or not at all.
 *
 * @param countMax about the maximum number of chunks
 */
export function chunksOf(input: string, random: Random, countMax = 4096): Uint8Array[] {
  const bytes = latin1Bytes(input);
  const chunkBytesMax = [1, 3, 16, 500, Infinity][randomInteger(random, 5)] ?? Infinity;
  if (2 * bytes.length / chunkBytesMax > countMax) return [bytes];
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = chunkBytesMax === Infinity
      ? bytes.length
      : 1 + randomInteger(random, chunkBytesMax);
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}
