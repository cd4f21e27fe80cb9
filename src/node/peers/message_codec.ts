import {
  base64Bytes,
  base64Length,
  base64Size,
  parseBase64,
  parseBase64Into,
  writeBase64,
  writeUint32,
} from "../../base/bytes.ts";
import { messageOf } from "../../base/errors.ts";
import { includesVersion, type VersionRange } from "../../base/version_range.ts";
import { findLoggedRow } from "../../commands/table.ts";
import type { NodeId } from "../../raft/types.ts";
import { decodeEntry, encodeEntry, type LogEntry } from "../log/entry.ts";
import { configurationFields, parseConfiguration } from "../members/configuration.ts";
import type { StoredSnapshot } from "../snapshots/snapshot.ts";
import { FRAME_HEADER_BYTES, FrameWriter, isIndex, parseFrame, ProtocolError } from "./frames.ts";
import { type PeerMessage, SNAPSHOT_CHUNK_BYTES_MAX } from "./peer_message.ts";

/**
 * Maximum number of bytes of an entry in one frame. A longer entry is sent in parts of this size,
 * each in a frame of its own. So the receiver reads each part as it arrives, and its event loop is
 * free in between. A multiple of 3, so that the base64 of all parts but the last needs no padding.
 */
export const ENTRY_PART_BYTES = 192 * 1024;

/** Whether this encoded entry is sent in parts. */
function isInParts(bytes: Uint8Array): boolean {
  return bytes.length > ENTRY_PART_BYTES;
}

/**
 * Encodes an entry that is no longer than a part as base64. The result is made once for all peers
 * and kept in the batch until the leader has applied it. It must not be changed.
 */
export function encodeWholeEntry(entry: LogEntry): Uint8Array {
  const bytes = encodeEntry(entry);
  const kept = entry.data?.base64Of(bytes) ?? null;
  if (kept !== null) return kept;
  const text = base64Bytes(bytes);
  entry.data?.keepBase64(bytes, text);
  return text;
}

/**
 * Bytes allocated at first for an entry that arrives in parts. Memory grows with the bytes that
 * have arrived, not with the size that was announced.
 */
const FIRST_BYTES = 4 * 1024 * 1024;

interface PartialEntry {
  readonly index: number;
  readonly sizeBytes: number;
  bytes: Uint8Array;
  filled: number;
}

/** Assembles entries that arrive in parts, for the append that follows them. */
export class EntryParts {
  readonly #entryBytesMax: number;
  #entries: PartialEntry[] = [];
  #bytes = 0;

  constructor(entryBytesMax: number) {
    this.#entryBytesMax = entryBytesMax;
  }

  /**
   * Takes the fields of an `entryPart`. The parts of an entry arrive in order.
   *
   * @throws {ProtocolError} when the part does not continue what came before
   */
  add({ index, offset, sizeBytes, bytes }: Record<string, unknown>): void {
    const last = this.#entries.at(-1);
    const isFirst = offset === 0 && (last === undefined || last.filled === last.sizeBytes);
    if (!isIndex(index) || !isIndex(sizeBytes) || typeof bytes !== "string") {
      throw new ProtocolError("a message of type entryPart with a wrong field");
    }
    const entry = isFirst ? this.#begin(index, sizeBytes) : last;
    const end = (entry?.filled ?? 0) + (base64Size(bytes) ?? Infinity);
    if (
      entry === undefined || entry.index !== index || entry.filled !== offset ||
      entry.sizeBytes !== sizeBytes || end > sizeBytes || end === entry.filled
    ) {
      throw new ProtocolError(`a part of entry ${index} that does not follow the one before`);
    }
    if (end > entry.bytes.length) grow(entry, end);
    if (!parseBase64Into(bytes, entry.bytes.subarray(entry.filled, end))) {
      throw new ProtocolError("a message of type entryPart with wrong base64");
    }
    entry.filled = end;
  }

  /**
   * Hands out the entry with this index.
   *
   * @throws {ProtocolError} when it is not the next one, or incomplete
   */
  take(index: number): Uint8Array {
    const entry = this.#entries.shift();
    if (entry === undefined || entry.index !== index || entry.filled < entry.sizeBytes) {
      throw new ProtocolError(`entry ${index} did not come in parts`);
    }
    this.#bytes -= entry.sizeBytes;
    return entry.bytes;
  }

