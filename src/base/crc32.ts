import { crc32 as zlibCrc32 } from "node:zlib";

/**
 * CRC-32 (IEEE 802.3) of the bytes, as an unsigned 32-bit number.
 *
 * @param seed the checksum of what came before, to continue it
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
