import type { Arguments } from "../base/byte_string.ts";
import type { Random } from "../base/random.ts";
import { type Reply, SimpleString } from "../resp/reply.ts";
import type { NameUse } from "../security/mod.ts";
import type { FileIndex } from "../store/file_index.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import type { OnceSessions } from "../store/once_sessions.ts";
import type { Settings } from "../store/settings.ts";
import type { Users } from "../store/users.ts";
import { errorReplyOf } from "./command_error.ts";
import type { LocalRun } from "./local.ts";

/**
 * Who executes a command:
 * - `write`: the replicated state machine, through the log
 * - `read`: the state machine of any node, once it is known to be up to date
 * - `local`: the process to which the client is connected, node or proxy
 */
export type CommandKind = "read" | "write" | "local";

/** The positions of the keys among the arguments. Argument 0 is the command's name, as in Redis. */
export interface KeyPositions {
  readonly first: number;
  /** Negative counts from the end: -1 is the last argument. */
  readonly last: number;
  readonly step: number;
}

/**
 * How a command uses its keys: Redis's key specification flags, separated by spaces, such as
 * `RW access update`. One text for all keys, or one for each position.
 */
export type KeyAccess = string | readonly string[];

/** The only input of a handler besides the arguments, so that all nodes compute the same. */
export interface CommandContext {
  readonly keyspace: Keyspace;
  readonly sessions: OnceSessions;
  readonly settings: Settings;
  readonly files: FileIndex;
  readonly users: Users;
  /**
   * The time, in milliseconds of the Unix epoch, from which relative deadlines and remaining times
   * are computed. In a write it is the log entry's time. In a read it is the answering node's clock
   * but never before the log's time. It does not decide whether a key exists.
   */
  readonly nowMs: number;
  /** Randomness for `RANDOMKEY`. A write must not use it. */
  readonly random: Random;
  /** Maximum length of a string that a command may create. */
  readonly stringBytesMax: number;
  /** The built-in memory limit of the state, which a setting can only lower. */
  readonly memoryBytesLimit: number;
  /** Maximum size of a read's reply. A write must not use it. */
  readonly replyBytesMax: number;
  /** Number of compared characters after which a read of many keys is refused. */
  readonly comparisonsMax: number;
  /**
   * Executes the requests inside another request, in order and in that request's log entry, so that
   * nothing comes between them. If `check` or a handler refuses a request its reply is the error,
   * and later requests are still executed.
   */
  readonly executeAll: (requests: readonly Arguments[], check: Inner["check"]) => Reply[];
  /** As `executeAll`, in steps if a request takes long. */
  readonly allInSteps: (
    requests: readonly Arguments[],
    check: Inner["check"],
  ) => Generator<void, Reply[]>;
}

/** A request inside another one. It extends to the end of the arguments. */
export interface Inner {
  /** Index of its first argument. */
  readonly from: number;
  /** @throws {CommandError} if this command may not be inside the other */
  readonly check: (command: Command) => void;
}

/** A row of the command table, the single source for routing, `COMMAND` and documentation. */
export interface Command {
  /** In lower case. A subcommand has its container's name before it, `client|kill`. */
  readonly name: string;
  /** Number of arguments including the name; negative: at least that many (Redis's convention). */
  readonly arity: number;
  readonly kind: CommandKind;
  /** Redis's command flags, such as `fast` or `denyoom`; `write` and `readonly` follow from kind. */
  readonly flags: readonly string[];
  readonly keys: KeyPositions | null;
  /** Present if there are `keys`. */
  readonly access?: KeyAccess;
  /** Redis's note on the access. */
  readonly accessNote?: string;
  /** The access of a given request, if it depends on the arguments (`variable_flags`). */
  readonly accessOf?: (args: Arguments) => string;
  /** The names of files among the arguments. @default none */
  readonly filesOf?: (args: Arguments) => readonly NameUse[];
  /** Set if the command contains a whole other request (`ONCE`). Its keys are that request's. */
  readonly inner?: Inner;
  /** Redis's command group, such as `string`; `session` and `file` are Regent's own. */
  readonly group: string;
  /**
   * Redis's access-control categories (`COMMAND`), without those that follow from `kind` and
   * `flags` (`categoriesOf`): `read`, `write`, `fast`, `slow`.
   */
  readonly categories: readonly string[];
  /** The version of Redis that introduced it, or of Regent in the groups `session` and `file`. */
  readonly since: string;
  /** For a write, the version of the state machine that introduced it. @default the first */
  readonly machineSince?: number;
  /** Whether its reply is text for people, which RESP2 cannot distinguish from a value. */
  readonly isText?: boolean;
  /** One sentence for help. */
  readonly summary: string;
  /** Redis's command tips, for clients that talk to several servers. @default none */
  readonly tips?: readonly string[];
  /** The rows of a container's second words, such as those of `CLIENT`. */
  readonly subcommands?: readonly Command[];
  /** A subcommand's lines in the container's `HELP`, the arguments first. */
  readonly help?: readonly string[];
  /** Whether only nodes serve it, since a proxy has nothing of the kind. @default both serve it */
  readonly isForNodes?: boolean;
  /** Whether only the leader serves this local command: a proxy asks the leader. */
  readonly isForLeader?: boolean;
  /**
   * Executes a read or a write. `args[0]` is the command's name as the client wrote it. The arity
   * has been checked. A refusal is thrown as `CommandError`, before anything is changed.
   */
  readonly run?: (context: CommandContext, args: Arguments) => Reply;
  /** Executes a local command, with the functions that the node or proxy provides. */
  readonly serve?: LocalRun;
  /**
   * Begins what `run` does at once, for requests that may take long: those with at least
   * `SLICED_ARGUMENTS_MIN` arguments, or all of them (`isLong`). The reply is the same. The time of
   * a command without it does not depend on the number of keys or arguments.
   */
  readonly begin?: (context: CommandContext, args: Arguments) => Slices;
  /** Whether it may take long even with few arguments. */
  readonly isLong?: boolean;
}

