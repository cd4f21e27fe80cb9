import { textOf } from "../base/byte_string.ts";
import { assert } from "../base/errors.ts";
import { decodeReply, ReplyFormatError } from "../resp/reply_scanner.ts";
import type { Reply } from "../resp/reply.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "./key_table.ts";
import { Keyspace } from "./keyspace.ts";
import { LongStrings } from "./long_strings.ts";
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
  PIECE_MARK,
  sessionNumber,
  SNAPSHOT_FORMAT,
  SnapshotFormatError,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";

/** What a loader has built, for the state machine alone. */
export interface LoadedState {
  readonly keyspace: Keyspace;
  readonly sessions: OnceSessions;
  readonly settings: Settings;
}

/** Counts that the first item has announced. */
interface Announced {
  readonly timeMs: number;
  readonly keys: number;
  readonly sessions: number;
  readonly openedSessions: number;
}

/** A session whose replies are being told. */
interface OpenSession {
  readonly session: OnceSession;
  readonly replies: number;
}

/**
 * Builds a state from the chunks of a snapshot, in order, apart from any other state. The first
 * chunk that is wrong ends it: nothing can be had from it any more.
 */
export class StateLoader {
  readonly #keyspace: Keyspace;
  readonly #sessions = new OnceSessions();
  readonly #settings = new Settings();
  readonly #longs = new LongStrings();
  #announced: Announced | null = null;
  #session: OpenSession | null = null;
  #sessionNumber = 0;
  #state: "loading" | "complete" | "failed" | "taken" = "loading";

  /** @param hashSeed see `Keyspace` */
  constructor(hashSeed: HashSeed = DEFAULT_HASH_SEED) {
    this.#keyspace = new Keyspace(hashSeed);
  }

  /** Number of keys that the first chunk has announced; `null` before it. */
  get keysAnnounced(): number | null {
    return this.#announced?.keys ?? null;
  }

  /** Whether the last chunk has been taken. */
  get isComplete(): boolean {
    return this.#state === "complete";
  }

  /**
   * Takes the next chunk, whose bytes are copied.
   *
   * @throws {SnapshotFormatError} when it is not the chunk that is due, and from then on always
   */
  push(chunk: Uint8Array): void {
    if (this.#state !== "loading") {
      throw new SnapshotFormatError(`Cannot load a chunk: current state is ${this.#state}`);
    }
    // Until all of it turns out to be right.
    this.#state = "failed";
    const isEnd = chunk[0] === PIECE_MARK ? this.#takePiece(chunk) : this.#takeAll(chunk);
    this.#state = isEnd ? "complete" : "loading";
  }

  /**
   * Hands over what was built, once.
   *
   * @throws {SnapshotFormatError} when the last chunk has not been taken
   */
  take(): LoadedState {
    if (this.#state !== "complete") {
      throw new SnapshotFormatError(`Cannot restore a snapshot: current state is ${this.#state}`);
    }
    this.#state = "taken";
    return { keyspace: this.#keyspace, sessions: this.#sessions, settings: this.#settings };
  }

  #takePiece(chunk: Uint8Array): false {
    if (this.#announced === null) throw wrongItem(["piece"], "the first must be a state");
    this.#longs.add(chunk, 1);
    return false;
  }

  /** Tells whether the end was among them. */
  #takeAll(chunk: Uint8Array): boolean {
    let isEnd = false;
    for (const item of parseChunk(chunk)) {
      if (isEnd) throw wrongItem(item, "it stands after the end");
      isEnd = this.#take(item);
    }
    return isEnd;
  }

  /** Tells whether it was the end. */
  #take(item: SnapshotItem): boolean {
    const [kind] = item;
    if (this.#announced === null) {
      if (kind !== "state") throw wrongItem(item, "the first must be a state");
      this.#announced = this.#takeState(item);
      return false;
    }
    switch (kind) {
      case "long":
        this.#longs.finish(item);
        return false;
      case "key":
        this.#takeKey(item, this.#announced);
        break;
      case "session":
        this.#takeSession(item, this.#announced);
        break;
      case "reply":
        this.#takeReply(item);
        break;
      case "end":
        this.#takeEnd(item, this.#announced);
        break;
      default:
        throw wrongItem(item, "its kind is not due");
    }
    if (!this.#longs.isEmpty) throw wrongItem(item, "it leaves a long string behind");
    return kind === "end";
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

  #takeKey(item: SnapshotItem, { keys }: Announced): void {
    lengthOf(item, 3, 4);
    if (this.#keyspace.storedSize >= keys) throw wrongItem(item, "there are too many");
    const key = textOf(this.#longs.field(item, 1));
    const value = this.#longs.field(item, 2);
    const deadlineMs = item.length === 3 ? null : deadlineField(item, 3);
    if (!this.#keyspace.restoreKey({ key, value, deadlineMs })) {
      throw wrongItem(item, "the key is there already");
    }
  }

  #takeSession(item: SnapshotItem, { timeMs, keys, sessions, openedSessions }: Announced): void {
    lengthOf(item, 7, 9);
    if (item.length === 8) throw wrongItem(item, "its owner is told by half");
    if (this.#keyspace.storedSize !== keys) throw wrongItem(item, "keys are missing");
    if (this.#sessions.storedSize >= sessions) throw wrongItem(item, "there are too many");
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

  #takeEnd(item: SnapshotItem, { keys, sessions }: Announced): void {
    lengthOf(item, 1, 1);
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

function replyOf(text: string, item: SnapshotItem): Reply {
  try {
    return decodeReply(text);
  } catch (error) {
    assert(error instanceof ReplyFormatError, `Cannot decode a reply: ${error}`);
    throw wrongItem(item, error.message);
  }
}
