import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { NodeId } from "../raft/types.ts";
import type { Clock } from "./clock.ts";
import type { LogStore } from "./log_store.ts";
import type { Address } from "./network.ts";

/** What a node is made of. */
export interface NodeOptions {
  readonly id: NodeId;
  /** Which cluster it belongs to; proxies keep clusters apart by it. @default "", not told */
  readonly clusterId?: string;
  /** The Raft addresses of all voting members, this node's too. */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Where clients reach this node. */
  readonly clientAddress: Address;
  readonly log: LogStore;
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
  inFlightBytesMax: 256 * 1024 * 1024,
} as const satisfies Partial<NodeOptions>;
