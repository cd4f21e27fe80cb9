import { crc32 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import { isCount, parseFields, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES } from "../log/record.ts";
import {
  type ClusterConfiguration,
  configurationFields,
  parseConfiguration,
} from "../members/configuration.ts";
import type { SnapshotMeta } from "./snapshot.ts";

/** Version of the files in `snapshots/`. A node refuses all others. */
const SNAPSHOT_FORMAT = 3;

/** The first record of a snapshot file. */
export interface SnapshotHeader extends SnapshotMeta {
  readonly cluster: string;
  /** The node that took it. Others may have received it since. */
  readonly node: string;
}

/** The last record of a snapshot file: what the file contains. */
export interface SnapshotEnd {
  readonly chunks: number;
  /** Size of all chunks, without their record headers. */
  readonly bytes: number;
  /**
   * CRC-32 of the record headers of all records but this one. The headers contain the checksums of
   * the payloads. So no payload byte is read twice, and a missing or moved record is detected.
   */
  readonly checksum: number;
}

/** A file that is not a complete snapshot: damaged, cut short, or of another version. */
export class SnapshotFileError extends Error {
  override name = "SnapshotFileError";
  /** Whether the file is valid, but of another version. */
  readonly isOtherFormat: boolean;

  constructor(message: string, isOtherFormat = false) {
    super(message);
    this.isOtherFormat = isOtherFormat;
  }
}

const encoder = new TextEncoder();

export function encodeSnapshotHeader(header: SnapshotHeader): Uint8Array {
  const { cluster, node, index, term, timeMs, machineVersion } = header;
  const configuration = configurationFields(header.configuration);
  const place = { cluster, node, index, term, timeMs, machineVersion };
  return encoder.encode(JSON.stringify({ format: SNAPSHOT_FORMAT, ...place, configuration }));
}

/** @throws {SnapshotFileError} when the record is not a header, or of another version */
export function parseSnapshotHeader(payload: Uint8Array): SnapshotHeader {
  const fields = parseFields(payload) ?? {};
  const { format, cluster, node, index, term, timeMs, machineVersion } = fields;
  if (typeof format === "number" && format !== SNAPSHOT_FORMAT) {
    throw new SnapshotFileError(
      `its format is ${format} and this version reads ${SNAPSHOT_FORMAT}`,
      true,
    );
  }
  const configuration = parseConfiguration(fields["configuration"]);
  const isWhole = format === SNAPSHOT_FORMAT && typeof cluster === "string" &&
    typeof node === "string" && isCount(index) && index > 0 && isCount(term) && isCount(timeMs) &&
    isCount(machineVersion);
  if (!isWhole || configuration === null) throw new SnapshotFileError("there is no header");
  return { cluster, node, index, term, timeMs, machineVersion, configuration };
}

export function encodeSnapshotEnd({ chunks, bytes, checksum }: SnapshotEnd): Uint8Array {
  return encoder.encode(JSON.stringify({ chunks, bytes, checksum }));
}

/** `null` when the record is not an end record. */
export function parseSnapshotEnd(payload: Uint8Array): SnapshotEnd | null {
  const { chunks, bytes, checksum } = parseFields(payload) ?? {};
  return isCount(chunks) && isCount(bytes) && isCount(checksum)
    ? { chunks, bytes, checksum }
    : null;
}

/** Whether two configurations are equal. */
export function isSameConfiguration(
  left: ClusterConfiguration,
  right: ClusterConfiguration,
): boolean {
  const text = (one: ClusterConfiguration) => JSON.stringify(configurationFields(one));
  return text(left) === text(right);
}

export const SNAPSHOT_DIRECTORY = "snapshots";
/** Unfinished files, written here or received. Neither counts as a snapshot. */
export const NEW_SNAPSHOT_PATH = "snapshots/new";
export const INCOMING_SNAPSHOT_PATH = "snapshots/incoming";

const NAME = /^(\d{20})-(\d+)\.snapshot$/;

/** `00000000000000000101-3.snapshot`: index and term of the last entry in it. */
export function snapshotFileName({ index, term }: Pick<SnapshotMeta, "index" | "term">): string {
  return `${String(index).padStart(20, "0")}-${term}.snapshot`;
}

/** `null` when this is not the name of a snapshot. */
export function parseSnapshotFileName(name: string): Pick<SnapshotMeta, "index" | "term"> | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const parsed = { index: Number(match[1]), term: Number(match[2]) };
  return snapshotFileName(parsed) === name ? parsed : null;
}

/** Maximum sizes in bytes of the header and the end, whatever a file claims. */
const HEADER_BYTES_MAX = 1 << 20;
const END_BYTES_MAX = 1 << 10;

