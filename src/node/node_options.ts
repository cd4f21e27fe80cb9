import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { NodeId } from "../raft/types.ts";
import type { Clock } from "./clock.ts";
import type { LogStore, StoredConfiguration } from "./log_store.ts";
import type { Address } from "./network.ts";
import type { SnapshotStore } from "./snapshots/snapshot.ts";

/** What a node is made of. */
export interface NodeOptions {
  readonly id: NodeId;
  /** Which cluster it belongs to; proxies keep clusters apart by it. @default "", not told */
  readonly clusterId?: string;
  /**
   * The Raft addresses of the founders. For a node that joins, without itself: those it can ask who
   * the members are. What the log says later counts more.
   */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Where members are by the operator's word, whatever the log says. @default nowhere else */
  readonly moved?: ReadonlyMap<NodeId, Address>;
  /** Where its peers reach this node. @default what `members` says */
  readonly raftAddress?: Address;
  /** What held before the log's first entry. @default the founders, at index 0 */
  readonly base?: StoredConfiguration;
  /** The node has been removed from the cluster for good, and should end. @default nothing happens */
  readonly onRemoved?: () => void;
  /** Where clients reach this node. */
  readonly clientAddress: Address;
  readonly log: LogStore;
  /**
   * Beside the log; the state machine holds the newest one already.
   *
   * @default {null} the log stays whole
   */
  readonly snapshots?: SnapshotStore | null;
  /**
   * A snapshot is taken when the log behind the last one has more bytes than this and than that one.
   *
   * @default {64 MiB}
   */
  readonly snapshotLogBytes?: number;
  readonly machine: StateMachine;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** @default "normal" */
  readonly standing?: "eager" | "normal" | "reluctant";
  /** @default 10 */
  readonly tickMs?: number;
  /** The shortest election timeout; the longest is twice that. @default 150 */
  readonly electionMs?: number;
  /** @default 50 */
  readonly heartbeatMs?: number;
  /** How long a read waits for a leader, and a write for its outcome after a change of leader. @default 5000 */
  readonly waitMs?: number;
  /** Bytes of writes taken and not decided, above which more are refused. @default 256 MiB */
  readonly inFlightBytesMax?: number;
}

/** What holds where an option is not given. */
export const NODE_DEFAULTS = {
  clusterId: "",
  standing: "normal",
  tickMs: 10,
  electionMs: 150,
  heartbeatMs: 50,
  waitMs: 5_000,
  snapshots: null,
  snapshotLogBytes: 64 * 1024 * 1024,
  inFlightBytesMax: 256 * 1024 * 1024,
} as const satisfies Partial<NodeOptions>;

/** The options with the defaults of those that were not given. */
export type CompleteNodeOptions =
  & NodeOptions
  & Required<Pick<NodeOptions, keyof typeof NODE_DEFAULTS>>;
