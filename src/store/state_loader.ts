import { type ByteString, LONG_BYTES_MIN, textOf } from "../base/byte_string.ts";
import { latin1 } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { ByteTail } from "../resp/byte_tail.ts";
import type { Reply } from "../resp/reply.ts";
import { decodeReply, ReplyFormatError } from "../resp/reply_scanner.ts";
import type { DeadlineMs } from "./deadlines.ts";
import type { FileIndex } from "./file_index.ts";
import { FileLoader } from "./file_snapshot.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "./key_table.ts";
import { Keyspace } from "./keyspace.ts";
import {
  type OnceSession,
  OnceSessions,
  SERIAL_WINDOW,
  SESSION_TTL_MS_MAX,
} from "./once_sessions.ts";
import { Settings } from "./settings.ts";
import {
  deadlineField,
  integerField,
  lengthOf,
  parseChunk,
  PIECE_LENGTH_MAX,
  PIECE_MARK,
  sessionNumber,
  SHORT_LENGTH_MAX,
  SNAPSHOT_FORMAT,
  SnapshotFormatError,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";
import { UserLoader } from "./user_snapshot.ts";
import type { Users } from "./users.ts";
import { STRING_LENGTH_MAX } from "./values/string_type.ts";
import { VALUE_TYPES } from "./values/value.ts";
import type { AnyValueType, TypedValue, ValueDecoder } from "./values/value_type.ts";

/** The form of the name of a type. */
const TYPE_NAME = /^[a-z]{1,20}$/;

/** The state that a loader has built, for the state machine. */
export interface LoadedState {
  readonly keyspace: Keyspace;
  readonly sessions: OnceSessions;
  readonly settings: Settings;
  readonly files: FileIndex;
  readonly users: Users;
}

/** Time and counts from the first item. */
interface Announced {
  readonly timeMs: number;
  readonly keys: number;
  readonly sessions: number;
  readonly openedSessions: number;
}

/** The session whose replies are being loaded. */
interface OpenSession {
  readonly session: OnceSession;
  readonly replies: number;
}

/**
 * Builds a state from the chunks of a snapshot, in order. After the first wrong chunk the loader is
 * of no use any more.
 */
export class StateLoader {
  readonly #keyspace: Keyspace;
  readonly #sessions = new OnceSessions();
  readonly #settings = new Settings();
  readonly #files = new FileLoader();
  readonly #users = new UserLoader();
  readonly #longs = new LongStrings();
  readonly #types: readonly AnyValueType[];
  #announced: Announced | null = null;
  /** The value whose parts are being loaded. */
  #value: ValueLoader | null = null;
  #session: OpenSession | null = null;
  #sessionNumber = 0;
  #state: "loading" | "complete" | "failed" | "taken" = "loading";

  /**
   * @param hashSeed see `Keyspace`
   * @param types the types of values that the snapshot may hold beside strings
   */
  constructor(
    hashSeed: HashSeed = DEFAULT_HASH_SEED,
    types: readonly AnyValueType[] = VALUE_TYPES,
  ) {
    this.#keyspace = new Keyspace(hashSeed);
    this.#types = types;
  }

  /** Number of keys in the snapshot; `null` before the first chunk. */
  get keysAnnounced(): number | null {
    return this.#announced?.keys ?? null;
  }

  /** Whether the last chunk has been taken. */
  get isComplete(): boolean {
    return this.#state === "complete";
  }

  /**
   * Loads the next chunk, whose bytes are copied.
   *
   * @throws {SnapshotFormatError} when it is not a valid next chunk, and from then on always
   */
  push(chunk: Uint8Array): void {
    if (this.#state !== "loading") {
      throw new SnapshotFormatError(`Cannot load a chunk: current state is ${this.#state}`);
    }
    // Until the whole chunk has proved valid.
    this.#state = "failed";
    const isEnd = chunk[0] === PIECE_MARK ? this.#takePiece(chunk) : this.#takeAll(chunk);
    this.#state = isEnd ? "complete" : "loading";
  }

  /**
   * Returns the state that was built, once.
   *
   * @throws {SnapshotFormatError} when the last chunk was not loaded
   */
  take(): LoadedState {
    if (this.#state !== "complete") {
      throw new SnapshotFormatError(`Cannot restore a snapshot: current state is ${this.#state}`);
    }
    this.#state = "taken";
    return {
      keyspace: this.#keyspace,
      sessions: this.#sessions,
      settings: this.#settings,
      files: this.#files.index,
      users: this.#users.users,
    };
  }

  #takePiece(chunk: Uint8Array): false {
    if (this.#announced === null) throw wrongItem(["piece"], "the first must be a state");
    this.#longs.add(chunk, 1);
    return false;
  }

  /** Returns whether the end was among the items. */
  #takeAll(chunk: Uint8Array): boolean {
    let isEnd = false;
    for (const item of parseChunk(chunk)) {
      if (isEnd) throw wrongItem(item, "it stands after the end");
      isEnd = this.#take(item);
    }
    return isEnd;
  }

  /** Returns whether the item was the end. */
  #take(item: SnapshotItem): boolean {
    const [kind] = item;
    if (this.#announced === null) {
      if (kind !== "state") throw wrongItem(item, "the first must be a state");
      this.#announced = this.#takeState(item);
      return false;
    }
    if (kind === "long") {
      this.#longs.finish(item);
      return false;
    }
    if (this.#value === null) this.#takeWhole(item, this.#announced);
    else this.#takeOfValue(item, this.#value);
    if (!this.#longs.isEmpty) throw wrongItem(item, "it does not use a long string before it");
    return kind === "end";
  }

  #takeWhole(item: SnapshotItem, announced: Announced): void {
    switch (item[0]) {
      case "key":
        return this.#takeKey(item, announced);
      case "open":
        return this.#openValue(item, announced);
      case "session":
        return this.#takeSession(item, announced);
      case "reply":
        return this.#takeReply(item);
      case "files":
        if (this.#users.hasBegun) throw wrongItem(item, "it stands after the users");
        this.#closeSessions(item, announced);
        return this.#files.begin(item);
      case "filenode":
      case "file":
      case "dead":
        return this.#files.take(item);
      case "users":
        this.#closeSessions(item, announced);
        this.#files.finish(item);
        return this.#users.begin(item);
      case "user":
        return this.#users.take(item);
      case "rules":
        return this.#users.addRules(item, this.#stringsOf(item));
      case "end":
        return this.#takeEnd(item, announced);
      default:
        throw wrongItem(item, "its kind is not due");
    }
  }

  #takeState(item: SnapshotItem): Announced {
    lengthOf(item, 7, 8);
    const format = integerField(item, 1, 1);
    if (format !== SNAPSHOT_FORMAT) throw wrongItem(item, "its format is not known");
    const announced = {
      timeMs: integerField(item, 2, 0),
      keys: integerField(item, 3, 0),
      sessions: integerField(item, 5, 0),
      openedSessions: integerField(item, 6, 0),
    };
    this.#keyspace.restore(announced.timeMs, integerField(item, 4, 0));
    this.#sessions.restore(announced.timeMs, announced.openedSessions);
    if (item.length === 8) this.#settings.memoryBytesMax = integerField(item, 7, 1);
    return announced;
  }

  #takeKey(item: SnapshotItem, announced: Announced): void {
    lengthOf(item, 3, 4);
    const key = this.#keyField(item, announced);
    const value = this.#longs.field(item, 2);
    const deadlineMs = item.length === 3 ? null : deadlineField(item, 3);
    const isNew = this.#keyspace.restoreString(key, value, deadlineMs);
    if (!isNew) throw keyIsThere(item);
  }

  #openValue(item: SnapshotItem, announced: Announced): void {
    lengthOf(item, 3, 4);
    const key = this.#keyField(item, announced);
    const name = textField(item, 2);
    if (!TYPE_NAME.test(name)) throw wrongItem(item, "field 2 is wrong");
    const type = this.#types.find((one) => one.name === name);
    if (type === undefined) {
      throw wrongItem(
        item,
        `this version of Regent does not know the type ${name}. Upgrade to one that does`,
      );
    }
    const deadlineMs = item.length === 3 ? null : deadlineField(item, 3);
    this.#value = new ValueLoader(key, type, deadlineMs);
  }

  /** Takes an item of an open value. */
  #takeOfValue(item: SnapshotItem, value: ValueLoader): void {
    switch (item[0]) {
      case "part":
        return value.add(item, this.#stringsOf(item));
      case "close": {
        const { key, type, deadlineMs } = value;
        const isNew = this.#keyspace.restoreValue(key, type, value.finish(item), deadlineMs);
        if (!isNew) throw keyIsThere(item);
        this.#value = null;
        return;
      }
      default:
        throw wrongItem(item, "the value before it is not closed");
    }
  }

  /** All fields but the kind. */
  #stringsOf(item: SnapshotItem): ByteString[] {
    const strings: ByteString[] = [];
    for (let at = 1; at < item.length; at++) strings.push(this.#longs.field(item, at));
    return strings;
  }

  #keyField(item: SnapshotItem, { keys }: Announced): string {
    if (this.#keyspace.storedSize >= keys) throw wrongItem(item, "there are too many");
    return textOf(this.#longs.field(item, 1));
  }

  #takeSession(item: SnapshotItem, { timeMs, keys, sessions, openedSessions }: Announced): void {
    lengthOf(item, 7, 9);
    if (item.length === 8) throw wrongItem(item, "half of its owner is missing");
    if (this.#keyspace.storedSize !== keys) throw wrongItem(item, "keys are missing");
    if (this.#sessions.storedSize >= sessions) throw wrongItem(item, "there are too many");
    if (this.#hasLaterParts) throw wrongItem(item, "it stands after the files or the users");
    this.#closeSession(item);
    const { key, number } = sessionNumber(item, 1);
    if (number <= this.#sessionNumber || number > openedSessions) {
      throw wrongItem(item, "its number is out of order");
    }
    const ttlMs = integerField(item, 2, 1, SESSION_TTL_MS_MAX);
    const deadlineMs = integerField(item, 3, 1, timeMs + ttlMs);
    const floor = integerField(item, 4, 0);
    const highest = integerField(item, 5, floor, floor + SERIAL_WINDOW + 1);
    const replies = integerField(item, 6, 0, highest - floor);
    const name = item.length === 9 ? textField(item, 7) : "";
    const isProxy = item.length === 9 && integerField(item, 8, 0, 1) === 1;
    const owner = { name, isProxy };
    const session = this.#sessions.restoreSession({
      key,
      ttlMs,
      deadlineMs,
      floor,
      highest,
      owner,
    });
    this.#session = { session, replies };
    this.#sessionNumber = number;
  }

  #takeReply(item: SnapshotItem): void {
    lengthOf(item, 3, 3);
    if (this.#hasLaterParts) throw wrongItem(item, "it stands after the files or the users");
    const open = this.#session;
    if (open === null || open.session.replies.size >= open.replies) {
      throw wrongItem(item, "there are too many");
    }
    const { session } = open;
    const serial = integerField(item, 1, session.floor + 1, session.highest);
    if (session.replies.has(serial)) throw wrongItem(item, "the serial is there already");
    const reply = replyOf(textOf(this.#longs.field(item, 2)), item);
    this.#sessions.restoreReply(session, serial, reply);
  }

  get #hasLaterParts(): boolean {
    return this.#files.hasBegun || this.#users.hasBegun;
  }

  #takeEnd(item: SnapshotItem, announced: Announced): void {
    lengthOf(item, 1, 1);
    this.#closeSessions(item, announced);
    this.#files.finish(item);
    this.#users.finish(item);
  }

  /** Everything before the files must be there. */
  #closeSessions(item: SnapshotItem, { keys, sessions }: Announced): void {
    this.#closeSession(item);
    if (this.#keyspace.storedSize !== keys) throw wrongItem(item, "keys are missing");
    if (this.#sessions.storedSize !== sessions) throw wrongItem(item, "sessions are missing");
  }

  #closeSession(item: SnapshotItem): void {
    const open = this.#session;
    if (open !== null && open.session.replies.size !== open.replies) {
      throw wrongItem(item, "replies are missing");
    }
  }
}