/**
 * Checks a snapshot file while its bytes arrive, in pieces of any size, and hands out its chunks.
 * Each chunk that is handed out is valid. Only `finish` knows that none is missing.
 */
export class SnapshotScanner {
  readonly #sizeBytes: number;
  readonly #onChunk: ((chunk: Uint8Array) => void) | null;
  readonly #head = new Uint8Array(RECORD_HEADER_BYTES);
  #headBytes = 0;
  /** Offset of the current record. */
  #recordAt = 0;
  #payload: Payload | null = null;
  #header: SnapshotHeader | null = null;
  #chunks = 0;
  #bytes = 0;
  #checksum = 0;
  #isComplete = false;

  /** @param onChunk `null` to check the chunks without keeping them */
  constructor(sizeBytes: number, onChunk: ((chunk: Uint8Array) => void) | null = null) {
    this.#sizeBytes = sizeBytes;
    this.#onChunk = onChunk;
  }

  /** @throws {SnapshotFileError} when no valid file can continue like this */
  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#isComplete) throw new SnapshotFileError("there is something after the end");
      at += this.#payload === null
        ? this.#pushHead(bytes.subarray(at))
        : this.#pushPayload(this.#payload, bytes.subarray(at));
    }
  }

  /**
   * Ends the file.
   *
   * @throws {SnapshotFileError} when the file is incomplete
   */
  finish(): { readonly header: SnapshotHeader; readonly checksum: number } {
    if (!this.#isComplete || this.#header === null) throw this.#wrong("the file is cut short");
    return { header: this.#header, checksum: this.#checksum };
  }

  #pushHead(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, RECORD_HEADER_BYTES - this.#headBytes);
    this.#head.set(taken, this.#headBytes);
    this.#headBytes += taken.length;
    if (this.#headBytes === RECORD_HEADER_BYTES) this.#beginPayload();
    return taken.length;
  }

  #beginPayload(): void {
    const view = new DataView(this.#head.buffer);
    const length = view.getUint32(0);
    const end = this.#recordAt + RECORD_HEADER_BYTES + length;
    if (length === 0 || length > PAYLOAD_BYTES_MAX || end > this.#sizeBytes) {
      throw this.#wrong("is a damaged record");
    }
    const isLast = end === this.#sizeBytes;
    const isBesideChunks = this.#header === null || isLast;
    if (isBesideChunks && length > (isLast ? END_BYTES_MAX : HEADER_BYTES_MAX)) {
      throw this.#wrong(`there is no ${isLast ? "end" : "header"}`);
    }
    this.#payload = {
      kept: isBesideChunks || this.#onChunk !== null ? new Uint8Array(length) : null,
      length,
      filled: 0,
      expectedChecksum: view.getUint32(4),
      checksum: length,
      isLast,
    };
  }

  #pushPayload(payload: Payload, bytes: Uint8Array): number {
    const taken = bytes.subarray(0, payload.length - payload.filled);
    payload.kept?.set(taken, payload.filled);
    payload.checksum = crc32(taken, payload.checksum);
    payload.filled += taken.length;
    if (payload.filled === payload.length) this.#endPayload(payload);
    return taken.length;
  }

  #endPayload(payload: Payload): void {
    const { kept, length, isLast } = payload;
    if (payload.checksum !== payload.expectedChecksum) throw this.#wrong("is a damaged record");
    if (isLast) this.#end(kept);
    else {
      this.#checksum = crc32(this.#head, this.#checksum);
      if (this.#header === null) this.#begin(kept);
      else {
        this.#chunks++;
        this.#bytes += length;
        if (kept !== null) this.#onChunk?.(kept);
      }
    }
    this.#recordAt += RECORD_HEADER_BYTES + length;
    this.#payload = null;
    this.#headBytes = 0;
  }

  #begin(payload: Uint8Array | null): void {
    assert(payload !== null, "The header of a snapshot was not kept");
    this.#header = parseSnapshotHeader(payload);
  }

  #end(payload: Uint8Array | null): void {
    assert(payload !== null, "The end of a snapshot was not kept");
    const end = parseSnapshotEnd(payload);
    if (this.#header === null || end === null) throw this.#wrong("there is no end");
    const isWhole = end.chunks === this.#chunks && end.bytes === this.#bytes &&
      end.checksum === this.#checksum;
    if (!isWhole) throw this.#wrong("the end does not match the records before it");
    this.#isComplete = true;
  }

  #wrong(what: string): SnapshotFileError {
    return new SnapshotFileError(`at byte ${this.#recordAt} ${what}`);
  }
}

interface Payload {
  /** `null` when it is only checked. */
  readonly kept: Uint8Array | null;
  readonly length: number;
  filled: number;
  readonly expectedChecksum: number;
  /** Checksum of the bytes received so far. */
  checksum: number;
  readonly isLast: boolean;
}
