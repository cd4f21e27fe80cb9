import {
  type Arguments,
  type ByteString,
  shareOf,
  writeByteString,
} from "../../base/byte_string.ts";
import {
  readUint53,
  UINT53_BYTES,
  varintBytes,
  VarintReader,
  writeLatin1,
  writeUint53,
  writeVarint,
} from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";
import type { Entry } from "../../raft/types.ts";
import {
  type ClusterConfiguration,
  configurationFields,
  parseConfiguration,
} from "../members/configuration.ts";

/** Each command with its arguments. */
export type Commands = readonly Arguments[];

/**
 * What one log entry carries: the writes of one turn of the leader's event loop, a change of the
 * cluster's members, or a newer version of the state machine.
 */
export class Batch {
  /** The log's time, in milliseconds since the Unix epoch. It never decreases along the log. */
  readonly timeMs: number;
  /**
   * The cluster's members from this entry on, with `commands` empty; `null` if they do not change.
   */
  readonly configuration: ClusterConfiguration | null;
  /**
   * The state machine's version from this entry on, with `commands` empty; `null` if it does not
   * change.
   */
  readonly machineVersion: number | null;
  #commands: Commands | null;
  #encoded: EncodedEntry | null = null;
  #base64: { readonly of: Uint8Array; readonly text: Uint8Array } | null = null;

  constructor(
    timeMs: number,
    commands: Commands,
    configuration: ClusterConfiguration | null = null,
    machineVersion: number | null = null,
  ) {
    const isOther = configuration !== null || machineVersion !== null;
    assert(!isOther || commands.length === 0, "A change of members or version has commands");
    this.timeMs = timeMs;
    this.configuration = configuration;
    this.machineVersion = machineVersion;
    this.#commands = commands;
  }

  /** Empty in an entry that only lets time pass. */
  get commands(): Commands {
    return this.#commands ?? this.#encoded?.decodeCommands() ?? [];
  }

