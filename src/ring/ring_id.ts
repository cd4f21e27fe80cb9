import { createHash } from "node:crypto";

/** Number of bits of an id: sums and differences of ids are exact numbers too. */
export const ID_BITS = 52;
/** Number of ids on the ring. After the last one comes 0 again. */
export const ID_COUNT = 2 ** ID_BITS;

/** A position on the ring: an integer from 0 to `ID_COUNT - 1`. */
export type RingId = number;

const IDS_PER_HASH = 4;
const BYTES_PER_ID = 8;

/**
 * The id of a name, from the first bits of its SHA-256.
 *
 * @param name well-formed text that stays the same for life, such as the name of a file
 */
export function ringId(name: string): RingId {
  return idAt(sha256(name), 0);
}

/** The first `count` ids of a name. A larger count only adds ids. */
export function ringIds(name: string, count: number): Float64Array {
  const ids = new Float64Array(count);
  for (let first = 0; first < count; first += IDS_PER_HASH) {
    const hash = sha256(`${name}#${first / IDS_PER_HASH}`);
    for (let part = 0; part < IDS_PER_HASH && first + part < count; part++) {
      ids[first + part] = idAt(hash, part * BYTES_PER_ID);
    }
  }
  return ids;
}

/** The id as 13 hexadecimal digits. */
export function formatRingId(id: RingId): string {
  return id.toString(16).padStart(ID_BITS / 4, "0");
}

function sha256(text: string): DataView {
  const { buffer, byteOffset, byteLength } = createHash("sha256").update(text, "utf8").digest();
  return new DataView(buffer, byteOffset, byteLength);
}

function idAt(hash: DataView, offset: number): RingId {
  return hash.getUint32(offset) * 2 ** 20 + (hash.getUint32(offset + 4) >>> 12);
}
