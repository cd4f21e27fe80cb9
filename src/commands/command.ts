import type { Random } from "../base/random.ts";
import type { Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { Sessions } from "../store/sessions.ts";

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

/** What a handler may look at: nothing else, so that all nodes compute the same. */
export interface CommandContext {
  readonly keyspace: Keyspace;
  readonly sessions: Sessions;
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
  /**
   * Executes the request that another one brings, from its argument `from` on; an error when it may
   * not be brought.
   */
  readonly executeInner: (args: readonly string[], from: number) => Reply;
}

/** A row of the command table: the one source for routing, `COMMAND` and documentation. */
export interface Command {
  /** Lower case. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many (Redis's convention). */
  readonly arity: number;
  readonly kind: CommandKind;
  /** Redis's command flags, such as `fast` or `denyoom`; `write` and `readonly` follow from kind. */
  readonly flags: readonly string[];
  readonly keys: KeyPositions | null;
  /** The argument at which a whole other request begins, to the end (`ONCE`): its keys count. */
  readonly inner?: number;
  /** Redis's command group, such as `string`; `session` is Regent's own. */
  readonly group: string;
  /**
   * Redis's access-control categories (`COMMAND`), without those that follow from `kind` and
   * `flags`: `read`, `write`, `fast`, `slow`.
   */
  readonly categories: readonly string[];
  /** The version of Redis that brought it; of Regent in the group `session`. */
  readonly since: string;
  /** One sentence for help. */
  readonly summary: string;
  /**
   * Executes a read or a write. `args[0]` is the command's name as the client wrote it. Arity has
   * been checked. Refusals are returned as `ErrorReply`, never thrown.
   */
  readonly run?: (context: CommandContext, args: readonly string[]) => Reply;
}