  /**
   * Drops the decoded commands once they are applied, if their bytes are kept. V8's garbage
   * collector would move the strings for as long as the log has the batch in memory.
   */
  forgetCommands(): void {
    this.#base64 = null;
    if (this.#encoded !== null) this.#commands = null;
  }

  /**
   * The bytes that `keepEncoded` was given for this index and term; `null` if it was not. They are
   * kept as long as the batch, so that the log and all peers share one encoding.
   */
  encodedAs(index: number, term: number): Uint8Array | null {
    const kept = this.#encoded;
    return kept !== null && kept.index === index && kept.term === term ? kept.bytes : null;
  }

  /** For the entry codec only. */
  keepEncoded(encoded: EncodedEntry): void {
    this.#encoded = encoded;
  }

  /** The base64 that `keepBase64` was given for this same array; `null` if it was not. */
  base64Of(bytes: Uint8Array): Uint8Array | null {
    return this.#base64?.of === bytes ? this.#base64.text : null;
  }

  /**
   * Keeps the base64 of the encoded entry until `forgetCommands`. By then it has been sent to all
   * peers that do not lag.
   */
  keepBase64(of: Uint8Array, text: Uint8Array): void {
    if (this.#commands !== null) this.#base64 = { of, text };
  }
}

/** An entry as its codec wrote it. */
export interface EncodedEntry {
  readonly index: number;
  readonly term: number;
  /** Must not be changed. */
  readonly bytes: Uint8Array;
  /** The commands of the batch, in a new array at each call. */
  decodeCommands(): Commands;
}

export type LogEntry = Entry<Batch>;

/**
 * Maximum number of characters of short arguments that are joined into one write. Each write costs
 * as much as copying a few hundred bytes.
 */
const TOGETHER_MAX = 4096;

/**
 * Encodes commands as a table, followed by the bytes of all arguments without separators. The table
 * has the number of commands and, for each command, the number of its arguments and the length of
 * each. All are variable-length integers.
 *
 * @param offset number of bytes left free before the table
 */
export function encodeCommands(commands: Commands, offset: number): Uint8Array {
  let length = offset + varintBytes(commands.length);
  for (const command of commands) {
    length += varintBytes(command.length);
    for (const argument of command) length += varintBytes(argument.length) + argument.length;
  }
  const bytes = new Uint8Array(length);
  writeArguments(bytes, writeTable(bytes, offset, commands), commands);
  return bytes;
}

/**
 * Decodes the commands from `offset` to the end; `null` when the bytes are malformed. The bytes
 * must not change afterwards: a long argument shares their memory.
 */
export function decodeCommands(bytes: Uint8Array, offset: number): Commands | null {
  const table = new VarintReader(bytes, offset);
  const lengths = readTable(table);
  if (lengths === null) return null;
  let at = table.at;
  const commands: ByteString[][] = [];
  for (const ofCommand of lengths) {
    const command: ByteString[] = [];
    for (const length of ofCommand) {
      if (length > bytes.length - at) return null;
      command.push(shareOf(bytes, at, at + length));
      at += length;
    }
    commands.push(command);
  }
  return at === bytes.length ? commands : null;
}

function writeTable(bytes: Uint8Array, offset: number, commands: Commands): number {
  let at = writeVarint(bytes, offset, commands.length);
  for (const command of commands) {
    at = writeVarint(bytes, at, command.length);
    for (const argument of command) at = writeVarint(bytes, at, argument.length);
  }
  return at;
}

function writeArguments(bytes: Uint8Array, offset: number, commands: Commands): void {
  let at = offset;
  let together = "";
  for (const command of commands) {
    for (const argument of command) {
      if (together.length + argument.length > TOGETHER_MAX) {
        at = writeLatin1(bytes, at, together);
        together = "";
      }
      if (typeof argument === "string") together += argument;
      else at = writeByteString(bytes, at, argument);
    }
  }
  writeLatin1(bytes, at, together);
}

/** The lengths of each command's arguments; `null` when the table is cut short or malformed. */
function readTable(table: VarintReader): number[][] | null {
  const commands: number[][] = [];
  const commandCount = table.next();
  if (commandCount === null) return null;
  while (commands.length < commandCount) {
    const command: number[] = [];
    const argumentCount = table.next();
    if (argumentCount === null || argumentCount === 0) return null;
    while (command.length < argumentCount) {
      const length = table.next();
      if (length === null) return null;
      command.push(length);
    }
    commands.push(command);
  }
  return commands;
}

/**
 * The first byte of an entry says its kind. The log's other records are JSON, and none begins with
 * one of these.
 */
const NO_OP = 1;
const COMMANDS = 2;
const CONFIGURATION = 3;
const MACHINE_VERSION = 4;

const INDEX_AT = 1;
const TERM_AT = INDEX_AT + UINT53_BYTES;
const TIME_AT = TERM_AT + UINT53_BYTES;
/** A no-op has neither a time nor a body. */
const NO_OP_BYTES = TIME_AT;
const BODY_AT = TIME_AT + UINT53_BYTES;

/** An entry with a machine version has the version as its body. */
const MACHINE_VERSION_BYTES = BODY_AT + UINT53_BYTES;

/** Estimated size in bytes of each number in the table of commands. */
const COUNT_BYTES = 1;

const encoder = new TextEncoder();
// Keep a byte order mark, so that the JSON parser refuses it.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The position of an entry in the log, and whether it changes the members or the version. */
export interface EntryPlace {
  readonly index: number;
  readonly term: number;
  readonly isConfiguration: boolean;
  /** The state machine's version from this entry on; `null` if it does not change. */
  readonly machineVersion: number | null;
}

/**
 * Encodes an entry, in the same way for the log file and the network. One byte says the kind. The
 * index, the term and, except in a no-op, the time follow, as 8 bytes each, big-endian. The body is
 * last: the commands as `encodeCommands` writes them, the configuration as UTF-8 JSON, or the state
 * machine's version as 8 bytes, big-endian.
 *
 * The result is kept in the batch for later calls, and must not be changed.
 */
export function encodeEntry(entry: LogEntry): Uint8Array {
  const { index, term, data } = entry;
  if (data === null) return withPlace(new Uint8Array(NO_OP_BYTES), NO_OP, entry);
  const kept = data.encodedAs(index, term);
  if (kept !== null) return kept;
  const bytes = encodeBatch(data, entry);
  writeUint53(bytes, TIME_AT, data.timeMs);
  keepEncoded(data, index, term, bytes);
  return bytes;
}

function encodeBatch({ configuration, machineVersion, commands }: Batch, entry: LogEntry) {
  if (configuration !== null) {
    return withPlace(encodeConfiguration(configuration), CONFIGURATION, entry);
  }
  if (machineVersion === null) {
    return withPlace(encodeCommands(commands, BODY_AT), COMMANDS, entry);
  }
  const bytes = withPlace(new Uint8Array(MACHINE_VERSION_BYTES), MACHINE_VERSION, entry);
  writeUint53(bytes, BODY_AT, machineVersion);
  return bytes;
}

/**
 * Decodes the bytes of `encodeEntry`.
 *
 * @param isKept whether nobody will change the bytes, so that they need not be copied
 * @throws {EntryFormatError} when the bytes are anything else
 */
export function decodeEntry(bytes: Uint8Array, isKept = false): LogEntry {
  const place = decodePlace(bytes);
  if (place === null) {
    throw new EntryFormatError("Cannot decode entry: its kind, index or term is wrong");
  }
  const { index, term, isConfiguration, machineVersion } = place;
  const sizeBytes = bytes.length;
  if (bytes[0] === NO_OP) return { index, term, data: null, sizeBytes };
  const timeMs = readUint53(bytes, TIME_AT);
  if (!Number.isSafeInteger(timeMs)) {
    throw new EntryFormatError(`Cannot decode entry ${index}: its time is ${timeMs}`);
  }
  const kept = isKept ? bytes : new Uint8Array(bytes);
  const batch = machineVersion !== null
    ? new Batch(timeMs, [], null, machineVersion)
    : isConfiguration
    ? new Batch(timeMs, [], decodeConfiguration(kept, index))
    : new Batch(timeMs, decodeBody(kept, index));
  keepEncoded(batch, index, term, kept);
  return { index, term, data: batch, sizeBytes };
}

/** Decodes only the position and kind of an encoded entry; `null` when the bytes cannot be one. */
export function decodePlace(bytes: Uint8Array): EntryPlace | null {
  const kind = bytes[0];
  const isNoOp = kind === NO_OP && bytes.length === NO_OP_BYTES;
  const isVersion = kind === MACHINE_VERSION && bytes.length === MACHINE_VERSION_BYTES;
  const hasBody = (kind === COMMANDS || kind === CONFIGURATION) && bytes.length > BODY_AT;
  if (!isNoOp && !isVersion && !hasBody) return null;
  const index = readUint53(bytes, INDEX_AT);
  const term = readUint53(bytes, TERM_AT);
  const machineVersion = isVersion ? readUint53(bytes, BODY_AT) : null;
  const isPlace = index > 0 && term > 0 && Number.isSafeInteger(index) &&
    Number.isSafeInteger(term) && Number.isSafeInteger(machineVersion ?? 0) &&
    machineVersion !== 0;
  return isPlace ? { index, term, isConfiguration: kind === CONFIGURATION, machineVersion } : null;
}

/** Approximate size in bytes of this batch's entry, without encoding it. */
export function sizeOfBatch(batch: Batch | null): number {
  if (batch === null) return NO_OP_BYTES;
  if (batch.configuration !== null) return encodeConfiguration(batch.configuration).length;
  if (batch.machineVersion !== null) return MACHINE_VERSION_BYTES;
  let size = BODY_AT + COUNT_BYTES;
  for (const command of batch.commands) {
    size += COUNT_BYTES;
    for (const argument of command) size += COUNT_BYTES + argument.length;
  }
  return size;
}

/** Bytes that are not an encoded entry: they are damaged, or in another format. */
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
  const isOther = batch.configuration !== null || batch.machineVersion !== null;
  const decode = isOther ? () => [] : () => decodeBody(bytes, index);
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
    throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is not JSON`, {
      cause,
    });
  }
  if (configuration !== null) return configuration;
  throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is malformed`);
}
