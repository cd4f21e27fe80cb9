import { type ByteString, partOf, writeByteString } from "../base/byte_string.ts";
import type { DeadlineMs } from "./deadlines.ts";
import { Buffer } from "node:buffer";
import { encodeReply } from "../resp/encode.ts";
import type { KeyImage, Keyspace, KeyspaceView } from "./keyspace.ts";
import type { OnceSessions, OnceSessionsView, SessionImage } from "./once_sessions.ts";
import type { Settings } from "./value.ts";

/**
 * How a state is told in chunks. A chunk that begins with `PIECE_MARK` is a piece of a long byte
 * string, as it is. Each other one is UTF-8 JSON, an array of items, and each item an array that
 * begins with its kind; a byte string is a JSON string there, whose code points 0–255 are the bytes.
 * The items, in this order:
 *
 * - `["state", format, timeMs, keys, expiredKeys, sessions, openedSessions]` or, where the user has
 *   bounded the memory, `[…, openedSessions, memoryBytesMax]`: once, at the beginning
 * - `["key", key, value]` or `["key", key, value, deadline]`: for each position, from 0; a deadline
 *   beyond 2^53 - 1 is a string
 * - `["session", id, ttlMs, deadlineMs, floor, highest, replies]` or, where it has an owner,
 *   `[…, replies, owner, 1 for a proxy's]`: in the order of opening, each followed by so many of
 * - `["reply", serial, reply]`: in any order, written by serial; the reply is in RESP3
 * - `["end"]`: once, at the end
 *
 * A key, value or reply longer than `SHORT_LENGTH_MAX` is told beforehand, in pieces of which all but
 * the last are of `PIECE_LENGTH_MAX` bytes, and then by `["long", length]`; in its place stands 0.
 * Where there are two, the first told is the first in the item.
 */
export const SNAPSHOT_FORMAT = 2;

/** Strings up to this length are told in their item: at most six times as many bytes of JSON. */
export const SHORT_LENGTH_MAX = 8192;

/** No JSON begins with it. */
export const PIECE_MARK = 0;
export const PIECE_LENGTH_MAX = 32 * 1024 - 1;

/** Something that is no chunk of a snapshot, or not the one that is due. */
export class SnapshotFormatError extends Error {
  override name = "SnapshotFormatError";
}

/** An item of a chunk, of which no more is known than that it is an array. */
export type SnapshotItem = readonly unknown[];

const DEADLINE_MAX = 2n ** 63n - 1n;

// A byte order mark must not vanish: it is no JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws {SnapshotFormatError} as do all functions here */
export function parseChunk(chunk: Uint8Array): readonly SnapshotItem[] {
  let items: unknown;
  try {
    items = JSON.parse(decoder.decode(chunk));
  } catch {
    throw new SnapshotFormatError("Cannot load a chunk: it is not JSON");
  }
  if (!Array.isArray(items) || items.length === 0 || !items.every(Array.isArray)) {
    throw new SnapshotFormatError("Cannot load a chunk: it is no array of arrays");
  }
  return items;
}

/** Checks the number of fields, the kind included. */
export function lengthOf(item: SnapshotItem, lengthMin: number, lengthMax: number): void {
  if (item.length < lengthMin || item.length > lengthMax) {
    throw wrongItem(item, `it has ${item.length} fields`);
  }
}

export function integerField(
  item: SnapshotItem,
  index: number,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = item[index];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  // JSON knows -0.
  return value + 0;
}

/** A byte string. */
export function textField(item: SnapshotItem, index: number): string {
  const value = item[index];
  if (typeof value !== "string" || !/^[\0-\xff]*$/.test(value)) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  return value;
}

/** A deadline in its one form: a bigint is a string, and beyond 2^53 - 1. */
export function deadlineField(item: SnapshotItem, index: number): DeadlineMs {
  const value = item[index];
  if (typeof value !== "string") return integerField(item, index, 1);
  const deadlineMs = /^[1-9][0-9]{15,18}$/.test(value) ? BigInt(value) : 0n;
  if (deadlineMs <= Number.MAX_SAFE_INTEGER || deadlineMs > DEADLINE_MAX) {
    throw wrongItem(item, `field ${index} is wrong`);
  }
  return deadlineMs;
}

/** A session's id, and the number that it begins with. */
export function sessionNumber(
  item: SnapshotItem,
  index: number,
): { readonly key: string; readonly number: number } {
  const key = textField(item, index);
  const [, number] = /^([1-9][0-9]{0,15})-(?:0|[1-9][0-9]{0,15})$/.exec(key) ?? [];
  if (number === undefined) throw wrongItem(item, `field ${index} is wrong`);
  return { key, number: Number(number) };
}