  /** @throws {ProtocolError} when parts are left that no append asked for */
  end(): void {
    if (this.#entries.length > 0) {
      throw new ProtocolError("parts of an entry that no append asked for");
    }
  }

  /** Forgets all parts: the entries that they belong to are not read. */
  clear(): void {
    this.#entries = [];
    this.#bytes = 0;
  }

  #begin(index: number, sizeBytes: number): PartialEntry {
    this.#bytes += sizeBytes;
    if (this.#bytes > this.#entryBytesMax) {
      throw new ProtocolError(`an entry of ${sizeBytes} bytes is over the limit`);
    }
    const bytes = new Uint8Array(Math.min(sizeBytes, FIRST_BYTES));
    const entry = { index, sizeBytes, bytes, filled: 0 };
    this.#entries.push(entry);
    return entry;
  }
}

function grow(entry: PartialEntry, neededBytes: number): void {
  const doubled = Math.min(entry.sizeBytes, 2 * entry.bytes.length);
  const grown = new Uint8Array(Math.max(neededBytes, doubled));
  grown.set(entry.bytes.subarray(0, entry.filled));
  entry.bytes = grown;
}

/** Number of recent frames kept for the other peers: 2 MiB of them. */
const RECENT_FRAMES = 8;
const END = '"}';

const encoder = new TextEncoder();

interface RecentFrame {
  /** The bytes of the whole entry. This reference must not keep them in memory. */
  readonly entry: WeakRef<Uint8Array>;
  readonly offset: number;
  readonly frame: Uint8Array;
}

/**
 * Makes the frames of large entries. A frame is made when the one before it is being sent to a
 * peer. Most peers take the same part shortly after each other, so it is converted to base64 once
 * for all of them.
 */
class PartFrames {
  readonly #recent: RecentFrame[] = [];
  #next = 0;

  frame(index: number, entry: Uint8Array, offset: number): Uint8Array {
    for (const { entry: other, offset: at, frame } of this.#recent) {
      if (at === offset && other.deref() === entry) return frame;
    }
    const frame = encodePart(index, entry, offset);
    this.#recent[this.#next] = { entry: new WeakRef(entry), offset, frame };
    this.#next = (this.#next + 1) % RECENT_FRAMES;
    return frame;
  }
}

const partFrames = new PartFrames();

/** Adds the frames of an entry that is too long for one. Its bytes must not change afterwards. */
function addPartFrames(frames: FrameWriter, index: number, entry: Uint8Array): void {
  for (let offset = 0; offset < entry.length; offset += ENTRY_PART_BYTES) {
    const length = base64Length(Math.min(ENTRY_PART_BYTES, entry.length - offset));
    frames.addLazy({ length, make: () => [partFrames.frame(index, entry, offset)] });
  }
}

/** Writes the whole frame into one buffer, without copying the base64. */
function encodePart(index: number, entry: Uint8Array, offset: number): Uint8Array {
  const part = entry.subarray(offset, offset + ENTRY_PART_BYTES);
  const fields = { type: "entryPart", index, offset, sizeBytes: entry.length };
  const begin = `${JSON.stringify(fields).slice(0, -1)},"bytes":"`;
  const payloadBytes = begin.length + base64Length(part.length) + END.length;
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  writeUint32(frame, 0, payloadBytes);
  encoder.encodeInto(begin, frame.subarray(FRAME_HEADER_BYTES));
  const at = writeBase64(frame, FRAME_HEADER_BYTES + begin.length, part);
  encoder.encodeInto(END, frame.subarray(at));
  return frame;
}

type AppendMessage = Extract<PeerMessage, { type: "append" }>;

/** Maximum number of entries in one append. */
const APPEND_ENTRIES_MAX = 65_536;

/**
 * Maximum size in bytes of a member's frame. The largest frame is an append: about 1 MiB of entries
 * as the leader counts them, a third more as base64, and still more if all entries are tiny.
 */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;

const isIndexOrNull = (value: unknown): boolean => value === null || isIndex(value);
const isIndexOrAbsent = (value: unknown): boolean => value === undefined || isIndex(value);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
/** An entry as base64; `null` when it came in parts. */
const isEntry = (value: unknown): boolean => value === null || isText(value);
const isEntries = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= APPEND_ENTRIES_MAX && value.every(isEntry);
const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

