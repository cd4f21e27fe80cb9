import { crc32, readUint32, writeUint32 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import type { HardState } from "../../raft/types.ts";
import { decodePlace, type EntryPlace } from "./entry.ts";

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

/** What stands before a payload of this length and checksum, which is begun with the length as seed. */
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

/** Version of the files in `log/`; a node refuses those of any other. */
export const LOG_FORMAT = 3;

/** The first record of each segment. */
export interface SegmentHeader {
  readonly format: number;
  readonly cluster: string;
  readonly node: string;
  /** The same in all segments of a log, and known to nobody outside of it: see `encodeSynced`. */
  readonly nonce: string;
  /** From 1, without gaps. */
  readonly segment: number;
  /** Every entry of the segment has this index or a higher one; earlier ones end before it. */
  readonly first: number;
  /** A snapshot up to the entry before `first` took the place of all that was in the log before. */
  readonly afterSnapshot: boolean;
  /** The term of the entry before `first`; 0 for the beginning of the log. */
  readonly previousTerm: number;
  /** How long the segment before was, without the zeros at its end; 0 for the first of all. */
  readonly previousBytes: number;
  /** The hard state when the segment began, so that older segments are not needed for it. */
  readonly term: number;
  readonly vote: string | null;
}

/** What a record's payload is. */
export type LogRecord =
  | { readonly kind: "header"; readonly header: SegmentHeader }
  | { readonly kind: "otherFormat"; readonly format: unknown }
  | { readonly kind: "entry" } & EntryPlace
  | { readonly kind: "hardState"; readonly hardState: HardState }
  /** Everything of the segment before this offset was durable when the record was written. */
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
 * This record counts wherever it is found behind damage, so it tells what no client knows: without
 * that, a value that looks like one would be believed.
 */
export function encodeSynced(offset: number, nonce: string): Uint8Array {
  return encoder.encode(JSON.stringify({ synced: offset, nonce }));
}

/** Says what a sound payload is; `null` when it is nothing that this version writes. */
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

/** The fields of a payload that is a JSON object; `null` when it is none. */
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

/** Whether a field is a whole number that can count something. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isVote(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
