import { Buffer } from "node:buffer";
import { checkRequest } from "../../commands/table.ts";
import type { NodeId } from "../../raft/types.ts";
import { ErrorReply } from "../../resp/reply.ts";
import { configurationFields, parseConfiguration } from "../configuration_codec.ts";
import type { LogEntry } from "../entry.ts";
import { ProtocolError } from "./frame_decoder.ts";
import {
  type PeerMessage,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotChunk,
  type SnapshotOffer,
} from "./peer_message.ts";

/** Version of what nodes say to each other; nodes of different versions refuse each other. */
export const PROTOCOL_VERSION = 2;

/** The first frame of each connection. */
export interface Hello {
  readonly regent: number;
  readonly cluster: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Where clients reach the sender. */
  readonly host: string;
  readonly port: number;
  /** Where its peers reach it. */
  readonly raftHost: string;
  readonly raftPort: number;
  /** The index of the newest configuration that it knows. */
  readonly configuration: number;
}

/** What a removed node is told in the place of an answer, before the connection is closed. */
export interface RemovedNotice {
  readonly type: "removed";
  readonly cluster: string;
  /** Who is meant. */
  readonly to: NodeId;
}

/**
 * A message as its header frame tells it; the entries of an append follow in frames of their own, as
 * do the bytes of a chunk and the description of an offered snapshot.
 */
export type Header =
  | Exclude<PeerMessage, AppendMessage | SnapshotOffer | SnapshotChunk>
  | AppendHeader
  | OfferHeader
  | ChunkHeader;

type AppendMessage = Extract<PeerMessage, { type: "append" }>;

export type AppendHeader = Omit<AppendMessage, "entries"> & {
  /** How many entry frames follow. */
  readonly entries: number;
};

export type OfferHeader = Omit<SnapshotOffer, "snapshot">;

export type ChunkHeader = Omit<SnapshotChunk, "bytes"> & {
  /** How many bytes the frame that follows tells. */
  readonly bytes: number;
};

/** The most entries that one append may announce. */
export const APPEND_ENTRIES_MAX = 65_536;

const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isIndexOrNull = (value: unknown): boolean => value === null || isIndex(value);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isEntryCount = (value: unknown): boolean =>
  isIndex(value) && (value as number) <= APPEND_ENTRIES_MAX;
const isChunkLength = (value: unknown): boolean =>
  isIndex(value) && value !== 0 && (value as number) <= SNAPSHOT_CHUNK_BYTES_MAX;

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
    entries: isEntryCount,
  }],
  ["appendReply", {
    term: isIndex,
    accepted: isBoolean,
    index: isIndex,
    hintIndex: isIndex,
    hintTerm: isIndex,
  }],
  ["heartbeat", { term: isIndex, commit: isIndex, round: isIndex }],
  ["heartbeatReply", { term: isIndex, round: isIndex }],
  ["timeoutNow", { term: isIndex }],
  ["readIndex", { term: isIndex, readId: isIndex }],
  ["readIndexReply", { term: isIndex, readId: isIndex, index: isIndexOrNull }],
  ["snapshotOffer", { term: isIndex }],
  ["snapshotChunk", { ...snapshotPart, bytes: isChunkLength }],
  ["snapshotReply", { ...snapshotPart, isToOffer: isBoolean }],
];

/** The fields of each message on the wire; sender and receiver follow from the connection. */
const FIELDS: ReadonlyMap<unknown, Fields> = new Map(
  shapes.map(([type, shape]) => [type, Object.entries(shape)]),
);

/** Readable text of a frame's payload. */
export function encodeHeader(message: PeerMessage): string {
  const { from: _from, to: _to, ...fields } = message;
  if (fields.type === "append") {
    return JSON.stringify({ ...fields, entries: fields.entries.length });
  }
  if (fields.type === "snapshotOffer") {
    return JSON.stringify({ type: fields.type, term: fields.term });
  }
  if (fields.type === "snapshotChunk") {
    return JSON.stringify({ ...fields, bytes: fields.bytes.length });
  }
  return JSON.stringify(fields);
}

/** @throws {ProtocolError} when it is no message of ours */
export function decodeHeader(payload: Uint8Array, from: NodeId, to: NodeId): Header {
  const parsed = parseObject(payload);
  const { type } = parsed;
  const fields = FIELDS.get(type);
  if (fields === undefined) throw new ProtocolError("a message of an unknown type");
  const header: Record<string, unknown> = { type, from, to };
  for (const [name, isValid] of fields) {
    const value = parsed[name];
    if (!isValid(value)) throw new ProtocolError(`a message of type ${type} with a wrong ${name}`);
    header[name] = value;
  }
  return header as unknown as Header;
}