/** An error that tells of an item only its kind: the rest is clients' data. */
export function wrongItem([kind]: SnapshotItem, reason: string): SnapshotFormatError {
  const name = typeof kind === "string" ? JSON.stringify(kind.slice(0, 20)) : typeof kind;
  return new SnapshotFormatError(`Cannot load a chunk: an item ${name} is wrong: ${reason}`);
}

/** JSON, or a chunk that is a piece of a long string. */
type Item = string | Uint8Array;

/**
 * The state as it was when this was made, handed out in chunks while the state goes on changing. The
 * same state gives the same chunks.
 */
export class StateSnapshot {
  /** Number of keys, due ones among them. */
  readonly keys: number;
  readonly #keyspace: Keyspace;
  readonly #sessions: OnceSessions;
  readonly #keyspaceView: KeyspaceView;
  readonly #sessionsView: OnceSessionsView;
  readonly #items: Generator<Item, void>;
  /** An item that did not fit into the last chunk. */
  #item: Item | null = null;

  constructor(keyspace: Keyspace, sessions: OnceSessions, { memoryBytesMax }: Settings) {
    this.#keyspace = keyspace;
    this.#sessions = sessions;
    this.#keyspaceView = keyspace.beginView();
    this.#sessionsView = sessions.beginView();
    this.keys = this.#keyspaceView.size;
    const { timeMs, expiredCount } = keyspace;
    const state = [timeMs, this.keys, expiredCount, this.#sessionsView.size, sessions.openedCount];
    if (memoryBytesMax !== 0) state.push(memoryBytesMax);
    this.#items = this.#itemsOf(state);
  }

  /**
   * The next chunk, of about `bytesMax` bytes at most (a single item of up to 50 KB may be larger);
   * `null` when there is no more.
   */
  next(bytesMax: number): Uint8Array | null {
    const items: string[] = [];
    // Two brackets; each item brings a comma or the last bracket.
    for (let bytes = 1;;) {
      const item = this.#item ?? this.#items.next().value ?? null;
      this.#item = item;
      if (item === null) break;
      if (typeof item !== "string") {
        if (items.length > 0) break;
        this.#item = null;
        return item;
      }
      bytes += Buffer.byteLength(item) + 1;
      if (bytes > bytesMax && items.length > 0) break;
      items.push(item);
      this.#item = null;
    }
    if (items.length > 0) return Buffer.from(`[${items.join(",")}]`);
    this.end();
    return null;
  }

  /** Lets go of the state; there are no more chunks. May be called at any time, and twice. */
  end(): void {
    this.#item = null;
    this.#items.return();
    this.#keyspace.endView(this.#keyspaceView);
    this.#sessions.endView(this.#sessionsView);
  }

  *#itemsOf(state: readonly number[]): Generator<Item, void> {
    yield JSON.stringify(["state", SNAPSHOT_FORMAT, ...state]);
    for (let key = this.#keyspaceView.read(); key !== null; key = this.#keyspaceView.read()) {
      if (key.key.length > SHORT_LENGTH_MAX) yield* tellLong(key.key);
      if (key.value.length > SHORT_LENGTH_MAX) yield* tellLong(key.value);
      yield keyItem(key);
    }
    for (
      let session = this.#sessionsView.read();
      session !== null;
      session = this.#sessionsView.read()
    ) {
      yield* tellSession(session);
    }
    yield '["end"]';
  }
}

function keyItem({ key, value, deadlineMs }: KeyImage): string {
  const item = `["key",${encodeField(key)},${encodeField(value)}`;
  if (deadlineMs === null) return item + "]";
  return item + (typeof deadlineMs === "number" ? `,${deadlineMs}]` : `,"${deadlineMs}"]`);
}

function* tellSession(session: SessionImage): Generator<Item, void> {
  const { key, ttlMs, deadlineMs, floor, highest, owner, replies } = session;
  const item = ["session", key, ttlMs, deadlineMs, floor, highest, replies.length];
  if (owner.name !== "") item.push(owner.name, owner.isProxy ? 1 : 0);
  yield JSON.stringify(item);
  for (const [serial, reply] of replies) {
    const text = encodeReply(reply, 3);
    if (text.length > SHORT_LENGTH_MAX) yield* tellLong(text);
    yield `["reply",${serial},${encodeField(text)}]`;
  }
}

/** A string, or 0 for one that is too long and was told already. */
function encodeField(text: ByteString): string {
  return typeof text !== "string" || text.length > SHORT_LENGTH_MAX ? "0" : JSON.stringify(text);
}

function* tellLong(text: ByteString): Generator<Item, void> {
  for (let from = 0; from < text.length; from += PIECE_LENGTH_MAX) {
    const piece = partOf(text, from, Math.min(text.length, from + PIECE_LENGTH_MAX));
    const chunk = new Uint8Array(1 + piece.length);
    chunk[0] = PIECE_MARK;
    writeByteString(chunk, 1, piece);
    yield chunk;
  }
  yield `["long",${text.length}]`;
}
