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
  /** The leader's clock at the proposal, never before the previous entry's: ms of the Unix epoch. */
  readonly timeMs: number;
  /** Who belongs to the cluster from this entry on; `commands` is empty then. */
  readonly configuration: ClusterConfiguration | null;
  /** The state machine has this version from this entry on; `commands` is empty then. */
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

  /** May be empty: only time passes. */
  get commands(): Commands {
    return this.#commands ?? this.#encoded?.decodeCommands() ?? [];
  }

  /**
   * Keeps the commands as bytes only, if there are any: they have been carried out, and as strings
   * they would be moved about by V8 for as long as the log has the batch in memory.
   */
  forgetCommands(): void {
    this.#base64 = null;
    if (this.#encoded !== null) this.#commands = null;
  }

  /**
   * The bytes of the entry with this index and term, if `keepEncoded` got them. They live as long
   * as the batch, so that the log and each peer take what was encoded once.
   */
  encodedAs(index: number, term: number): Uint8Array | null {
    const kept = this.#encoded;
    return kept !== null && kept.index === index && kept.term === term ? kept.bytes : null;
  }

  /** For the entry codec alone. */
  keepEncoded(encoded: EncodedEntry): void {
    this.#encoded = encoded;
  }

  /** What `keepBase64` got for these very bytes. */
  base64Of(bytes: Uint8Array): Uint8Array | null {
    return this.#base64?.of === bytes ? this.#base64.text : null;
  }

  /**
   * Keeps the base64 of the encoded entry until the commands are forgotten: by then it is on its way
   * to all peers but those that lag.
   */
  keepBase64(of: Uint8Array, text: Uint8Array): void {
    if (this.#commands !== null) this.#base64 = { of, text };
  }
}

/** An entry as its codec wrote it. */
export interface EncodedEntry {
  readonly index: number;
  readonly term: number;
  /** Must not change any more. */
  readonly bytes: Uint8Array;
  /** The content of the batch, in a new array at each call. */
  decodeCommands(): Commands;
}

export type LogEntry = Entry<Batch>;

/** Arguments shorter than this are written many at once: each write costs as much as copying a few hundred bytes. */
const TOGETHER_MAX = 4096;

/**
 * Commands as bytes: a table, and after it the bytes of all arguments with nothing between them. The
 * table is the number of commands, and for each the number of its arguments and the length of each,
 * all as variable-length integers.
 *
 * @param offset number of bytes left free before them
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
 * The commands that stand from `offset` to the end; `null` when anything else does. The bytes must
 * not change any more: a long argument shares their memory.
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

/** The lengths of each command's arguments. A table that promises more than there is ends early. */
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

/** The first byte. Of the log's other records, which are JSON, none begins with one of these. */
const NO_OP = 1;
const COMMANDS = 2;
const CONFIGURATION = 3;
const MACHINE_VERSION = 4;

const INDEX_AT = 1;
const TERM_AT = INDEX_AT + UINT53_BYTES;
const TIME_AT = TERM_AT + UINT53_BYTES;
/** A no-op ends where others have their time. */
const NO_OP_BYTES = TIME_AT;
const BODY_AT = TIME_AT + UINT53_BYTES;

/** A version ends where others have their commands or members. */
const MACHINE_VERSION_BYTES = BODY_AT + UINT53_BYTES;

/** What the numbers of arguments and their lengths take, for each. */
const COUNT_BYTES = 1;

const encoder = new TextEncoder();
// A byte order mark must not vanish: it is no JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Where an entry stands in the log, and whether it changes the members or the version. */
export interface EntryPlace {
  readonly index: number;
  readonly term: number;
  readonly isConfiguration: boolean;
  /** The state machine's from there on; `null`: as before. */
  readonly machineVersion: number | null;
}

/**
 * An entry as bytes, the same in the log file and on the network: a byte that says which kind it is,
 * the index and the term, for all but a no-op the time, 8 bytes big-endian each, and the commands as
 * `encodeCommands` writes them, the configuration as UTF-8 JSON, or the state machine's version, 8
 * bytes big-endian.
 *
 * Encoded at the first call and kept in the batch; the result must not be changed.
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
 * The entry of `encodeEntry`'s bytes.
 *
 * @param isKept nobody will change the bytes: they need not be copied
 * @throws {EntryFormatError} when the bytes are anything else
 */
export function decodeEntry(bytes: Uint8Array, isKept = false): LogEntry {
  const place = decodePlace(bytes);
  if (place === null) throw new EntryFormatError("Cannot decode entry: it has no place in a log");
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

/** Where these bytes belong, without decoding the rest; `null` when no entry begins like that. */
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

/** About how many bytes the entry of this batch will take, without encoding it. */
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
    throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is no JSON`, {
      cause,
    });
  }
  if (configuration !== null) return configuration;
  throw new EntryFormatError(`Cannot decode entry ${index}: its configuration is malformed`);
}
