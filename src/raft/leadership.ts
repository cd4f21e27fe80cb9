import type { Progress } from "./progress.ts";
import type { ReadRounds } from "./read_rounds.ts";
import type { NodeId } from "./types.ts";

/** What only a leader has; a new one for each time that a node leads. */
export interface Leadership {
  /** Of all other members, and of those in `leaving`. */
  readonly progress: Map<NodeId, Progress>;
  /** Who is no member any more and shall still hear of it. */
  readonly leaving: Map<NodeId, Leaving>;
  readonly reads: ReadRounds;
  transfer: Transfer | null;
  heartbeatElapsed: number;
}

/** A peer that the newest configuration no longer has. */
export interface Leaving {
  /** Of the configuration without it. */
  readonly index: number;
  readonly sinceTick: number;
  /** The first tick after a message told it that this is committed. */
  toldTick: number | null;
}

/** A leader on its way to make another one lead (thesis §3.10). No proposals are taken meanwhile. */
export interface Transfer {
  readonly to: NodeId;
  /** When the attempt ends. */
  readonly endTick: number;
  /** The leader is no member any more: it steps down however this ends (thesis §4.2.2). */
  readonly isRetiring: boolean;
  isAsked: boolean;
}
