/** Number of slots in Redis Cluster. */
export const SLOTS = 16384;

/**
 * The Redis Cluster slot of a key: CRC-16 (XMODEM) modulo 16384 of what stands between the first
 * `{` and the next `}`, if that is not empty, else of the whole key.
 *
 * Source: Redis Cluster specification, "Key distribution model" and "Hash tags".
 */
export function keySlot(key: string): number {
  const open = key.indexOf("{");
  if (open >= 0) {
    const close = key.indexOf("}", open + 1);
    if (close > open + 1) return crc16(key, open + 1, close) % SLOTS;
  }
  return crc16(key, 0, key.length) % SLOTS;
}

function crc16(text: string, from: number, to: number): number {
  let crc = 0;
  for (let index = from; index < to; index++) {
    const byte = text.charCodeAt(index) & 0xff;
    crc = ((crc << 8) & 0xffff) ^ (TABLE[(crc >> 8) ^ byte] ?? 0);
  }
  return crc;
}

const POLYNOMIAL = 0x1021;
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  }
  return crc;
});