/** `GET key` */
export const FIRST_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
/** `RENAME key key` */
export const FIRST_TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
/** `DEL key key …` */
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
/** `MSET key value key value …` */
export const ALL_PAIRS: KeyPositions = { first: 1, last: -1, step: 2 };

/** A row without the fields that all rows of its group share. */
export type Row = Omit<Command, "group" | "categories"> & Partial<Pick<Command, "categories">>;

/** Number of keys read or changed in one step, which takes about a quarter of a millisecond. */
export const KEYS_PER_STEP = 256;

/** Requests with fewer arguments are executed at once. */
export const SLICED_ARGUMENTS_MIN = 512;

/** A request that is executed in steps, so that the event loop can serve others in between. */
export class Slices {
  /**
   * Whether other requests may be executed between its steps, since it answers from a view of the
   * state. Otherwise nothing else may use the state until it is finished.
   */
  readonly isConcurrent: boolean;
  readonly #steps: Generator<void, Reply>;

  constructor(steps: Generator<void, Reply>, isConcurrent = false) {
    this.#steps = steps;
    this.isConcurrent = isConcurrent;
  }

  /** Executes one step. Returns the reply or error after the last one, otherwise `undefined`. */
  next(): Reply | undefined {
    try {
      const { done, value } = this.#steps.next();
      return done === true ? value : undefined;
    } catch (error) {
      return errorReplyOf(error);
    }
  }

  /** Executes all remaining steps. */
  finish(): Reply {
    for (;;) {
      const reply = this.next();
      if (reply !== undefined) return reply;
    }
  }

  /** Abandons the remaining steps. Only for reads. */
  stop(): void {
    this.#steps.return(null);
  }

  /** The steps, for a request that contains this one. */
  steps(): Generator<void, Reply> {
    return this.#steps;
  }
}

/** The steps of a read from a view of the keys, which closes the view at their end. */
export function* endingView(
  steps: Generator<void, Reply>,
  keyspace: Keyspace,
  view: KeyspaceView<KeyName>,
): Generator<void, Reply> {
  try {
    return yield* steps;
  } finally {
    keyspace.endView(view);
  }
}

type Steps = (context: CommandContext, args: Arguments) => Generator<void, Reply>;

/** The handlers of a row that is written as steps. */
export function inSteps(steps: Steps): Required<Pick<Command, "run" | "begin">> {
  return {
    run: (context, args) => new Slices(steps(context, args)).finish(),
    begin: (context, args) => new Slices(steps(context, args)),
  };
}

/** Completes the rows of a group. A row's own categories replace the group's. */
export function rowsOf(
  group: string,
  categories: readonly string[],
  rows: readonly Row[],
): readonly Command[] {
  return rows.map((row) => ({ categories, ...row, group }));
}

/** Defaults of all subcommands of a container. */
export type SubcommandDefaults = Pick<Row, "flags" | "since"> & Pick<Command, "categories">;

/** A row of a container. Its arity includes the container's name. */
export type SubcommandRow =
  & Pick<Row, "name" | "arity" | "summary">
  & Partial<Omit<Row, "name" | "arity" | "summary">>;

const HELP_FLAGS = ["loading", "stale"];

/**
 * The rows of a container's subcommands, including `HELP`, which is derived from the others.
 *
 * @param container in lower case
 * @param bareHelp the container's own lines in `HELP`, if it can stand without a subcommand
 */
export function subcommandsOf(
  container: string,
  defaults: SubcommandDefaults & Pick<Command, "group">,
  rows: readonly SubcommandRow[],
  bareHelp: readonly string[] = [],
): readonly Command[] {
  const help: SubcommandRow = {
    name: "help",
    arity: 2,
    flags: HELP_FLAGS,
    categories: defaults.categories.filter((category) => !ADMIN.includes(category)),
    since: "5.0.0",
    summary: "Describes the subcommands",
    help: ["HELP", "    Prints this help."],
    serve: ({ ofNode }) => helpReply(container, bareHelp, all, ofNode !== null),
  };
  const all: readonly Command[] = [...rows, help].map((row) => ({
    kind: "local",
    keys: null,
    ...defaults,
    ...row,
    name: `${container}|${row.name}`,
  }));
  return all;
}

/** @param isNode whether subcommands that only nodes serve are shown */
function helpReply(
  container: string,
  bareHelp: readonly string[],
  rows: readonly Command[],
  isNode: boolean,
): Reply {
  const lines = rows
    .filter(({ isForNodes = false }) => isNode || !isForNodes)
    .flatMap(({ help = [] }) => help);
  const usage =
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  return [usage, ...bareHelp, ...lines].map((line) => new SimpleString(line));
}

const ADMIN = ["admin", "dangerous"];