function keyIsThere(item: SnapshotItem): SnapshotFormatError {
  return wrongItem(item, "the key is there already");
}

function replyOf(text: string, item: SnapshotItem): Reply {
  try {
    return decodeReply(text);
  } catch (error) {
    assert(error instanceof ReplyFormatError, `Cannot decode a reply: ${error}`);
    throw wrongItem(item, error.message);
  }
}

/** Maximum number of long strings in one item: a key and its value. */
const WAITING_MAX = 2;

/** Assembles the strings that a snapshot holds in pieces, for the item that follows them. */
class LongStrings {
  readonly #open = new ByteTail();
  readonly #waiting: ByteString[] = [];

  /** Whether no piece and no string waits for its item. */
  get isEmpty(): boolean {
    return this.#open.length === 0 && this.#waiting.length === 0;
  }

  /** Adds the piece in `bytes[from …]`, which is copied. */
  add(bytes: Uint8Array, from: number): void {
    const length = bytes.length - from;
    if (length <= 0 || length > PIECE_LENGTH_MAX || this.#open.length % PIECE_LENGTH_MAX) {
      throw wrongItem(["piece"], "it has a wrong length");
    }
    if (
      this.#waiting.length >= WAITING_MAX || this.#open.length + length > STRING_LENGTH_MAX
    ) {
      throw wrongItem(["piece"], "there are too many");
    }
    this.#open.append(bytes, from, bytes.length);
  }

