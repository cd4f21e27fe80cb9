import { assert } from "../../base/assert.ts";
import { crc32 } from "../../base/crc32.ts";
import { readUint32, writeUint32 } from "../../base/integers.ts";

/** What stands before each payload: its length and the checksum, 4 bytes each, big-endian. */
export const RECORD_HEADER_BYTES = 8;
export const PAYLOAD_BYTES_MAX = 2 ** 29 - 1;

const WRITER_BYTES_KEPT_MAX = 1 << 22;

/**
 * The checksum of a record: the CRC-32 of its payload begun with the length as seed, so that a
 * flipped bit of the length is found as well.
 */
function checksum(payload: Uint8Array): number {
  return crc32(payload, payload.length);
}

/**
 * A record's payload, or `null` when no sound record of at most so many bytes stands at `offset`;
 * zeros never are one. Payloads hold whatever clients write, records among it: what stands inside of
 * one is none of ours.
 */
export function payloadAt(
  bytes: Uint8Array,
  offset: number,
  payloadBytesMax = PAYLOAD_BYTES_MAX,
): Uint8Array | null {
  const start = offset + RECORD_HEADER_BYTES;
  if (start >= bytes.length) return null;
  const length = readUint32(bytes, offset);
  if (length === 0 || length > payloadBytesMax || length > bytes.length - start) return null;
  const payload = bytes.subarray(start, start + length);
  return checksum(payload) === readUint32(bytes, offset + 4) ? payload : null;
}

/** Whether nothing but zeros stands from `offset` on. */
export function isZeroFrom(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset; at < bytes.length; at++) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}

/**
 * Hands out the sound records from the beginning.
 *
 * @returns where the first thing stands that is no sound record
 */
export function scanRecords(
  bytes: Uint8Array,
  visit: (payload: Uint8Array, offset: number) => void,
): number {
  let offset = 0;
  for (let payload = payloadAt(bytes, 0); payload !== null; payload = payloadAt(bytes, offset)) {
    visit(payload, offset);
    offset += RECORD_HEADER_BYTES + payload.length;
  }
  return offset;
}

/** Collects records for one write. */
export class RecordWriter {
  #bytes = new Uint8Array(1 << 14);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(payload: Uint8Array): void {
    assert(payload.length > 0 && payload.length <= PAYLOAD_BYTES_MAX, "A record has an odd size");
    const at = this.#length;
    this.#reserve(at + RECORD_HEADER_BYTES + payload.length);
    writeUint32(this.#bytes, at, payload.length);
    writeUint32(this.#bytes, at + 4, checksum(payload));
    this.#bytes.set(payload, at + RECORD_HEADER_BYTES);
    this.#length = at + RECORD_HEADER_BYTES + payload.length;
  }

  /** What was collected; valid until the next `clear`. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > WRITER_BYTES_KEPT_MAX) this.#resize(WRITER_BYTES_KEPT_MAX);
  }

  #reserve(length: number): void {
    if (length > this.#bytes.length) this.#resize(Math.max(length, 2 * this.#bytes.length));
  }

  #resize(length: number): void {
    const bytes = new Uint8Array(length);
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}
