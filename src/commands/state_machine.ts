import { assert, AssertionFailure } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { Keyspace } from "../store/keyspace.ts";
import type { Command, CommandContext } from "./command.ts";

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
   * With about so many bytes of keys and values stored, commands that may need memory are refused.
   *
   * @default {2147483648}
   */
  readonly memoryBytesMax?: number;
}

/** The longest string that V8 can make: 2^29 - 24 characters. */
const STRING_BYTES_MAX = 2 ** 29 - 24;
/** A `Map` holds 2^24 keys; this leaves room for what one request can bring. */
const KEYS_MAX = 2 ** 24 - 2 ** 20;
/**
 * V8's heap ends at 4 GiB by default. Above this come one more string of the longest, and the copies
 * that changing such strings leaves until they are collected.
 */
const MEMORY_BYTES_MAX = 2 * 2 ** 30;

/** The replicated state machine: executes what the log brings, and reads, on the keyspace. */
export class StateMachine {
  readonly keyspace: Keyspace = new Keyspace();
  readonly #context: Changeable<CommandContext>;
  readonly #keysMax: number;
  readonly #memoryBytesMax: number;

  constructor(options: StateMachineOptions = {}) {
    const {
      stringBytesMax = STRING_BYTES_MAX,
      keysMax = KEYS_MAX,
      memoryBytesMax = MEMORY_BYTES_MAX,
    } = options;
    this.#keysMax = keysMax;
    this.#memoryBytesMax = memoryBytesMax;
    this.#context = {
      keyspace: this.keyspace,
      nowMs: 0,
      random: noRandom,
      stringBytesMax: Math.min(stringBytesMax, STRING_BYTES_MAX),
    };
  }

  /** The log's time: milliseconds of the Unix epoch. */
  get timeMs(): number {
    return this.keyspace.timeMs;
  }

  /** Takes the time that a log entry carries; to be called once for each entry, before its commands. */
  advanceTime(timeMs: number): void {
    this.keyspace.advanceTime(timeMs);
  }

  /** When the log's time should move on even if nothing is written; `null`: no key has a deadline. */
  nextDeadlineMs(): number | null {
    return this.keyspace.nextDeadlineMs();
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
    if (command.kind === "write" && this.#isFull() && command.flags.includes("denyoom")) {
      return this.#outOfMemory();
    }
    const context = this.#context;
    context.nowMs = Math.max(nowMs, this.keyspace.timeMs);
    context.random = random;
    return command.run(context, args);
  }

  #isFull(): boolean {
    const { storedSize, usedBytes } = this.keyspace;
    return storedSize >= this.#keysMax || usedBytes >= this.#memoryBytesMax;
  }

  #outOfMemory(): ErrorReply {
    const { storedSize, usedBytes } = this.keyspace;
    return new ErrorReply(
      "OOM command not allowed: the keyspace is full, with " +
        `${storedSize} of ${this.#keysMax} keys and ${usedBytes} of ${this.#memoryBytesMax} bytes`,
    );
  }
}

type Changeable<T> = { -readonly [K in keyof T]: T[K] };

function noRandom(): number {
  throw new AssertionFailure("Cannot use chance in a write: the nodes would part");
}