  /** Ends a string with its item `["long", length]`. */
  finish(item: SnapshotItem): void {
    lengthOf(item, 2, 2);
    const { length } = this.#open;
    if (length <= SHORT_LENGTH_MAX || integerField(item, 1, 0) !== length) {
      throw wrongItem(item, `its pieces have a length of ${length}`);
    }
    if (length >= LONG_BYTES_MIN) this.#waiting.push(this.#open.take(length));
    else {
      this.#waiting.push(latin1(this.#open.bytes, 0, length));
      this.#open.clear();
    }
  }

  /** A string field of an item: its own text, or the next long string in the place of a 0. */
  field(item: SnapshotItem, index: number): ByteString {
    if (item[index] !== 0) {
      const text = textField(item, index);
      if (text.length > SHORT_LENGTH_MAX) throw wrongItem(item, `field ${index} is too long`);
      return text;
    }
    const text = this.#waiting.shift();
    if (text === undefined) throw wrongItem(item, `field ${index} has no string before it`);
    return text;
  }
}

/** Builds one value that is not a string from the items of a snapshot. */
class ValueLoader {
  readonly key: string;
  readonly type: AnyValueType;
  readonly deadlineMs: DeadlineMs | null;
  readonly #decoder: ValueDecoder<TypedValue>;
  #entries = 0;

