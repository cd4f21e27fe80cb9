import { checkRequest } from "../../commands/table.ts";
import type { Message, NodeId } from "../../raft/types.ts";
import { ErrorReply } from "../../resp/reply.ts";
import type { Batch, LogEntry } from "../entry.ts";
import { ProtocolError } from "./frame_decoder.ts";

/** Version of what nodes say to each other; nodes of different versions refuse each other. */
export const PROTOCOL_VERSION = 1;

/** The first frame of each connection. */
export interface Hello {
  readonly regent: number;
  readonly cluster: string;
  readonly from: NodeId;
  readonly to: NodeId;
  /** Where clients reach the sender. */
  readonly host: string;
  readonly port: number;
}

/** A message as its header frame tells it; the entries of an append follow in frames of their own. */
export type Header = Exclude<Message<Batch>, { type: "append" }> | AppendHeader;

export type AppendHeader = Omit<Extract<Message<Batch>, { type: "append" }>, "entries"> & {
  /** How many entry frames follow. */
  readonly entries: number;
};

/** The most entries that one append may announce. */
export const APPEND_ENTRIES_MAX = 65_536;

const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isIndexOrNull = (value: unknown): boolean => value === null || isIndex(value);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isEntryCount = (value: unknown): boolean =>
  isIndex(value) && (value as number) <= APPEND_ENTRIES_MAX;

type Shape = Readonly<Record<string, (value: unknown) => boolean>>;

const voteRequest: Shape = {
  term: isIndex,
  lastIndex: isIndex,
  lastTerm: isIndex,
  isTransfer: isBoolean,
};
const voteReply: Shape = { term: isIndex, granted: isBoolean };

/** The fields of each message on the wire; sender and receiver follow from the connection. */
const SHAPES: ReadonlyMap<unknown, Shape> = new Map<Message<Batch>["type"], Shape>([
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
]);

/** Readable text of a frame's payload. */
export function encodeHeader(message: Message<Batch>): string {
  const { from: _from, to: _to, ...fields } = message;
  if (fields.type === "append") {
    return JSON.stringify({ ...fields, entries: fields.entries.length });
  }
  return JSON.stringify(fields);
}

/** @throws {ProtocolError} when it is no message of ours */
export function decodeHeader(payload: Uint8Array, from: NodeId, to: NodeId): Header {
  const fields = parseObject(payload);
  const shape = SHAPES.get(fields["type"]);
  if (shape === undefined) throw new ProtocolError("a message of an unknown type");
  const header: Record<string, unknown> = { type: fields["type"], from, to };
  for (const [name, isValid] of Object.entries(shape)) {
    const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!isValid(value)) {
      throw new ProtocolError(`a message of type ${fields["type"]} with a wrong ${name}`);
    }
    header[name] = value;
  }
  return header as unknown as Header;
}

/** @throws {ProtocolError} when the entries do not follow each other as the header says */
export function joinAppend(header: AppendHeader, entries: readonly LogEntry[]): Message<Batch> {
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

function isReplicable(args: readonly string[]): boolean {
  const command = checkRequest(args);
  return !(command instanceof ErrorReply) && command.kind === "write";
}

/** @throws {ProtocolError} when it is no hello of ours */
export function decodeHello(payload: Uint8Array): Hello {
  const { regent, cluster, from, to, host, port } = parseObject(payload);
  if (regent !== PROTOCOL_VERSION) {
    throw new ProtocolError(`a hello of protocol version ${JSON.stringify(regent)?.slice(0, 40)}`);
  }
  const texts = [cluster, from, to, host];
  const areTexts = texts.every((text) => typeof text === "string" && text.length <= 255);
  if (!areTexts || !isHost(host) || !isPort(port)) {
    throw new ProtocolError("a hello with a wrong field");
  }
  return { regent, cluster, from, to, host, port } as Hello;
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
