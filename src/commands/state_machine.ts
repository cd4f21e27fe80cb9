import { assert, AssertionFailure } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "../store/key_hash.ts";
import { Keyspace } from "../store/keyspace.ts";
import { Sessions } from "../store/sessions.ts";
import { StateLoader } from "../store/state_loader.ts";
import { StateSnapshot } from "../store/state_snapshot.ts";
import { STRING_LENGTH_MAX } from "../store/value.ts";
import type { Command, CommandContext } from "./command.ts";
import { checkInner } from "./table.ts";

/**
 * Limits that decide what a write does: they must be the same on all members of a cluster, or their
 * states part.
 */
export interface StateMachineOptions {
  /**
   * The longest string that `APPEND` and `SETRANGE` may make, in bytes.
   *
   * @default {536870888}
   */
  readonly stringBytesMax?: number;
  /**
   * With so many keys stored, commands that may need memory are refused.
   *
   * @default {15728640}
   */
  readonly keysMax?: number;
  /**
   * With about so many bytes of keys, values and kept replies stored, commands that may need memory
   * are refused.
   *
   * @default {2147483648}
   */
  readonly memoryBytesMax?: number;
  /**
   * So many sessions can be open at once.
   *
   * @default {65536}
   */
  readonly sessionsMax?: number;
  /**
   * Of the replies that sessions keep, about so many bytes at most; beyond, a session forgets its
   * oldest before their time.
   *
   * @default {268435456}
   */
  readonly repliesBytesMax?: number;
  /**
   * Decides where keys are looked up, and nothing that can be seen: each node has its own, so that
   * nobody can choose keys that collide.
   *
   * @default one that everybody can know
   */
  readonly hashSeed?: HashSeed;
}

/** A `Map` holds 2^24 keys; this leaves room for what one request can bring. */
const KEYS_MAX = 2 ** 24 - 2 ** 20;
/**
 * V8's heap ends at 4 GiB by default. Above this come one more string of the longest, and the copies
 * that changing such strings leaves until they are collected.
 */
const MEMORY_BYTES_MAX = 2 * 2 ** 30;
const SESSIONS_MAX = 65_536;
const REPLIES_BYTES_MAX = 256 * 2 ** 20;

/** The replicated state machine: executes what the log brings, and reads, on the keyspace. */
export class StateMachine {
  readonly #context: Changeable<CommandContext>;
  readonly #keysMax: number;
  readonly #memoryBytesMax: number;
  readonly #hashSeed: HashSeed;

  constructor(options: StateMachineOptions = {}) {
    const {
      stringBytesMax = STRING_LENGTH_MAX,
      keysMax = KEYS_MAX,
      memoryBytesMax = MEMORY_BYTES_MAX,
      sessionsMax = SESSIONS_MAX,
      repliesBytesMax = REPLIES_BYTES_MAX,
      hashSeed = DEFAULT_HASH_SEED,
    } = options;
    this.#keysMax = keysMax;
    this.#memoryBytesMax = memoryBytesMax;
    this.#hashSeed = hashSeed;
    this.#context = {
      keyspace: new Keyspace(hashSeed),
      sessions: new Sessions({ sessionsMax, repliesBytesMax }),
      nowMs: 0,
      random: noRandom,
      stringBytesMax: Math.min(stringBytesMax, STRING_LENGTH_MAX),
      executeInner: (args, from) => this.#executeInner(args, from),
    };
  }

  get keyspace(): Keyspace {
    return this.#context.keyspace;
  }

  get sessions(): Sessions {
    return this.#context.sessions;
  }

  /** About how much memory the state takes: keys, values, sessions and the replies they keep. */
  get usedBytes(): number {
    return this.keyspace.usedBytes + this.sessions.usedBytes;
  }

  /** The log's time: milliseconds of the Unix epoch. */
  get timeMs(): number {
    return this.keyspace.timeMs;
  }

  /** Takes the time that a log entry carries; to be called once for each entry, before its commands. */
  advanceTime(timeMs: number): void {
    this.keyspace.advanceTime(timeMs);
    this.sessions.advanceTime(timeMs);
  }

  /** When the log's time should move on even if nothing is written; `null`: nothing has a deadline. */
  nextDeadlineMs(): number | null {
    const key = this.keyspace.nextDeadlineMs();
    const session = this.sessions.nextDeadlineMs();
    return key === null || session === null ? key ?? session : Math.min(key, session);
  }

  /**
   * A view of the whole state as it is now, to be told in chunks while commands go on. One at a time:
   * it must be read to its end or `end` be called before the next one. Takes about no time.
   */
  beginSnapshot(): StateSnapshot {
    return new StateSnapshot(this.keyspace, this.sessions);
  }

  /** An empty loader for the snapshot that is to be restored here. */
  newLoader(): StateLoader {
    return new StateLoader(this.#hashSeed);
  }

  /**
   * Puts the state of a snapshot in the place of everything. A snapshot that is being taken goes on
   * with the state of before.
   *
   * @throws {SnapshotFormatError} when the loader has not been given the whole of it; nothing changes
   */
  restore(loader: StateLoader): void {
    const { keyspace, sessions } = loader.take();
    sessions.limits = this.sessions.limits;
    this.#context.keyspace = keyspace;
    this.#context.sessions = sessions;
  }

  /**
   * Executes a command whose arity has been checked.
   *
   * @param nowMs for a write the log's time, for a read the clock of whoever answers; in whole
   * milliseconds, and never before the log's time
   * @param random for reads only
   */
  execute(
    command: Command,
    args: readonly string[],
    nowMs: number,
    random: Random = noRandom,
  ): Reply {
    assert(command.run !== undefined, `Cannot execute ${command.name}: current kind is local`);
    if (command.kind === "write" && this.#isRefused(command)) return this.#outOfMemory();
    const context = this.#context;
    context.nowMs = Math.max(nowMs, this.keyspace.timeMs);
    context.random = random;
    return command.run(context, args);
  }

  /** Executes the command that another one brings, in that one's context. */
  #executeInner(args: readonly string[], from: number): Reply {
    const command = checkInner(args, from);
    if (command instanceof ErrorReply) return command;
    assert(command.run !== undefined, `Cannot execute ${command.name}: current kind is local`);
    if (this.#isRefused(command)) return this.#outOfMemory();
    return command.run(this.#context, args.slice(from));
  }

  /** Whether there is no room for what a write may need. */
  #isRefused({ flags }: Command): boolean {
    const isFull = this.keyspace.storedSize >= this.#keysMax ||
      this.usedBytes >= this.#memoryBytesMax;
    return isFull && flags.includes("denyoom");
  }

  #outOfMemory(): ErrorReply {
    return new ErrorReply(
      "OOM command not allowed: the keyspace is full, with " +
        `${this.keyspace.storedSize} of ${this.#keysMax} keys and ${this.usedBytes} of ${this.#memoryBytesMax} bytes`,
    );
  }
}

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

function noRandom(): number {
  throw new AssertionFailure("Cannot use chance in a write: the nodes would part");
}