  constructor(key: string, type: AnyValueType, deadlineMs: DeadlineMs | null) {
    this.key = key;
    this.type = type;
    this.deadlineMs = deadlineMs;
    this.#decoder = type.decoder();
  }

  /**
   * Takes `["part", string, …]`.
   *
   * @param strings those of the item, long ones in their places
   * @throws {SnapshotFormatError} as does `finish`
   */
  add(item: SnapshotItem, strings: readonly ByteString[]): void {
    const { entryLength } = this.type;
    if (strings.length === 0 || strings.length % entryLength !== 0) {
      throw wrongItem(item, `it has ${item.length} fields`);
    }
    for (let from = 0; from < strings.length; from += entryLength) {
      if (!this.#decoder.add(strings.slice(from, from + entryLength))) {
        throw wrongItem(item, `a ${this.type.name} has no such entry there`);
      }
      this.#entries++;
    }
  }

  /** Takes `["close", entries]`. */
  finish(item: SnapshotItem): TypedValue {
    lengthOf(item, 2, 2);
    if (integerField(item, 1, 1) !== this.#entries) {
      throw wrongItem(item, `there are ${this.#entries} entries`);
    }
    const value = this.#decoder.finish();
    if (value === null) throw wrongItem(item, "entries are missing");
    if (this.type.isEmpty(value)) throw wrongItem(item, "the value is empty");
    return value;
  }
}
