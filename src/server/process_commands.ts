import type { Clock } from "../node/clock.ts";
import type { NodeSnapshots } from "../node/snapshots/node_snapshots.ts";
import type { Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

/** What node and proxy each answer in their own way. */
export interface ProcessCommands {
  /** `mode` and `role` as `HELLO` tells them. */
  hello(): { readonly mode: string; readonly role: string };
  info(sections: readonly string[]): string;
  role(): Reply;
  /** `null`: the reply will be settled later. */
  cluster(connection: Connection, args: readonly string[], reply: PendingReply): Reply | null;
  /** What takes snapshots; `null` where there is nothing to take one of. */
  readonly snapshots: NodeSnapshots | null;
  /** The whole state, for a backup. `null`: the reply will be settled later. */
  snapshot(args: readonly string[], reply: PendingReply): Reply | null;
  /** Failures on purpose, where they are allowed. */
  fault(args: readonly string[]): Reply;
  /** Has been given two whole numbers that are not negative; settles the reply itself. */
  wait(connection: Connection, replicas: number, timeoutMs: number, reply: PendingReply): void;
  /** What `CONFIG GET` knows: Redis's names where the meaning is Redis's. */
  readonly config: ReadonlyMap<string, string>;
  readonly connections: ReadonlyMap<number, Connection>;
  readonly clock: Clock;
}
