import type { Arguments } from "../base/byte_string.ts";
import { assert, AssertionFailure } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { includesVersion, type VersionRange } from "../base/version_range.ts";
import { isString } from "../resp/encode.ts";
import type { Reply } from "../resp/reply.ts";
import { DEFAULT_HASH_SEED, type HashSeed } from "../store/key_table.ts";
import { Keyspace } from "../store/keyspace.ts";
import { OnceSessions, type SessionLimits } from "../store/once_sessions.ts";
import { Settings } from "../store/settings.ts";
import { StateLoader } from "../store/state_loader.ts";
import { StateSnapshot } from "../store/state_snapshot.ts";
import { STRING_LENGTH_MAX } from "../store/value.ts";
import type { Command, CommandContext, Inner } from "./command.ts";
import { CommandError, errorReplyOf, replyTooLarge } from "./command_error.ts";
import { SLICED_ARGUMENTS_MIN, type Slices } from "./slices.ts";
import { checkInner } from "./table.ts";

/**
 * What decides the result of a write beside the state and the request. All members of a cluster must
 * go by the same rules at the same entry, or their states part; so the log says by which: it carries
 * the state machine's version, and a version has these rules for ever.
 *
 * Whoever changes a rule, how memory is counted (`usedBytes`), what a command does, or brings a new
 * write, adds a version with its row to `MACHINE_RULES`.
 */
export interface MachineRules {
  /** The longest string that a command may make, in bytes. */
  readonly stringBytesMax: number;
  /** With so many keys stored, commands that may need memory are refused. */
  readonly keysMax: number;
  /**
   * With about so many bytes of keys, values and kept replies stored, commands that may need memory
   * are refused. `CONFIG SET maxmemory` can lower it.
   */
  readonly memoryBytesMax: number;
  /** How many sessions there can be, and what the replies that they keep may take. */
  readonly sessionLimits: SessionLimits;
}

/** The rules of each version, the first being 1. */
export const MACHINE_RULES: readonly MachineRules[] = [
  {
    stringBytesMax: 64 * 2 ** 20,
    /** 2^24 less what one request can bring. */
    keysMax: 2 ** 24 - 2 ** 20,
    /**
     * V8's heap ends at 4 GiB by default. Above this come one more string of the longest, and the
     * copies that changing such strings leaves until they are collected.
     */
    memoryBytesMax: 2 * 2 ** 30,
    /**
     * A client's session may always keep some 160 small replies, a proxy's all that can be open
     * (`SERIAL_WINDOW`): 256 MiB and 512 MiB if all of them do. A connection has no use for many
     * sessions, and a proxy opens a few.
     */
    sessionLimits: {
      clients: { sessionsMax: 16_384, repliesBytesMin: 16 * 1024 },
      proxies: { sessionsMax: 1_024, repliesBytesMin: 512 * 1024 },
      sessionsPerOwnerMax: 64,
    },
  },
];

/** What this build understands. */
export const MACHINE_VERSIONS: VersionRange = { oldest: 1, newest: MACHINE_RULES.length };

export interface StateMachineOptions extends Partial<MachineRules> {
  /**
   * The version that it begins with. A node's begins at 0, and the log says the rest.
   *
   * @default the newest
   */
  readonly version?: number;
  /** The versions it understands, the last being that of the last rules. @default this build's */
  readonly versions?: VersionRange;
  /** The rules of each version, the first being 1. @default this build's */
  readonly rules?: readonly MachineRules[];
  /**
   * The longest reply of a read, in bytes. It may differ from member to member.
   *
   * @default {268435456}
   */
  readonly replyBytesMax?: number;
  /**
   * Decides where keys are looked up, and nothing that can be seen: each node has its own, so that
   * nobody can choose keys that collide.
   *
   * @default one that everybody can know
   */
  readonly hashSeed?: HashSeed;
}

const REPLY_BYTES_MAX = 256 * 2 ** 20;

/** The replicated state machine: executes what the log brings, and reads, on the keyspace. */
export class StateMachine {
  /** What it understands. */
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
      nowMs: 0,
      random: noRandom,
      stringBytesMax: Math.min(this.#rules.stringBytesMax, STRING_LENGTH_MAX),
      memoryBytesLimit: this.#rules.memoryBytesMax,
      replyBytesMax,
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

  /** About how much memory the state takes: keys, values, sessions and the replies they keep. */
  get usedBytes(): number {
    return this.keyspace.usedBytes + this.sessions.usedBytes;
  }

  /** About how many bytes the state may take before commands that need memory are refused. */
  get memoryBytesMax(): number {
    const { memoryBytesMax } = this.#context.settings;
    const limit = this.#rules.memoryBytesMax;
    return memoryBytesMax === 0 ? limit : Math.min(memoryBytesMax, limit);
  }

  /** The bound that is built in, whatever the user has set. */
  get memoryBytesLimit(): number {
    return this.#rules.memoryBytesMax;
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

  /** By whose rules it decides; 0 before the log's first entry that says so. */
  get version(): number {
    return this.#version;
  }

  /** Takes the version that a log entry or a snapshot carries; an older one than it has is no news. */
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

  /** Nothing that the first version's rules decide comes before them. */
  #rulesOf(version: number): MachineRules {
    const { rules = MACHINE_RULES } = this.#options;
    const row = rules[Math.max(1, version) - 1];
    assert(row !== undefined, `Cannot find the rules of version ${version}`);
    return { ...row, ...this.#options };
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
    return new StateSnapshot(this.keyspace, this.sessions, this.#context.settings);
  }

  /** An empty loader for the snapshot that is to be restored here. */
  newLoader(): StateLoader {
    return new StateLoader(this.#hashSeed);
  }

  /**
   * Puts the state of a snapshot in the place of everything. A snapshot that is being taken goes on
   * with the state of before.
   *
   * @param version the machine's when the snapshot was taken
   * @throws {SnapshotFormatError} when the loader has not been given the whole of it; nothing changes
   */
  restore(loader: StateLoader, version: number): void {
    assert(version === 0 || includesVersion(this.versions, version), `Unknown version ${version}`);
    const { keyspace, sessions, settings } = loader.take();
    this.#context.keyspace = keyspace;
    this.#context.sessions = sessions;
    this.#context.settings = settings;
    this.#setVersion(version);
  }

  /**
   * Executes a command whose arity has been checked. What it throws as a refusal is the reply.
   *
   * @param nowMs for a write the log's time, for a read the clock of whoever answers; in whole
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
   * As `execute`, but a request that may take long is only begun. Unless it `isBeside`, nothing else
   * may be executed, and no time or snapshot be taken, until its last step.
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
      // A view of the state begins with the first step. Mostly it is the only one.
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

  /** Executes a request. @throws {CommandError} when it is refused */
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

  /** The same as `#run`, step by step where the command can be. */
  *#steps(command: Command, args: Arguments): Generator<void, Reply> {
    if (command.begin === undefined) return this.#run(command, args);
    if (command.kind === "write" && this.#isFull(command)) throw this.#outOfMemory();
    return yield* command.begin(this.#context, args).steps();
  }

  /** Whether there is no room for what a write may need. */
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
  throw new AssertionFailure("Cannot use chance in a write: the nodes would part");
}
