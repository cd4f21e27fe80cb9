import type { Arguments } from "../base/byte_string.ts";
import type { Random } from "../base/random.ts";
import { type Reply, SimpleString } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { OnceSessions } from "../store/once_sessions.ts";
import type { Settings } from "../store/settings.ts";
import type { LocalRun } from "./local.ts";
import { Slices } from "./slices.ts";

/**
 * Who executes a command:
 * - `write`: the replicated state machine, by way of the log
 * - `read`: the state machine of any node, once it is known to be up to date
 * - `local`: the process that the client is connected to, node or proxy
 */
export type CommandKind = "read" | "write" | "local";

/** Where the keys stand among the arguments, the command's name being argument 0 (Redis's terms). */
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

/** What a handler may look at: nothing else, so that all nodes compute the same. */
export interface CommandContext {
  readonly keyspace: Keyspace;
  readonly sessions: OnceSessions;
  readonly settings: Settings;
  /**
   * The time, in milliseconds of the Unix epoch, from which relative deadlines and remaining times
   * are reckoned. In a write it is the log entry's time. In a read it is the answering node's clock
   * but never before the log's time; whether a key exists is never judged by it.
   */
  readonly nowMs: number;
  /** For `RANDOMKEY`. A write must not use it. */
  readonly random: Random;
  /** The longest string that a command may make. */
  readonly stringBytesMax: number;
  /** The built-in bound of what the state may take, which a setting can only lower. */
  readonly memoryBytesLimit: number;
  /** The longest reply of a read; of a write, it must not be looked at. */
  readonly replyBytesMax: number;
  /**
   * Executes the requests that another one brings, in order and in that one's log entry, so that
   * nothing comes between them. The reply to a request that `check` or its handler refuses is the
   * refusal; those after it are executed all the same.
   */
  readonly executeAll: (requests: readonly Arguments[], check: Inner["check"]) => Reply[];
  /** The same, step by step where a request takes long. */
  readonly allInSteps: (
    requests: readonly Arguments[],
    check: Inner["check"],
  ) => Generator<void, Reply[]>;
}

/** The request that another one brings, to its end. */
export interface Inner {
  /** The argument at which it begins. */
  readonly from: number;
  /** @throws {CommandError} when this command may not be brought */
  readonly check: (command: Command) => void;
}

/** A row of the command table: the one source for routing, `COMMAND` and documentation. */
export interface Command {
  /** Lower case; of a subcommand with its container's name before it, `client|kill`. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many (Redis's convention). */
  readonly arity: number;
  readonly kind: CommandKind;
  /** Redis's command flags, such as `fast` or `denyoom`; `write` and `readonly` follow from kind. */
  readonly flags: readonly string[];
  readonly keys: KeyPositions | null;
  /** Given where there are `keys`. */
  readonly access?: KeyAccess;
  /** Redis's remark on the access. */
  readonly accessNote?: string;
  /** The access of this request, where it depends on the arguments (`variable_flags`). */
  readonly accessOf?: (args: Arguments) => string;
  /** It brings a whole other request (`ONCE`): that one's keys count. */
  readonly inner?: Inner;
  /** Redis's command group, such as `string`; `session` is Regent's own. */
  readonly group: string;
  /**
   * Redis's access-control categories (`COMMAND`), without those that follow from `kind` and
   * `flags`: `read`, `write`, `fast`, `slow`.
   */
  readonly categories: readonly string[];
  /** The version of Redis that brought it; of Regent in the group `session`. */
  readonly since: string;
  /** Of a write: the version of the state machine that brought it. @default the first */
  readonly machineSince?: number;
  /** Its reply is text for people, which RESP2 cannot tell from a value. */
  readonly isText?: boolean;
  /** One sentence for help. */
  readonly summary: string;
  /** Redis's command tips, for clients that talk to several servers. @default none */
  readonly tips?: readonly string[];
  /** Of a container, such as `CLIENT`: the rows of its second words. */
  readonly subcommands?: readonly Command[];
  /** Of a subcommand: its lines in the container's `HELP`, the arguments first. */
  readonly help?: readonly string[];
  /** A node serves it, and a proxy has nothing of the kind. @default both serve it */
  readonly isForNodes?: boolean;
  /** Of a local command: the leader alone serves it, and a proxy asks the leader. */
  readonly isForLeader?: boolean;
  /**
   * Executes a read or a write. `args[0]` is the command's name as the client wrote it. Arity has
   * been checked. A refusal is thrown as `CommandError`, before anything is changed.
   */
  readonly run?: (context: CommandContext, args: Arguments) => Reply;
  /** Executes a local command; what node and proxy provide for it is passed in. */
  readonly serve?: LocalRun;
  /**
   * The same as `run` with the same reply, for requests that may take long: with
   * `SLICED_ARGUMENTS_MIN` arguments or more, or with any number (`isLong`). A command without it
   * takes a time that does not depend on the number of keys or arguments.
   */
  readonly begin?: (context: CommandContext, args: Arguments) => Slices;
  /** However few its arguments are, it may take long. */
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

/** A row without what all rows of its group have in common. */
export type Row = Omit<Command, "group" | "categories"> & Partial<Pick<Command, "categories">>;

type Steps = (context: CommandContext, args: Arguments) => Generator<void, Reply>;

/** How a row carries out its requests when they are written as steps. */
export function inSteps(steps: Steps): Required<Pick<Command, "run" | "begin">> {
  return {
    run: (context, args) => new Slices(steps(context, args)).finish(),
    begin: (context, args) => new Slices(steps(context, args)),
  };
}

/** Completes the rows of a group; a row's own categories count instead of the group's. */
export function rowsOf(
  group: string,
  categories: readonly string[],
  rows: readonly Row[],
): readonly Command[] {
  return rows.map((row) => ({ categories, ...row, group }));
}

/** What all subcommands of a container have in common, and may have otherwise. */
export type SubcommandDefaults = Pick<Row, "flags" | "since"> & Pick<Command, "categories">;

/** A row of a container; its arity counts the container's name. */
export type SubcommandRow =
  & Pick<Row, "name" | "arity" | "summary">
  & Partial<Omit<Row, "name" | "arity" | "summary">>;

const HELP_FLAGS = ["loading", "stale"];

/**
 * The rows of a container's subcommands, with `HELP` among them, which follows from the others.
 *
 * @param container in lower case
 */
export function subcommandsOf(
  container: string,
  defaults: SubcommandDefaults & Pick<Command, "group">,
  rows: readonly SubcommandRow[],
): readonly Command[] {
  const help: SubcommandRow = {
    name: "help",
    arity: 2,
    flags: HELP_FLAGS,
    categories: defaults.categories.filter((category) => !ADMIN.includes(category)),
    since: "5.0.0",
    summary: "Tells about the subcommands",
    help: ["HELP", "    Prints this help."],
    serve: ({ ofNode }) => helpReply(container, all, ofNode !== null),
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

/** @param isNode whether what only nodes serve is shown, too */
function helpReply(container: string, rows: readonly Command[], isNode: boolean): Reply {
  const lines = rows
    .filter(({ isForNodes = false }) => isNode || !isForNodes)
    .flatMap(({ help = [] }) => help);
  const usage =
    `${container.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const bare = container === "command"
    ? ["(no subcommand)", "    Return details about all commands."]
    : [];
  return [usage, ...bare, ...lines].map((line) => new SimpleString(line));
}

const ADMIN = ["admin", "dangerous"];
