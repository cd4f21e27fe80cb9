import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import type { Clock } from "../platform/clock.ts";
import type { Reply } from "../resp/reply.ts";
import type { ClientPause } from "./client_pause.ts";
import type { Connection } from "./connection.ts";
import type { Answer, PendingReply } from "./pending_reply.ts";

/** What node and proxy each answer in their own way. */
export interface ProcessCommands {
  /** `mode` and `role` as `HELLO` tells them. */
  hello(): { readonly mode: string; readonly role: string };
  info(sections: readonly string[]): string;
  role(): Reply;
  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Answer;
  /** What takes snapshots; `null` where there is nothing to take one of. */
  readonly snapshots: NodeSnapshots | null;
  /** What only nodes serve; `null` on a proxy. */
  readonly ofNode: NodeOnlyCommands | null;
  /** Has been given two whole numbers that are not negative; settles the reply itself. */
  wait(connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void;
  /** Takes back all that the client has set up here beyond its connection. */
  reset(connection: Connection): void;
  /** What `CONFIG GET` knows: Redis's names where the meaning is Redis's. */
  readonly config: ReadonlyMap<string, string>;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly clock: Clock;
  readonly pause: ClientPause;
}

/** What a node answers and a proxy does not: rows with `isForNodes`. */
export interface NodeOnlyCommands {
  /** The whole state, for a backup. */
  snapshot(connection: Connection, args: readonly string[], reply: PendingReply): Answer;
  /** Failures on purpose, where they are allowed. */
  fault(args: readonly string[]): Reply;
}

/** Executes one local command; its arity has been checked. */
export type LocalHandler = (
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
) => Answer;