type Shape = Readonly<Record<string, (value: unknown) => boolean>>;

const voteRequest: Shape = {
  term: isIndex,
  lastIndex: isIndex,
  lastTerm: isIndex,
  isTransfer: isBoolean,
};
const voteReply: Shape = { term: isIndex, granted: isBoolean };
const snapshotPart: Shape = { term: isIndex, index: isIndex, checksum: isIndex, offset: isIndex };

/** A shape's fields, in order. */
type Fields = readonly (readonly [name: string, isValid: (value: unknown) => boolean])[];

const shapes: readonly (readonly [PeerMessage["type"], Shape])[] = [
  ["preVote", voteRequest],
  ["vote", voteRequest],
  ["preVoteReply", voteReply],
  ["voteReply", voteReply],
  ["append", {
    term: isIndex,
    prevIndex: isIndex,
    prevTerm: isIndex,
    commit: isIndex,
    entries: isEntries,
  }],
  ["appendReply", {
    term: isIndex,
    accepted: isBoolean,
    index: isIndex,
    hintIndex: isIndex,
    hintTerm: isIndex,
  }],
  ["heartbeat", { term: isIndex, commit: isIndex, round: isIndex, busyMib: isIndexOrAbsent }],
  ["heartbeatReply", { term: isIndex, round: isIndex }],
  ["timeoutNow", { term: isIndex }],
  ["readIndex", { term: isIndex, readId: isIndex }],
  ["readIndexReply", { term: isIndex, readId: isIndex, index: isIndexOrNull }],
  ["clock", { serial: isIndex }],
  ["clockReply", { serial: isIndex, timeMs: isIndex, logTimeMs: isIndexOrNull }],
  ["snapshotOffer", { term: isIndex, snapshot: isObject }],
  ["snapshotChunk", { ...snapshotPart, bytes: isText }],
  ["snapshotReply", { ...snapshotPart, isToOffer: isBoolean }],
];

/** The fields of each message on the wire. Sender and receiver follow from the connection. */
const FIELDS: ReadonlyMap<unknown, Fields> = new Map(
  shapes.map(([type, shape]) => [type, Object.entries(shape)]),
);

/**
 * Adds the frames of a message. Each message is one frame, a JSON object. Before an append, each
 * part of an entry that is too long for it has a frame of its own. Bytes are base64. An entry has
 * the same bytes as in the log file.
 */
export function writeMessage(frames: FrameWriter, message: PeerMessage): void {
  const { from: _from, to: _to, ...fields } = message;
  if (fields.type === "append") {
    writeAppend(frames, fields);
  } else if (fields.type === "snapshotChunk") {
    // The base64 is the longest text of the message, and is copied as rarely as possible.
    const { bytes, ...others } = fields;
    frames.addPieces([withOpenField(others, "bytes", '"'), base64Bytes(bytes), '"}']);
  } else if (fields.type === "snapshotOffer") {
    frames.addText(JSON.stringify({ ...fields, snapshot: snapshotFields(fields.snapshot) }));
  } else {
    frames.addText(JSON.stringify(fields));
  }
}

function writeAppend(
  frames: FrameWriter,
  { entries, ...fields }: Omit<AppendMessage, "from" | "to">,
): void {
  const pieces: (string | Uint8Array)[] = [withOpenField(fields, "entries", "[")];
  entries.forEach((entry, at) => {
    if (at > 0) pieces.push(",");
    const bytes = encodeEntry(entry);
    if (!isInParts(bytes)) {
      pieces.push('"', encodeWholeEntry(entry), '"');
      return;
    }
    addPartFrames(frames, entry.index, bytes);
    pieces.push("null");
  });
  pieces.push("]}");
  frames.addPieces(pieces);
}

/** The beginning of a JSON object with these fields and one more, whose value follows. */
function withOpenField(fields: object, name: string, begin: string): string {
  return `${JSON.stringify(fields).slice(0, -1)},"${name}":${begin}`;
}

function snapshotFields(snapshot: StoredSnapshot): StoredSnapshot {
  const { index, term, timeMs, machineVersion, sizeBytes, checksum } = snapshot;
  const configuration = configurationFields(snapshot.configuration);
  return { index, term, timeMs, machineVersion, sizeBytes, checksum, configuration };
}

