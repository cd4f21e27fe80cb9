import type { Arguments } from "../base/byte_string.ts";
import { assert, AssertionFailure } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { includesVersion, type VersionRange } from "../base/version_range.ts";
import { isString } from "../resp/encode.ts";
import type { Reply } from "../resp/reply.ts";
import { FileIndex } from "../store/file_index.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "../store/key_table.ts";
import { Keyspace } from "../store/keyspace.ts";
import { OnceSessions, type SessionLimits } from "../store/once_sessions.ts";
import { Settings } from "../store/settings.ts";
import { StateLoader } from "../store/state_loader.ts";
import { StateSnapshot } from "../store/state_snapshot.ts";
import { Users } from "../store/users.ts";
import { STRING_LENGTH_MAX } from "../store/values/string_type.ts";
import { VALUE_TYPES } from "../store/values/value.ts";
import type { AnyValueType } from "../store/values/value_type.ts";
import {
  type Command,
  type CommandContext,
  type Inner,
  SLICED_ARGUMENTS_MIN,
  type Slices,
} from "./command.ts";
import { CommandError, errorReplyOf, replyTooLarge } from "./command_error.ts";
import { COMPARISONS_MAX } from "./keyspace_rows.ts";
import { checkInner } from "./table.ts";

/**
 * What decides the result of a write besides the state and the request. All members of a cluster
 * must use the same rules for the same entry, otherwise their states diverge. So the log records
 * the state machine's version, and the rules of a version never change.
 *
 * A change of a rule, of how memory is counted (`usedBytes`), of what a command does, or a new
 * write requires a new version with its row in `MACHINE_RULES`.
 */
export interface MachineRules {
  /** Maximum length in bytes of a string that a command may create. */
  readonly stringBytesMax: number;
  /** Number of keys at which commands that may need memory are refused. */
  readonly keysMax: number;
  /**
   * Approximate number of bytes of keys, values, kept replies, files and users at which commands that may need
   * memory are refused. `CONFIG SET maxmemory` can lower it.
   */
  readonly memoryBytesMax: number;
  /** Maximum number of sessions, and of bytes for the replies that they keep. */
  readonly sessionLimits: SessionLimits;
}

const RULES: MachineRules = {
  stringBytesMax: 64 * 2 ** 20,
  /** 2^24 minus the keys that one request can add. */
  keysMax: 2 ** 24 - 2 ** 20,
  /**
   * V8's heap is limited to 4 GiB by default. One more string of maximum length, and the garbage
   * from changing such strings, come on top.
   */
  memoryBytesMax: 2 * 2 ** 30,
  /**
   * A client's session may always keep some 160 small replies, and a proxy's as many as can be
   * open (`SERIAL_WINDOW`): 256 MiB and 512 MiB if all of them do. A connection has no use for
   * many sessions, and a proxy opens a few.
   */
  sessionLimits: {
    clients: { sessionsMax: 16_384, repliesBytesMin: 16 * 1024 },
    proxies: { sessionsMax: 1_024, repliesBytesMin: 512 * 1024 },
    sessionsPerOwnerMax: 64,
  },
};

/**
 * The rules of each version, starting with version 1. Version 2 has the same, and files; version 3
 * has users as well.
 */
export const MACHINE_RULES: readonly MachineRules[] = [RULES, RULES, RULES];

/** The versions that this build supports. */
export const MACHINE_VERSIONS: VersionRange = { oldest: 1, newest: MACHINE_RULES.length };

export interface StateMachineOptions extends Partial<MachineRules> {
  /**
   * The version at the start. A node starts with 0, and its log raises it.
   *
   * @default the newest
   */
  readonly version?: number;
  /** The supported versions. The newest one has the last of the rules. @default this build's */
  readonly versions?: VersionRange;
  /** The rules of each version, starting with version 1. @default this build's */
  readonly rules?: readonly MachineRules[];
  /**
   * Maximum size of a read's reply in bytes. It may differ from member to member.
   *
   * @default {268435456}
   */
  readonly replyBytesMax?: number;
  /**
   * Number of characters that `KEYS` or `SCAN` may compare with a pattern. It may differ from
   * member to member.
   *
   * @default COMPARISONS_MAX
   */
  readonly comparisonsMax?: number;
  /**
   * Decides where keys are stored in the table, and has no visible effect. Each node has its own,
   * so that nobody can choose keys that collide.
   *
   * @default a fixed seed that anybody can know
   */
  readonly hashSeed?: HashSeed;
  /** The types of values besides strings. @default this build's */
  readonly types?: readonly AnyValueType[];
}

const REPLY_BYTES_MAX = 256 * 2 ** 20;

