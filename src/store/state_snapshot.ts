import { Buffer } from "node:buffer";
import { type ByteString, isByteString, partOf, writeByteString } from "../base/byte_string.ts";
import { encodeReply } from "../resp/encode.ts";
import type { FileIndex, FileView } from "./file_index.ts";
import { encodeFiles } from "./file_snapshot.ts";
import type { Keyspace } from "./keyspace.ts";
import type { KeyImage, KeyspaceView } from "./keyspace_view.ts";
import type { OnceSessions, OnceSessionsView, SessionImage } from "./once_sessions.ts";
import type { Settings } from "./settings.ts";
import {
  PART_BYTES,
  PART_STRING_BYTES,
  PIECE_LENGTH_MAX,
  PIECE_MARK,
  SHORT_LENGTH_MAX,
  SNAPSHOT_FORMAT,
} from "./snapshot_items.ts";
import type { TypedValue } from "./values/value_type.ts";

/** The JSON of an item, or a chunk that is a piece of a long string. */
type Item = string | Uint8Array;

/**
 * Encodes the state as it was when the snapshot was created, in chunks, while writes go on changing
 * the state. Equal states give equal chunks.
 */
export class StateSnapshot {
  /** Number of keys, including those that are due. */
  readonly keys: number;
  readonly #keyspace: Keyspace;
  readonly #sessions: OnceSessions;
  readonly #keyspaceView: KeyspaceView;
  readonly #sessionsView: OnceSessionsView;
  readonly #files: FileView;
  readonly #items: Generator<Item, void>;
  /** An item that did not fit into the last chunk. */
  #item: Item | null = null;

  constructor(
    keyspace: Keyspace,
    sessions: OnceSessions,
    { memoryBytesMax }: Settings,
    files: FileIndex,
  ) {
    this.#keyspace = keyspace;
    this.#sessions = sessions;
    this.#keyspaceView = keyspace.beginView();
    this.#sessionsView = sessions.beginView();
    this.#files = files.view();
    this.keys = this.#keyspaceView.size;
    const { timeMs, expiredCount } = keyspace;
    const state = [timeMs, this.keys, expiredCount, this.#sessionsView.size, sessions.openedCount];
    if (memoryBytesMax !== 0) state.push(memoryBytesMax);
    this.#items = this.#itemsOf(state);
  }

  /**
   * The next chunk, of at most about `bytesMax` bytes unless it is a single item, which has up to
   * 100 KB; `null` after the last.
   */
  next(bytesMax: number): Uint8Array | null {
    const items: string[] = [];
    // The first bracket. Each item adds a comma or the last bracket.
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

  /**
   * Releases the state and gives up the chunks that are left. May be called at any time, and twice.
   */
  end(): void {
    this.#item = null;
    this.#items.return();
    this.#keyspace.endView(this.#keyspaceView);
    this.#sessions.endView(this.#sessionsView);
  }

  *#itemsOf(state: readonly number[]): Generator<Item, void> {
    yield JSON.stringify(["state", SNAPSHOT_FORMAT, ...state]);
    for (let key = this.#keyspaceView.read(); key !== null; key = this.#keyspaceView.read()) {
      yield* encodeKey(key);
    }
    for (
      let session = this.#sessionsView.read();
      session !== null;
      session = this.#sessionsView.read()
    ) {
      yield* encodeSession(session);
    }
    yield* encodeFiles(this.#files);
    yield '["end"]';
  }
}

function* encodeKey({ key, value, deadlineMs }: KeyImage): Generator<Item, void> {
  if (key.length > SHORT_LENGTH_MAX) yield* encodeLong(key);
  const deadline = deadlineMs === null
    ? ""
    : typeof deadlineMs === "number"
    ? `,${deadlineMs}`
    : `,"${deadlineMs}"`;
  if (isByteString(value)) {
    if (value.length > SHORT_LENGTH_MAX) yield* encodeLong(value);
    yield `["key",${encodeField(key)},${encodeField(value)}${deadline}]`;
  } else {
    yield `["open",${encodeField(key)},"${value.type.name}"${deadline}]`;
    const entries = yield* encodeParts(value);
    yield `["close",${entries}]`;
  }
}

/** Encodes the entries of a value in parts. Returns the number of entries. */
function* encodeParts(value: TypedValue): Generator<Item, number> {
  let entries = 0;
  let part = "";
  let bytes = 0;
  for (const entry of value.type.encode(value)) {
    let entryBytes = 0;
    for (const { length } of entry) {
      // An entry with a long string has a part of its own.
      entryBytes += PART_STRING_BYTES + (length > SHORT_LENGTH_MAX ? PART_BYTES : length);
    }
    if (bytes > 0 && bytes + entryBytes > PART_BYTES) {
      yield `["part"${part}]`;
      part = "";
      bytes = 0;
    }
    for (const text of entry) {
      if (text.length > SHORT_LENGTH_MAX) yield* encodeLong(text);
      part += "," + encodeField(text);
    }
    bytes += entryBytes;
    entries++;
  }
  if (bytes > 0) yield `["part"${part}]`;
  return entries;
}

function* encodeSession(session: SessionImage): Generator<Item, void> {
  const { key, ttlMs, deadlineMs, floor, highest, owner, replies } = session;
  const item = ["session", key, ttlMs, deadlineMs, floor, highest, replies.length];
  if (owner.name !== "") item.push(owner.name, owner.isProxy ? 1 : 0);
  yield JSON.stringify(item);
  for (const [serial, reply] of replies) {
    const text = encodeReply(reply, 3);
    if (text.length > SHORT_LENGTH_MAX) yield* encodeLong(text);
    yield `["reply",${serial},${encodeField(text)}]`;
  }
}

/** The JSON of a string, or 0 for a long one, which stands before the item. */
function encodeField(text: ByteString): string {
  return typeof text !== "string" || text.length > SHORT_LENGTH_MAX ? "0" : JSON.stringify(text);
}

function* encodeLong(text: ByteString): Generator<Item, void> {
  for (let from = 0; from < text.length; from += PIECE_LENGTH_MAX) {
    const piece = partOf(text, from, Math.min(text.length, from + PIECE_LENGTH_MAX));
    const chunk = new Uint8Array(1 + piece.length);
    chunk[0] = PIECE_MARK;
    writeByteString(chunk, 1, piece);
    yield chunk;
  }
  yield `["long",${text.length}]`;
}
