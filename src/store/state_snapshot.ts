import { Buffer } from "node:buffer";
import { isByteString } from "../base/byte_string.ts";
import { encodeReply } from "../resp/encode.ts";
import type { FileIndex, FileView } from "./file_index.ts";
import { encodeFiles } from "./file_snapshot.ts";
import type { Keyspace } from "./keyspace.ts";
import type { KeyImage, KeyspaceView } from "./keyspace_view.ts";
import type { OnceSessions, OnceSessionsView, SessionImage } from "./once_sessions.ts";
import type { Settings } from "./settings.ts";
import { SHORT_LENGTH_MAX, SNAPSHOT_FORMAT } from "./snapshot_items.ts";
import { type EncodedItem, encodeField, encodeLong, encodeParts } from "./snapshot_strings.ts";
import { encodeUsers } from "./user_snapshot.ts";
import { Users, type UsersView } from "./users.ts";

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
  readonly #users: UsersView;
  readonly #items: Generator<EncodedItem, void>;
  /** An item that did not fit into the last chunk. */
  #item: EncodedItem | null = null;

  constructor(
    keyspace: Keyspace,
    sessions: OnceSessions,
    { memoryBytesMax }: Settings,
    files: FileIndex,
    users: Users = new Users(),
  ) {
    this.#keyspace = keyspace;
    this.#sessions = sessions;
    this.#keyspaceView = keyspace.beginView();
    this.#sessionsView = sessions.beginView();
    this.#files = files.view();
    this.#users = users.view();
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

  *#itemsOf(state: readonly number[]): Generator<EncodedItem, void> {
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
    yield* encodeUsers(this.#users);
    yield '["end"]';
  }
}

function* encodeKey({ key, value, deadlineMs }: KeyImage): Generator<EncodedItem, void> {
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
    const entries = yield* encodeParts("part", value.type.encode(value));
    yield `["close",${entries}]`;
  }
}

function* encodeSession(session: SessionImage): Generator<EncodedItem, void> {
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