/** @throws {ProtocolError} when the entries do not follow each other as the header says */
export function joinAppend(header: AppendHeader, entries: readonly LogEntry[]): AppendMessage {
  let index = header.prevIndex;
  let term = header.prevTerm;
  for (const entry of entries) {
    if (entry.index !== ++index || entry.term < term || entry.term > header.term) {
      throw new ProtocolError(`entry ${entry.index} of term ${entry.term} is out of order`);
    }
    term = entry.term;
    if (entry.data !== null && !entry.data.commands.every(isReplicable)) {
      throw new ProtocolError(`entry ${entry.index} holds what is no write of ours`);
    }
  }
  return { ...header, entries };
}

/** The frame behind a header that announces one; `null` for all others. */
export function encodeBody(message: PeerMessage): Uint8Array | null {
  if (message.type === "snapshotOffer") {
    const { index, term, timeMs, sizeBytes, checksum } = message.snapshot;
    const configuration = configurationFields(message.snapshot.configuration);
    const fields = { index, term, timeMs, sizeBytes, checksum, configuration };
    return Buffer.from(JSON.stringify(fields));
  }
  return message.type === "snapshotChunk" ? message.bytes : null;
}

/** @throws {ProtocolError} when the payload describes no snapshot */
export function joinOffer(header: OfferHeader, payload: Uint8Array): SnapshotOffer {
  const { index, term, timeMs, sizeBytes, checksum, configuration } = parseObject(payload);
  const members = parseConfiguration(configuration);
  const numbers = [index, term, timeMs, sizeBytes, checksum];
  if (members === null || !numbers.every(isIndex) || index === 0 || sizeBytes === 0) {
    throw new ProtocolError("an offer of what is no snapshot");
  }
  const snapshot = { index, term, timeMs, sizeBytes, checksum, configuration: members };
  return { ...header, snapshot } as SnapshotOffer;
}

/**
 * Copies the payload.
 *
 * @throws {ProtocolError} when it is not as long as the header has announced
 */
export function joinChunk(header: ChunkHeader, payload: Uint8Array): SnapshotChunk {
  if (payload.length !== header.bytes) {
    throw new ProtocolError("a chunk that is not what its header says");
  }
  return { ...header, bytes: payload.slice() };
}

function isReplicable(args: readonly string[]): boolean {
  const command = checkRequest(args);
  return !(command instanceof ErrorReply) && command.kind === "write";
}

/** @throws {ProtocolError} when it is no hello of ours */
export function decodeHello(payload: Uint8Array): Hello {
  const fields = parseObject(payload);
  const { regent, cluster, from, to, host, port, raftHost, raftPort, configuration } = fields;
  if (regent !== PROTOCOL_VERSION) {
    throw new ProtocolError(`a hello of protocol version ${JSON.stringify(regent)?.slice(0, 40)}`);
  }
  const texts = [cluster, from, to, host, raftHost];
  const areTexts = texts.every((text) => typeof text === "string" && text.length <= 255);
  const areAddresses = [host, raftHost].every(isHost) && [port, raftPort].every(isPort);
  if (!areTexts || !areAddresses || !isIndex(configuration)) {
    throw new ProtocolError("a hello with a wrong field");
  }
  return { regent, cluster, from, to, host, port, raftHost, raftPort, configuration } as Hello;
}

/** What a peer says back on a link; `null` for signs of life and all else. */
export function decodeNotice(payload: Uint8Array): RemovedNotice | null {
  const { type, cluster, to } = parseObject(payload);
  if (type !== "removed" || typeof cluster !== "string" || typeof to !== "string") return null;
  return { type, cluster, to };
}

/** The address goes on to clients, in `-MOVED` and in the lines of `CLUSTER NODES`. */
function isHost(value: unknown): boolean {
  return typeof value === "string" && /^[A-Za-z0-9_.:%-]+$/.test(value);
}

function isPort(value: unknown): boolean {
  return isIndex(value) && (value as number) <= 65_535;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function parseObject(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(payload));
  } catch {
    throw new ProtocolError("a frame that is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("a frame that is no JSON object");
  }
  return value as Record<string, unknown>;
}
