import { assert } from "../base/errors.ts";
import type { Protocol } from "../resp/encode.ts";
import type { ErrorReply, Reply } from "../resp/reply.ts";
import type { ClusterView } from "./cluster_view.ts";

/** Returned by a handler that settles the reply itself, at once or later. */
export const SETTLED_BY_HANDLER: unique symbol = Symbol("settled by the handler");

/** The result of a local command: the reply (`null` is one), or that the handler settles it. */
export type Answer = Reply | typeof SETTLED_BY_HANDLER;

/**
 * Executes a command of kind `local`. The arity has been checked. The arguments are text, however
 * long. A refusal is thrown as `CommandError`.
 */
export type LocalRun = (
  server: LocalServer,
  client: Client,
  args: readonly string[],
  reply: LocalReply,
) => Answer;

/** The client that sent the request, as commands see it. Times are those of the monotonic clock. */
export interface Client {
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` to which the client connected. */
  readonly local: string;
  readonly openedMs: number;
  readonly lastReadMs: number;
  readonly lastCommand: string;
  /** "" while nobody has logged in. */
  readonly userName: string;
  protocol: Protocol;
  name: string;
  libraryName: string;
  libraryVersion: string;
  /** Set by `CLIENT REPLY`. With `skip` the next reply is suppressed. */
  replyMode: "on" | "off" | "skip";
  /** Resets the connection to its initial state. */
  reset(): void;
  /** Closes the connection when the client has received its replies. */
  closeAfterReplies(): void;
  /** Closes the connection at once. */
  destroy(): void;
}

/** The place of the answer among the client's replies. */
export interface LocalReply {
  protocol: Protocol;
  /** Whether the client has suppressed it. */
  isMuted: boolean;
  settle(reply: Reply): void;
}

/** The process that serves the client, node or proxy, as local commands see it. */
export interface LocalServer {
  readonly clock: { nowMs(): number; monotonicMs(): number };
  readonly clients: ReadonlyMap<number, Client>;
  /** The settings that `CONFIG GET` shows, under Redis's names if the meaning is the same. */
  readonly config: ReadonlyMap<string, string>;
  /** Users and log-ins. */
  readonly access: AccessServer;
  readonly pause: { begin(mode: "all" | "write", durationMs: number): void; end(): void };
  /** Takes snapshots; `null` if there is no state. */
  readonly snapshots: SnapshotTaker | null;
  /** Serves rows with `isForNodes`; `null` on a proxy. */
  readonly ofNode: NodeServer | null;
  /** Serves rows with `isForLeader`; `null` on a proxy, which asks the leader. */
  readonly ofLeader: LeaderServer | null;
  /** `version` (of Redis), `mode` and `role` as `HELLO` returns them. */
  hello(): { readonly version: string; readonly mode: string; readonly role: string };
  /** The text of these sections of `INFO`, or of all if there are none. */
  info(sections: readonly string[]): string;
  /** Sets the counters of `INFO` to zero. The state, and what controls the process, stay. */
  resetStatistics(): void;
  /** @param client a proxy's own address in the view is the one to which this client connected */
  clusterView(client: Client): ClusterView;
  /** `CLUSTER ROLE`: details of Regent that differ between nodes and proxies. */
  clusterRole(): Reply;
  /** Ends everything that the client has set up beyond its connection. */
  reset(client: Client): void;
}

/** Users and log-ins, as local commands use them. */
export interface AccessServer {
  /** Whether the default user has no password. */
  readonly isDefaultOpen: boolean;
  /** What was refused last. */
  readonly log: { reply(count: number): Reply; clear(): void };
  /** Whether the client has logged in, or does not need to. */
  isLoggedIn(client: Client): boolean;
  /**
   * Logs a client in. Its later requests wait meanwhile.
   *
   * @param via the command
   * @param done gets `null`, or the refusal, unless the client has gone
   */
  logIn(
    client: Client,
    user: { readonly name: string; readonly password: string },
    via: string,
    done: (refusal: ErrorReply | null) => void,
  ): void;
  /** Makes the client a new one. */
  logOut(client: Client): void;
  hasUser(name: string): boolean;
  randomHex(digits: number): string;
  /** `CLUSTER CHALLENGE` */
  challenge(client: Client): Reply;
  /** `CLUSTER PROVE` */
  prove(client: Client, nonce: string, proof: string): Reply;
}

/** Takes snapshots of the state. */
export interface SnapshotTaker {
  /** Starts a snapshot. Returns false if one is in progress. */
  take(): boolean;
  /** `lastMs`: when the last one was taken, or `null`. `timeMs`: the log time of the newest one. */
  report(): { readonly lastMs: number | null; readonly timeMs: number };
}

/** The node that serves a row with `isForNodes`. The dispatcher refuses such rows on a proxy. */
export function nodeOf(ofNode: NodeServer | null): NodeServer {
  assert(ofNode !== null, "the dispatcher calls rows for nodes only on nodes");
  return ofNode;
}

/** The node that serves a row with `isForLeader`. On a proxy, the dispatcher routes such rows. */
export function leaderOf(ofLeader: LeaderServer | null): LeaderServer {
  assert(ofLeader !== null, "the dispatcher calls rows for the leader only on nodes");
  return ofLeader;
}

export interface NodeServer {
  /** `CLUSTER FENCE` */
  fence(client: Client, term: number): Reply;
  /** `CLUSTER WATCH` */
  watch(client: Client, intervalMs: number): Reply;
  /** `SNAPSHOT BEGIN`: holds the whole state for a backup, and settles the reply. */
  beginSnapshot(client: Client, reply: LocalReply): void;
  /** `SNAPSHOT READ`: settles the reply. */
  readSnapshot(client: Client, piece: SnapshotPiece, reply: LocalReply): void;
  /** `SNAPSHOT END` */
  endSnapshot(client: Client, id: string): Reply;
  /** `FAULT …`. Its methods throw a `CommandError` if faults are not allowed. */
  readonly faults: FaultServer;
}

/** A piece of a snapshot's file, as a client asks for it. */
export interface SnapshotPiece {
  readonly id: string;
  readonly offset: string;
  readonly bytes: string;
}

/** Injected faults. */
export interface FaultServer {
  list(): Reply;
  /** Ends the process. */
  crash(): Reply;
  /** @param kind as the client wrote it; `undefined`: all of them */
  heal(kind: string | undefined): Reply;
  /** @param words what follows the kind in the request */
  begin(kind: FaultName, words: readonly string[]): Reply;
}

/** The second word of a `FAULT` that begins one, in lower case. */
export type FaultName = "delay" | "drop" | "isolate" | "pause" | "slow-disk";

export interface LeaderServer {
  /** `ACL SETUSER`. The reply is settled when the change is committed. */
  setUser(client: Client, name: string, rules: readonly string[], reply: LocalReply): void;
  /** `CLUSTER JOIN`. The reply is settled when the change is committed. */
  join(id: string, raftAddress: string, incarnation: string, reply: LocalReply): void;
  /** `CLUSTER FORGET`, settled as `join`. @param option as the client wrote it */
  forgetMember(id: string, option: string | undefined, reply: LocalReply): void;
  /** `CLUSTER TRANSFER`, settled when the successor leads. */
  transfer(id: string, reply: LocalReply): void;
  /** `WAIT`, with two non-negative numbers. */
  wait(replicas: number, timeoutMs: number, reply: LocalReply): void;
}
