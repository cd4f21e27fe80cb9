import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import type { Clock } from "../platform/clock.ts";
import type { Reply } from "../resp/reply.ts";
import type { ClientPause } from "./client_pause.ts";
import type { Connection } from "./connection.ts";
import type { Answer, PendingReply } from "./pending_reply.ts";

/** What a node and a proxy answer each in its own way. */
export interface ProcessCommands {
  /** `mode` and `role` of the reply to `HELLO`. */
  hello(): { readonly mode: string; readonly role: string };
  info(sections: readonly string[]): string;
  role(): Reply;
  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Answer;
  /** Takes snapshots; `null` where there is no state to take one of. */
  readonly snapshots: NodeSnapshots | null;
  /** Commands that only nodes serve; `null` on a proxy. */
  readonly ofNode: NodeOnlyCommands | null;
  /** Settles the reply itself. Both numbers are whole and not negative. */
  wait(connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void;
  /** Ends all that the client has set up beyond its connection. */
  reset(connection: Connection): void;
  /** The settings that `CONFIG GET` shows, under Redis's names where the meaning is the same. */
  readonly config: ReadonlyMap<string, string>;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly clock: Clock;
  readonly pause: ClientPause;
}

/** Commands that a node serves and a proxy does not: rows with `isForNodes`. */
export interface NodeOnlyCommands {
  /** Serves a snapshot of the whole state, for a backup. */
  snapshot(connection: Connection, args: readonly string[], reply: PendingReply): Answer;
  /** Injects faults, where they are allowed. */
  fault(args: readonly string[]): Reply;
}

/** Executes one local command, whose arity has been checked. */
export type LocalHandler = (
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
) => Answer;
