import { assert } from "../base/errors.ts";
import type { Protocol } from "../resp/encode.ts";
import type { Reply } from "../resp/reply.ts";
import type { ClusterView } from "./cluster_view.ts";

/** Returned by a handler that settles the reply itself, at once or later. */
export const SETTLED_BY_HANDLER: unique symbol = Symbol("settled by the handler");

/** What a local command answers: the reply (`null` is one), or that it settles it itself. */
export type Answer = Reply | typeof SETTLED_BY_HANDLER;

/**
 * Executes a command of kind `local`. Arity has been checked. The arguments are text, however long. A refusal is thrown as `CommandError`.
 */
export type LocalRun = (
  server: LocalServer,
  client: Client,
  args: readonly string[],
  reply: LocalReply,
) => Answer;

/** The client that asks, as far as commands know it. Times are those of the monotonic clock. */
export interface Client {
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` that the client connected to. */
  readonly local: string;
  readonly openedMs: number;
  readonly lastReadMs: number;
  readonly lastCommand: string;
  protocol: Protocol;
  name: string;
  libraryName: string;
  libraryVersion: string;
  /** By `CLIENT REPLY`; `skip`: the next reply is left out. */
  replyMode: "on" | "off" | "skip";
  /** Puts the connection into its first state. */
  reset(): void;
  /** Ends the connection when the client has got its replies. */
  closeAfterReplies(): void;
  /** Ends the connection at once. */
  destroy(): void;
}

/** The place of the answer among the client's replies. */
export interface LocalReply {
  protocol: Protocol;
  /** The client has said that it does not want it. */
  isMuted: boolean;
  settle(reply: Reply): void;
}

/** What local commands need of the process that serves the client, node or proxy. */
export interface LocalServer {
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly clients: ReadonlyMap<number, Client>;
  /** The settings that `CONFIG GET` shows, under Redis's names where the meaning is the same. */
  readonly config: ReadonlyMap<string, string>;
  readonly pause: { begin(mode: "all" | "write", durationMs: number): void; end(): void };
  /** Takes snapshots; `null` where there is no state to take one of. */
  readonly snapshots: SnapshotTaker | null;
  /** What only nodes serve (`isForNodes`); `null` on a proxy. */
  readonly ofNode: NodeServer | null;
  /** What only the leader does (`isForLeader`); `null` on a proxy, which asks the leader. */
  readonly ofLeader: LeaderServer | null;
  /** `version` (of Redis), `mode` and `role` as `HELLO` returns them. */
  hello(): { readonly version: string; readonly mode: string; readonly role: string };
  /** The text of these sections of `INFO`; of none: all. */
  info(sections: readonly string[]): string;
  /** @param client sees a proxy at the address that it connected to */
  clusterView(client: Client): ClusterView;
  /** `CLUSTER ROLE`: Regent's own details, which a node and a proxy have not in common. */
  clusterRole(): Reply;
  /** Ends all that the client has set up beyond its connection. */
  reset(client: Client): void;
}

/** Takes snapshots of the state. */
export interface SnapshotTaker {
  /** False when one is under way. */
  take(): boolean;
  /** `lastMs`: when the last one was taken, or `null`; `timeMs`: the log's time in the newest. */
  report(): { readonly lastMs: number | null; readonly timeMs: number };
}

/** What serves a row with `isForNodes`: the dispatcher lets it come to nodes alone. */
export function nodeOf(ofNode: NodeServer | null): NodeServer {
  assert(ofNode !== null, "the dispatcher lets a proxy serve nothing that is for nodes");
  return ofNode;
}

export interface NodeServer {
  /** `CLUSTER FENCE` */
  fence(client: Client, term: number): Reply;
  /** `CLUSTER WATCH` */
  watch(client: Client, intervalMs: number): Reply;
  /** `SNAPSHOT …`: the whole state, for a backup. */
  snapshot(client: Client, args: readonly string[], reply: LocalReply): Answer;
  /** `FAULT …`: failures on purpose, where they are allowed. */
  fault(args: readonly string[]): Reply;
}

export interface LeaderServer {
  /** `CLUSTER JOIN`, `FORGET` and `TRANSFER`: settled when the change is committed. */
  changeMembers(args: readonly string[], reply: LocalReply): void;
  /** `WAIT`, given two numbers that are not negative. */
  wait(replicas: number, timeoutMs: number, reply: LocalReply): void;
}
