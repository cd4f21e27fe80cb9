import { assert } from "../../base/assert.ts";
import { readUint53, UINT53_BYTES, writeUint53 } from "../../base/integers.ts";
import type { ClusterConfiguration } from "../configuration.ts";
import { configurationFields, parseConfiguration } from "../configuration_codec.ts";
import { Batch, type Commands, type LogEntry } from "../entry.ts";
import { decodeCommands, encodeCommands } from "./commands_codec.ts";

/** The first byte. Of the log's other records, which are JSON, none begins with one of these. */
const NO_OP = 1;
const COMMANDS = 2;
const CONFIGURATION = 3;

const INDEX_AT = 1;
const TERM_AT = INDEX_AT + UINT53_BYTES;
const TIME_AT = TERM_AT + UINT53_BYTES;
/** A no-op ends where others have their time. */
const NO_OP_BYTES = TIME_AT;
const BODY_AT = TIME_AT + UINT53_BYTES;

/** What the numbers of arguments and their lengths take, for each. */
const COUNT_BYTES = 1;

const encoder = new TextEncoder();
// A byte order mark must not vanish: it is no JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Where an entry stands in the log, and whether it changes the members. */
export interface EntryPlace {
  readonly index: number;
  readonly term: number;
  readonly isConfiguration: boolean;
}

/**
 * An entry as bytes, the same in the log file and on the network: a byte that says which kind it is,
 * the index and the term, for all but a no-op the time, 8 bytes big-endian each, and the commands as
 * `encodeCommands` writes them, or the configuration as UTF-8 JSON.
 *
 * Encoded at the first call and kept in the batch; the result must not be changed.
 */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const { index, term, data } = entry;
  if (data === null) return withPlace(new Uint8Array(NO_OP_BYTES), NO_OP, entry);
  const kept = data.encodedAs(index, term);
  if (kept !== null) return kept;
  const bytes = data.configuration === null
    ? withPlace(encodeCommands(data.commands, BODY_AT), COMMANDS, entry)
    : withPlace(encodeConfiguration(data.configuration), CONFIGURATION, entry);
  writeUint53(bytes, TIME_AT, data.timeMs);
  keepEncoded(data, index, term, bytes);
  return bytes;
}

/**
 * The entry of `encodeEntry`'s bytes.
 *
 * @param isKept nobody will change the bytes: they need not be copied
 * @throws {EntryFormatError} when the bytes are anything else
 */
export function decodeEntry(bytes: Uint8Array, isKept = false): LogEntry {
  const place = decodePlace(bytes);
  if (place === null) throw new EntryFormatError("Cannot decode entry: it has no place in a log");
  const { index, term, isConfiguration } = place;
  const sizeBytes = bytes.length;
  if (bytes[0] === NO_OP) return { index, term, data: null, sizeBytes };
  const timeMs = readUint53(bytes, TIME_AT);
  if (!Number.isSafeInteger(timeMs)) {
    throw new EntryFormatError(`Cannot decode entry ${index}: its time is ${timeMs}`);
  }
  const batch = isConfiguration
    ? new Batch(timeMs, [], decodeConfiguration(bytes, index))
    : new Batch(timeMs, decodeBody(bytes, index));
  keepEncoded(batch, index, term, isKept ? bytes : bytes.slice());
  return { index, term, data: batch, sizeBytes };
}

/** Where these bytes belong, without decoding the rest; `null` when no entry begins like that. */
export function decodePlace(bytes: Uint8Array): EntryPlace | null {
  const kind = bytes[0];
  const isNoOp = kind === NO_OP && bytes.length === NO_OP_BYTES;
  if (!isNoOp && !(kind === COMMANDS || kind === CONFIGURATION)) return null;
  if (!isNoOp && bytes.length <= BODY_AT) return null;
  const index = readUint53(bytes, INDEX_AT);
  const term = readUint53(bytes, TERM_AT);
  const isPlace = index > 0 && term > 0 && Number.isSafeInteger(index) &&
    Number.isSafeInteger(term);
  return isPlace ? { index, term, isConfiguration: kind === CONFIGURATION } : null;
}

/** About how many bytes the entry of this batch will take, without encoding it. */
export function sizeOfBatch(batch: Batch | null): number {
  if (batch === null) return NO_OP_BYTES;
  if (batch.configuration !== null) return encodeConfiguration(batch.configuration).length;
  let size = BODY_AT + COUNT_BYTES;
  for (const command of batch.commands) {
    size += COUNT_BYTES;
    for (const argument of command) size += COUNT_BYTES + argument.length;
  }
  return size;
}

/** Bytes that are no entry: damaged, or of something that does not speak our format. */
export class EntryFormatError extends Error {
  override name = "EntryFormatError";
}

function withPlace(bytes: Uint8Array, kind: number, { index, term }: LogEntry): Uint8Array {
  bytes[0] = kind;
  writeUint53(bytes, INDEX_AT, index);
  writeUint53(bytes, TERM_AT, term);
  return bytes;
}

function keepEncoded(batch: Batch, index: number, term: number, bytes: Uint8Array): void {
  const decode = batch.configuration === null ? () => decodeBody(bytes, index) : () => [];
  batch.keepEncoded({ index, term, bytes, decodeCommands: decode });
}

function decodeBody(bytes: Uint8Array, index: number): Commands {
  const commands = decodeCommands(bytes, BODY_AT);
  if (commands !== null) return commands;
  throw new EntryFormatError(`Cannot decode entry ${index}: its commands are malformed`);
}

function encodeConfiguration(configuration: ClusterConfiguration): Uint8Array {
  const fields = configurationFields(configuration);
  assert(
    parseConfiguration(fields) !== null,
    "Cannot encode entry: the configuration is malformed",
  );
  const text = encoder.encode(JSON.stringify(fields));
  const bytes = new Uint8Array(BODY_AT + text.length);
  bytes.set(text, BODY_AT);
  return bytes;
}

function decodeConfiguration(bytes: Uint8Array, index: number): ClusterConfiguration {
  let configuration: ClusterConfiguration | null;
  try {
    configuration = parseConfiguration(JSON.parse(decoder.decode(bytes.subarray(BODY_AT))));
  } catch (cause) {
    throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is no JSON`, {
      cause,
    });
  }
  if (configuration !== null) return configuration;
  throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is malformed`);
}
