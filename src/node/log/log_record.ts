import type { HardState } from "../../raft/types.ts";
import { decodePlace, type EntryPlace } from "./entry_codec.ts";

/** Version of the files in `log/`; a node refuses those of any other. */
export const LOG_FORMAT = 2;

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
