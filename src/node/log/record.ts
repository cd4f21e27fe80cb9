import { crc32, readUint32, writeUint32 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import type { HardState } from "../../raft/types.ts";
import { decodePlace, type EntryPlace } from "./entry.ts";

/** Bytes before each payload: its length and its checksum, 4 bytes each, big-endian. */
export const RECORD_HEADER_BYTES = 8;
export const PAYLOAD_BYTES_MAX = 2 ** 29 - 1;

/** Maximum size in bytes of the buffer that a writer keeps between writes. */
const WRITER_BYTES_KEPT_MAX = 1 << 22;

/**
 * The checksum of a record: the CRC-32 of its payload, seeded with the length, so that a flipped
 * bit in the length is detected too.
 */
function checksum(payload: Uint8Array): number {
  return crc32(payload, payload.length);
}

/**
 * The payload of the record at `offset`. `null` if there is no valid record with at most
 * `payloadBytesMax` bytes. Zeros are never a record. A payload may contain anything that clients
 * write, even the bytes of a record; those do not count.
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

/** Whether only zeros follow from `offset` on. */
export function isZeroFrom(bytes: Uint8Array, offset: number): boolean {
  for (let at = offset; at < bytes.length; at++) {
    if (bytes[at] !== 0) return false;
  }
  return true;
}

/**
 * Visits the valid records from the start.
 *
 * @returns the offset at which the valid records end
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

/** The header of a record with this payload length and this checksum, as `checksum` computes it. */
export function recordHeader(length: number, checksum: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER_BYTES);
  writeUint32(bytes, 0, length);
  writeUint32(bytes, 4, checksum);
  return bytes;
}

/** Collects records for one write. */
export class RecordWriter {
  #bytes = new Uint8Array(1 << 14);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(payload: Uint8Array): void {
    assert(payload.length > 0 && payload.length <= PAYLOAD_BYTES_MAX, "A record has a bad size");
    const at = this.#length;
    this.#reserve(at + RECORD_HEADER_BYTES + payload.length);
    writeUint32(this.#bytes, at, payload.length);
    writeUint32(this.#bytes, at + 4, checksum(payload));
    this.#bytes.set(payload, at + RECORD_HEADER_BYTES);
    this.#length = at + RECORD_HEADER_BYTES + payload.length;
  }

  /** The collected records, valid until the next `clear`. */
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

/** Version of the files in `log/`. A node refuses all others. */
export const LOG_FORMAT = 3;

/** The first record of each segment. */
export interface SegmentHeader {
  readonly format: number;
  readonly cluster: string;
  readonly node: string;
  /** A secret that all segments of a log share; see `encodeSynced`. */
  readonly nonce: string;
  /** Number of the segment, from 1, without gaps. */
  readonly segment: number;
  /** Lower bound of the indexes in this segment. Earlier segments end before it. */
  readonly first: number;
  /** Whether a snapshot up to the entry before `first` replaced the log. */
  readonly afterSnapshot: boolean;
  /** Term of the entry before `first`; 0 at the start of the log. */
  readonly previousTerm: number;
  /** Size of the previous segment without trailing zeros; 0 for the first segment. */
  readonly previousBytes: number;
  /** The hard state at the start of the segment, so that older segments are not needed for it. */
  readonly term: number;
  readonly vote: string | null;
}

/** The kinds of records. */
export type LogRecord =
  | { readonly kind: "header"; readonly header: SegmentHeader }
  | { readonly kind: "otherFormat"; readonly format: unknown }
  | { readonly kind: "entry" } & EntryPlace
  | { readonly kind: "hardState"; readonly hardState: HardState }
  /** Everything in the segment before this offset was durable when the record was written. */
  | { readonly kind: "synced"; readonly offset: number; readonly nonce: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const { format, cluster, node, nonce, segment, first, afterSnapshot } = header;
  const { previousTerm, previousBytes, term, vote } = header;
  return encoder.encode(JSON.stringify({
    format,
    cluster,
    node,
    nonce,
    segment,
    first,
    afterSnapshot,
    previousTerm,
    previousBytes,
    term,
    vote,
  }));
}

export function encodeHardState({ term, vote }: HardState): Uint8Array {
  return encoder.encode(JSON.stringify({ term, vote }));
}

/**
 * Encodes the claim that the segment is durable up to an offset. Recovery looks for such records
 * even among damaged bytes. So each contains the nonce, which no client knows: otherwise a client's
 * value could forge one.
 */
export function encodeSynced(offset: number, nonce: string): Uint8Array {
  return encoder.encode(JSON.stringify({ synced: offset, nonce }));
}

/** Parses a valid payload; `null` when this version does not write such payloads. */
export function parseLogRecord(payload: Uint8Array): LogRecord | null {
  const place = decodePlace(payload);
  if (place !== null) return { kind: "entry", ...place };
  const fields = parseFields(payload);
  if (fields === null) return null;
  const { format, term, vote, synced, nonce } = fields;
  if (format !== undefined) {
    if (format !== LOG_FORMAT) return { kind: "otherFormat", format };
    return isSegmentHeader(fields) ? { kind: "header", header: fields } : null;
  }
  if (isCount(term) && isVote(vote)) return { kind: "hardState", hardState: { term, vote } };
  if (!isCount(synced) || typeof nonce !== "string") return null;
  return { kind: "synced", offset: synced, nonce };
}

/** The fields of a JSON object; `null` when the payload is not one. */
export function parseFields(payload: Uint8Array): Record<string, unknown> | null {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    return null;
  }
  return typeof value === "object" ? value as Record<string, unknown> | null : null;
}

function isSegmentHeader(
  fields: Record<string, unknown>,
): fields is Record<string, unknown> & SegmentHeader {
  const { cluster, node, nonce, segment, first, previousTerm, previousBytes, term } = fields;
  return [segment, first, previousTerm, previousBytes, term].every(isCount) &&
    [cluster, node, nonce].every((text) => typeof text === "string") &&
    isVote(fields["vote"]) && typeof fields["afterSnapshot"] === "boolean";
}

/** Whether a field is a non-negative safe integer. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isVote(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
