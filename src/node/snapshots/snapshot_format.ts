import type { ClusterConfiguration } from "../configuration.ts";
import { configurationFields, parseConfiguration } from "../configuration_codec.ts";
import { isCount, parseFields } from "../log/log_record.ts";
import type { SnapshotMeta } from "./snapshot.ts";

/** Version of the files in `snapshots/`; a node refuses those of any other. */
export const SNAPSHOT_FORMAT = 2;

/** The first record of a snapshot file. */
export interface SnapshotHeader extends SnapshotMeta {
  readonly cluster: string;
  /** Who took it; it may have been sent to others since. */
  readonly node: string;
}

/** The last record: what must stand between. */
export interface SnapshotEnd {
  readonly chunks: number;
  /** Of all chunks, without what stands before each. */
  readonly bytes: number;
  /** CRC-32 of what stands before the payloads of all records but this one. */
  readonly checksum: number;
}

/** A file that is no whole snapshot: damaged, cut short, or of another version. */
export class SnapshotFileError extends Error {
  override name = "SnapshotFileError";
  /** Sound, and written by another version. */
  readonly isOtherFormat: boolean;

  constructor(message: string, isOtherFormat = false) {
    super(message);
    this.isOtherFormat = isOtherFormat;
  }
}

const encoder = new TextEncoder();

export function encodeSnapshotHeader(header: SnapshotHeader): Uint8Array {
  const { cluster, node, index, term, timeMs } = header;
  const configuration = configurationFields(header.configuration);
  const fields = { format: SNAPSHOT_FORMAT, cluster, node, index, term, timeMs, configuration };
  return encoder.encode(JSON.stringify(fields));
}

/** @throws {SnapshotFileError} when the record is none, or of another version */
export function parseSnapshotHeader(payload: Uint8Array): SnapshotHeader {
  const fields = parseFields(payload) ?? {};
  const { format, cluster, node, index, term, timeMs } = fields;
  if (typeof format === "number" && format !== SNAPSHOT_FORMAT) {
    throw new SnapshotFileError(
      `its format is ${format} and this version reads ${SNAPSHOT_FORMAT}`,
      true,
    );
  }
  const configuration = parseConfiguration(fields["configuration"]);
  const isWhole = format === SNAPSHOT_FORMAT && typeof cluster === "string" &&
    typeof node === "string" && isCount(index) && index > 0 && isCount(term) && isCount(timeMs);
  if (!isWhole || configuration === null) throw new SnapshotFileError("there is no header");
  return { cluster, node, index, term, timeMs, configuration };
}

export function encodeSnapshotEnd({ chunks, bytes, checksum }: SnapshotEnd): Uint8Array {
  return encoder.encode(JSON.stringify({ chunks, bytes, checksum }));
}

/** `null` when the record is none. */
export function parseSnapshotEnd(payload: Uint8Array): SnapshotEnd | null {
  const { chunks, bytes, checksum } = parseFields(payload) ?? {};
  return isCount(chunks) && isCount(bytes) && isCount(checksum)
    ? { chunks, bytes, checksum }
    : null;
}

/** Whether both say the same of the cluster. */
export function isSameConfiguration(
  left: ClusterConfiguration,
  right: ClusterConfiguration,
): boolean {
  const text = (one: ClusterConfiguration) => JSON.stringify(configurationFields(one));
  return text(left) === text(right);
}

const NAME = /^(\d{20})-(\d+)\.snapshot$/;

/** `00000000000000000101-3.snapshot`: index and term of the last entry that it covers. */
export function snapshotFileName({ index, term }: Pick<SnapshotMeta, "index" | "term">): string {
  return `${String(index).padStart(20, "0")}-${term}.snapshot`;
}

/** `null` when the file is no snapshot. */
export function parseSnapshotFileName(name: string): Pick<SnapshotMeta, "index" | "term"> | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const parsed = { index: Number(match[1]), term: Number(match[2]) };
  return snapshotFileName(parsed) === name ? parsed : null;
}