/** The replicated state machine: executes log entries and reads on the keyspace. */
export class StateMachine {
  /** The versions that it supports. */
  readonly versions: VersionRange;
  readonly #context: Changeable<CommandContext>;
  readonly #options: StateMachineOptions;
  readonly #hashSeed: HashSeed;
  #version: number;
  #rules: MachineRules;

  constructor(options: StateMachineOptions = {}) {
    const {
      versions = MACHINE_VERSIONS,
      hashSeed = DEFAULT_HASH_SEED,
      replyBytesMax = REPLY_BYTES_MAX,
      comparisonsMax = COMPARISONS_MAX,
    } = options;
    this.versions = versions;
    this.#options = options;
    this.#hashSeed = hashSeed;
    this.#version = options.version ?? versions.newest;
    this.#rules = this.#rulesOf(this.#version);
    this.#context = {
      keyspace: new Keyspace(hashSeed),
      sessions: new OnceSessions(this.#rules.sessionLimits),
      settings: new Settings(),
      files: new FileIndex(),
      users: new Users(),
      nowMs: 0,
      random: noRandom,
      stringBytesMax: Math.min(this.#rules.stringBytesMax, STRING_LENGTH_MAX),
      memoryBytesLimit: this.#rules.memoryBytesMax,
      replyBytesMax,
      comparisonsMax,
      executeAll: (requests, check) => this.#executeAll(requests, check),
      allInSteps: (requests, check) => this.#allInSteps(requests, check),
    };
  }

  get keyspace(): Keyspace {
    return this.#context.keyspace;
  }

  get sessions(): OnceSessions {
    return this.#context.sessions;
  }

  get files(): FileIndex {
    return this.#context.files;
  }

  get users(): Users {
    return this.#context.users;
  }

  /**
   * Approximate memory of the state: keys, values, sessions, the replies they keep, files and users.
   */
  get usedBytes(): number {
    const { keyspace, sessions, files, users } = this.#context;
    return keyspace.usedBytes + sessions.usedBytes + files.usedBytes + users.usedBytes;
  }

  /** Approximate number of bytes of the state at which commands that need memory are refused. */
  get memoryBytesMax(): number {
    const { memoryBytesMax } = this.#context.settings;
    const limit = this.#rules.memoryBytesMax;
    return memoryBytesMax === 0 ? limit : Math.min(memoryBytesMax, limit);
  }

  /** The built-in limit, whatever the user has set. */
  get memoryBytesLimit(): number {
    return this.#rules.memoryBytesMax;
  }

  /** The log's time: milliseconds of the Unix epoch. */
  get timeMs(): number {
    return this.keyspace.timeMs;
  }

  /** Adopts the time of a log entry. Called once for each entry, before its commands. */
  advanceTime(timeMs: number): void {
    this.keyspace.advanceTime(timeMs);
    this.sessions.advanceTime(timeMs);
  }

  /** The version whose rules it uses; 0 before the first entry that sets one. */
  get version(): number {
    return this.#version;
  }

  /** Adopts the version of a log entry or a snapshot. An older one has no effect. */
  advanceVersion(version: number): void {
    assert(includesVersion(this.versions, version), `Cannot be at version ${version}`);
    if (version > this.#version) this.#setVersion(version);
  }

  #setVersion(version: number): void {
    this.#version = version;
    this.#rules = this.#rulesOf(version);
    this.#context.stringBytesMax = Math.min(this.#rules.stringBytesMax, STRING_LENGTH_MAX);
    this.#context.memoryBytesLimit = this.#rules.memoryBytesMax;
    this.sessions.limits = this.#rules.sessionLimits;
  }

  /** Version 0 gets the rules of version 1: no entry that needs rules precedes a version. */
  #rulesOf(version: number): MachineRules {
    const { rules = MACHINE_RULES } = this.#options;
    const row = rules[Math.max(1, version) - 1];
    assert(row !== undefined, `Cannot find the rules of version ${version}`);
    return { ...row, ...this.#options };
  }

  /**
   * The log time of the next deadline, by which time must advance without writes; `null` if there
   * is none.
   */
  nextDeadlineMs(): number | null {
    const key = this.keyspace.nextDeadlineMs();
    const session = this.sessions.nextDeadlineMs();
    return key === null || session === null ? key ?? session : Math.min(key, session);
  }

  /**
   * A view of the whole current state, which can be read in chunks while commands are executed.
   * Only one at a time: read it to its end or call `end` before the next one. Takes hardly any
   * time.
   */
  beginSnapshot(): StateSnapshot {
    const { keyspace, sessions, settings, files, users } = this.#context;
    return new StateSnapshot(keyspace, sessions, settings, files, users);
  }

  /** An empty loader for a snapshot to restore here. */
  newLoader(): StateLoader {
    return new StateLoader(this.#hashSeed, this.#options.types ?? VALUE_TYPES);
  }

  /**
   * Replaces the state by that of a snapshot. A snapshot in progress goes on with the old state.
   *
   * @param version the machine's when the snapshot was taken
   * @throws {SnapshotFormatError} if the loader lacks a part of it; then nothing changes
   */
  restore(loader: StateLoader, version: number): void {
    assert(version === 0 || includesVersion(this.versions, version), `Unknown version ${version}`);
    const { keyspace, sessions, settings, files, users } = loader.take();
    Object.assign(keyspace.lookUps, this.keyspace.lookUps);
    this.#context.keyspace = keyspace;
    this.#context.sessions = sessions;
    this.#context.settings = settings;
    this.#context.files = files;
    this.#context.users = users;
    this.#setVersion(version);
  }

  /**
   * Executes a command whose arity has been checked. The reply to a refusal is its error.
   *
   * @param nowMs for a write the log's time, for a read the clock of the answering node; in whole
   * milliseconds, and never before the log's time
   * @param random for reads only
   */
  execute(
    command: Command,
    args: Arguments,
    nowMs: number,
    random: Random = noRandom,
  ): Reply {
    this.#setContext(nowMs, random);
    try {
      return this.#run(command, args);
    } catch (error) {
      return errorReplyOf(error);
    }
  }

  /**
   * As `execute`, but only begins a request that may take long. Unless it `isConcurrent`, nothing
   * else may be executed until its last step, time must not advance, and no snapshot may begin.
   */
  begin(
    command: Command,
    args: Arguments,
    nowMs: number,
    random: Random = noRandom,
  ): Reply | Slices {
    const isLong = command.isLong === true || args.length >= SLICED_ARGUMENTS_MIN;
    if (!isLong || command.begin === undefined) return this.execute(command, args, nowMs, random);
    this.#setContext(nowMs, random);
    try {
      if (command.kind === "write" && this.#isFull(command)) throw this.#outOfMemory();
      const slices = command.begin(this.#context, args);
      // The request's view of the state is made in the first step, usually the only one.
      const reply = slices.next();
      return reply === undefined ? slices : reply;
    } catch (error) {
      return errorReplyOf(error);
    }
  }

  #setContext(nowMs: number, random: Random): void {
    this.#context.nowMs = Math.max(nowMs, this.keyspace.timeMs);
    this.keyspace.noteTime(this.#context.nowMs);
    this.#context.random = random;
  }

  /** Executes a request. @throws {CommandError} if it is refused */
  #run(command: Command, args: Arguments): Reply {
    const { run, kind, name } = command;
    if (run === undefined) throw new AssertionFailure(`Cannot execute ${name}: it is local`);
    if (kind === "write" && this.#isFull(command)) throw this.#outOfMemory();
    const reply = run(this.#context, args);
    const { replyBytesMax } = this.#context;
    const isTooLarge = isString(reply) && reply.length > replyBytesMax;
    if (isTooLarge && kind === "read") throw replyTooLarge(replyBytesMax);
    return reply;
  }

  #executeAll(requests: readonly Arguments[], check: Inner["check"]): Reply[] {
    const replies: Reply[] = [];
    for (const request of requests) {
      try {
        replies.push(this.#run(checkInner(request, 0, check), request));
      } catch (error) {
        replies.push(errorReplyOf(error));
      }
    }
    return replies;
  }

  *#allInSteps(requests: readonly Arguments[], check: Inner["check"]): Generator<void, Reply[]> {
    const replies: Reply[] = [];
    for (const request of requests) {
      try {
        replies.push(yield* this.#steps(checkInner(request, 0, check), request));
      } catch (error) {
        replies.push(errorReplyOf(error));
      }
    }
    return replies;
  }

  /** As `#run`, in steps if the command supports it. */
  *#steps(command: Command, args: Arguments): Generator<void, Reply> {
    if (command.begin === undefined) return this.#run(command, args);
    if (command.kind === "write" && this.#isFull(command)) throw this.#outOfMemory();
    return yield* command.begin(this.#context, args).steps();
  }

  /** Whether there is no memory for a write that may need some. */
  #isFull({ flags }: Command): boolean {
    const isFull = this.keyspace.storedSize >= this.#rules.keysMax ||
      this.usedBytes >= this.memoryBytesMax;
    return isFull && flags.includes("denyoom");
  }

  #outOfMemory(): CommandError {
    return new CommandError(
      "OOM command not allowed: the keyspace is full, with " +
        `${this.keyspace.storedSize} of ${this.#rules.keysMax} keys and ${this.usedBytes} of ${this.memoryBytesMax} bytes (maxmemory)`,
    );
  }
}

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

function noRandom(): number {
  throw new AssertionFailure("Cannot use randomness in a write: the nodes would diverge");
}
