import type { HardState } from "../../raft/types.ts";

/** Version of the files in `log/`; a node refuses those of any other. */
export const LOG_FORMAT = 1;

/** The first record of each segment. */
export interface SegmentHeader {
  readonly format: number;
  readonly cluster: string;
  readonly node: string;
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
  | {
    readonly kind: "entry";
    readonly index: number;
    readonly term: number;
    readonly isConfiguration: boolean;
  }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  /** Everything of the segment before this offset was durable when the record was written. */
  | { readonly kind: "synced"; readonly offset: number };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const { format, cluster, node, segment, first, afterSnapshot } = header;
  const { previousTerm, previousBytes, term, vote } = header;
  return encoder.encode(JSON.stringify({
    format,
    cluster,
    node,
    segment,
    first,
    // Most segments have no such field, as none had before there were snapshots.
    afterSnapshot: afterSnapshot || undefined,
    previousTerm,
    previousBytes,
    term,
    vote,
  }));
}

export function encodeHardState({ term, vote }: HardState): Uint8Array {
  return encoder.encode(JSON.stringify({ term, vote }));
}

export function encodeSynced(offset: number): Uint8Array {
  return encoder.encode(`{"synced":${offset}}`);
}

/** Says what a sound payload is; `null` when it is nothing that this version writes. */
export function parseLogRecord(payload: Uint8Array): LogRecord | null {
  // Entries are by far the most, and their commands are of no interest here: no JSON is parsed.
  if (startsWith(payload, INDEX, 0)) return parseEntryPlace(payload);
  const fields = parseFields(payload);
  if (fields === null) return null;
  const { term, vote, synced } = fields;
  const { format } = fields;
  if (format !== undefined) {
    if (format !== LOG_FORMAT) return { kind: "otherFormat", format };
    const header = { afterSnapshot: false, ...fields };
    return isSegmentHeader(header) ? { kind: "header", header } : null;
  }
  if (isCount(term) && isVote(vote)) return { kind: "hardState", hardState: { term, vote } };
  return isCount(synced) ? { kind: "synced", offset: synced } : null;
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

const INDEX = encoder.encode('{"index":');
const TERM = encoder.encode(',"term":');
const TIME = encoder.encode(',"time":');
const CONFIGURATION = encoder.encode(',"configuration":');
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

function parseEntryPlace(payload: Uint8Array): LogRecord | null {
  const indexEnd = digitsEnd(payload, INDEX.length);
  if (!startsWith(payload, TERM, indexEnd)) return null;
  const termEnd = digitsEnd(payload, indexEnd + TERM.length);
  const index = readDigits(payload, INDEX.length, indexEnd);
  const term = readDigits(payload, indexEnd + TERM.length, termEnd);
  if (index === 0 || term === 0 || !isCount(index) || !isCount(term)) return null;
  return { kind: "entry", index, term, isConfiguration: hasConfiguration(payload, termEnd) };
}

function hasConfiguration(payload: Uint8Array, termEnd: number): boolean {
  return startsWith(payload, TIME, termEnd) &&
    startsWith(payload, CONFIGURATION, digitsEnd(payload, termEnd + TIME.length));
}

function startsWith(bytes: Uint8Array, start: Uint8Array, at: number): boolean {
  for (let i = 0; i < start.length; i++) {
    if (bytes[at + i] !== start[i]) return false;
  }
  return true;
}

function digitsEnd(bytes: Uint8Array, from: number): number {
  let at = from;
  for (let byte = bytes[at]; byte !== undefined && byte >= DIGIT_0 && byte <= DIGIT_9;) {
    byte = bytes[++at];
  }
  return at;
}

function readDigits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + ((bytes[at] ?? 0) - DIGIT_0);
  return value;
}

function isSegmentHeader(fields: object): fields is SegmentHeader {
  const { cluster, node, segment, first, afterSnapshot, previousTerm, previousBytes, term, vote } =
    fields as Record<string, unknown>;
  return [segment, first, previousTerm, previousBytes, term].every(isCount) &&
    typeof cluster === "string" && typeof node === "string" && isVote(vote) &&
    typeof afterSnapshot === "boolean";
}

/** Whether a field is a whole number that can count something. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isVote(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