export interface MessageDecoderOptions {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Maximum total size in bytes of the entries of one append that arrive in parts. */
  readonly entryBytesMax: number;
  /** The machine versions that this build understands. */
  readonly machine: VersionRange;
}

/** Decodes the messages that one peer sends on one connection. */
export class MessageDecoder {
  readonly #options: MessageDecoderOptions;
  readonly #parts: EntryParts;

  constructor(options: MessageDecoderOptions) {
    this.#options = options;
    this.#parts = new EntryParts(options.entryBytesMax);
  }

  /**
   * @returns the message of a frame; `null` when the frame is a part of an entry
   * @throws {ProtocolError} when it is not a valid message
   */
  decode(payload: Uint8Array): PeerMessage | null {
    const parsed = parseFrame(payload);
    const { type } = parsed;
    if (type === "entryPart") {
      this.#parts.add(parsed);
      return null;
    }
    const fields = FIELDS.get(type);
    if (fields === undefined) throw new ProtocolError("a message of an unknown type");
    const { from, to } = this.#options;
    const message: Record<string, unknown> = { type, from, to };
    for (const [name, isValid] of fields) {
      const value = parsed[name];
      if (!isValid(value)) {
        throw new ProtocolError(`a message of type ${type} with a wrong ${name}`);
      }
      if (value !== undefined) message[name] = value;
    }
    if (type === "append") message["entries"] = this.#entries(message as unknown as WireAppend);
    else if (type === "snapshotChunk") message["bytes"] = parseChunk(message["bytes"] as string);
    else if (type === "snapshotOffer") message["snapshot"] = parseSnapshot(message["snapshot"]);
    return message as unknown as PeerMessage;
  }

  /** Decodes the entries of an append. They must be consecutive, as the append says. */
  #entries({ term, prevIndex, prevTerm, entries }: WireAppend): readonly LogEntry[] {
    let lastTerm = prevTerm;
    const decoded: LogEntry[] = [];
    for (const text of entries) {
      const index = prevIndex + 1 + decoded.length;
      const entry = decodeBytes(text === null ? this.#parts.take(index) : parseBase64(text));
      if (entry.index !== index || entry.term < lastTerm || entry.term > term) {
        throw new ProtocolError(`entry ${entry.index} of term ${entry.term} is out of order`);
      }
      lastTerm = entry.term;
      if (
        entry.data !== null &&
        !entry.data.commands.every((args) => findLoggedRow(args)?.kind === "write")
      ) {
        throw new ProtocolError(`entry ${entry.index} holds a command that is not a known write`);
      }
      decoded.push(entry);
      const version = entry.data?.machineVersion ?? null;
      // This build may be unable to read the entries after this one. This one is kept, so that the
      // node sees when it is committed, and stops before applying it.
      if (version !== null && !includesVersion(this.#options.machine, version)) {
        this.#parts.clear();
        return decoded;
      }
    }
    this.#parts.end();
    return decoded;
  }
}

/** An append as it is on the wire. */
type WireAppend = Omit<AppendMessage, "entries"> & { readonly entries: readonly (string | null)[] };

function decodeBytes(bytes: Uint8Array | null): LogEntry {
  if (bytes === null) throw new ProtocolError("an entry with wrong base64");
  try {
    return decodeEntry(bytes, true);
  } catch (error) {
    throw new ProtocolError(messageOf(error));
  }
}

function parseChunk(text: string): Uint8Array {
  const bytes = parseBase64(text);
  if (bytes === null) throw new ProtocolError("a chunk with wrong base64");
  if (bytes.length > SNAPSHOT_CHUNK_BYTES_MAX) {
    throw new ProtocolError(`a chunk of ${bytes.length} bytes is over the limit`);
  }
  return bytes;
}

function parseSnapshot(value: unknown): StoredSnapshot {
  const fields = value as Record<keyof StoredSnapshot, unknown>;
  const { index, term, timeMs, machineVersion, sizeBytes, checksum } = fields;
  const configuration = parseConfiguration(fields.configuration);
  const numbers = [index, term, timeMs, machineVersion, sizeBytes, checksum];
  if (configuration === null || !numbers.every(isIndex) || index === 0 || sizeBytes === 0) {
    throw new ProtocolError("an offer of a malformed snapshot");
  }
  const snapshot = { index, term, timeMs, machineVersion, sizeBytes, checksum, configuration };
  return snapshot as StoredSnapshot;
}
