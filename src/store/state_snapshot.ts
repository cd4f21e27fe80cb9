import { type ByteString, partOf, writeByteString } from "../base/byte_string.ts";
import { Buffer } from "node:buffer";
import { encodeReply } from "../resp/encode.ts";
import type { Keyspace } from "./keyspace.ts";
import type { KeyImage, KeyspaceView } from "./keyspace_view.ts";
import type { OnceSessions, OnceSessionsView, SessionImage } from "./once_sessions.ts";
import type { Settings } from "./settings.ts";
import {
  PIECE_LENGTH_MAX,
  PIECE_MARK,
  SHORT_LENGTH_MAX,
  SNAPSHOT_FORMAT,
} from "./snapshot_items.ts";

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
