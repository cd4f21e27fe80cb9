/** Number of slots in Redis Cluster. */
export const SLOTS = 16384;

/**
 * The Redis Cluster slot of a key: CRC-16 (XMODEM) modulo 16384 of the text between the first `{`
 * and the next `}`, if that is not empty, otherwise of the whole key.
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

/**
 * Slicing-by-8: takes eight bytes a step, since a key may be as long as a value. With one byte a
 * step, each step would have to wait for the result of the one before.
 */
function crc16(text: string, from: number, to: number): number {
  let crc = 0;
  let index = from;
  for (const end = to - 7; index < end; index += 8) {
    const first = (crc >> 8) ^ (text.charCodeAt(index) & 0xff);
    const second = (crc & 0xff) ^ (text.charCodeAt(index + 1) & 0xff);
    crc = (BEFORE_7[first] ?? 0) ^ (BEFORE_6[second] ?? 0) ^
      (BEFORE_5[text.charCodeAt(index + 2) & 0xff] ?? 0) ^
      (BEFORE_4[text.charCodeAt(index + 3) & 0xff] ?? 0) ^
      (BEFORE_3[text.charCodeAt(index + 4) & 0xff] ?? 0) ^
      (BEFORE_2[text.charCodeAt(index + 5) & 0xff] ?? 0) ^
      (BEFORE_1[text.charCodeAt(index + 6) & 0xff] ?? 0) ^
      (TABLE[text.charCodeAt(index + 7) & 0xff] ?? 0);
  }
  for (; index < to; index++) {
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

/** `BEFORE_N`: the checksum of each byte followed by N zero bytes. */
const BEFORE_1 = withZero(TABLE);
const BEFORE_2 = withZero(BEFORE_1);
const BEFORE_3 = withZero(BEFORE_2);
const BEFORE_4 = withZero(BEFORE_3);
const BEFORE_5 = withZero(BEFORE_4);
const BEFORE_6 = withZero(BEFORE_5);
const BEFORE_7 = withZero(BEFORE_6);

function withZero(table: Uint16Array): Uint16Array {
  return table.map((crc) => (crc << 8) ^ (TABLE[crc >> 8] ?? 0));
}
