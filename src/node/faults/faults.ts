import type { Logger } from "../../base/logger.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Cancel, Clock } from "../clock.ts";
import { type Fault, type FaultKind, type FaultPeers, faultText } from "./fault.ts";

/** Faults at a time: nobody needs more, and each message looks at all of them. */
export const FAULTS_MAX = 64;

interface ActiveFault {
  readonly fault: Fault;
  /** By the monotonic clock; `null`: lasts until it is healed. */
  readonly endsAtMs: number | null;
  readonly cancelEnd: Cancel;
}

/**
 * The failures on purpose of one node: which are on now. It does nothing by itself: network, peers,
 * disk and sessions ask it what to do, and are told when it has changed.
 */
export class Faults {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #watchers = new Set<() => void>();
  #active: readonly ActiveFault[] = [];

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Begins a fault; one of the same kind, for the same peers and direction, is replaced.
   *
   * @param durationMs `null`: until it is healed
   * @returns false when there are too many already
   */
  begin(fault: Fault, durationMs: number | null): boolean {
    const others = this.#active.filter((one) => keyOf(one.fault) !== keyOf(fault));
    if (others.length >= FAULTS_MAX) return false;
    for (const one of this.#active) if (!others.includes(one)) one.cancelEnd();
    const active: ActiveFault = {
      fault,
      endsAtMs: durationMs === null ? null : this.#clock.monotonicMs() + durationMs,
      cancelEnd: durationMs === null
        ? () => {}
        : this.#clock.after(durationMs, () => this.#end([active], "is over")),
    };
    this.#active = [...others, active];
    const until = durationMs === null ? "" : ` for ${durationMs} ms`;
    this.#logger.warn(`fault: ${faultText(fault, null)}${until}`);
    this.#changed();
    return true;
  }

  /** Ends all faults of a kind, or all. @returns how many were on */
  heal(kind: FaultKind | null = null): number {
    const healed = this.#active.filter(({ fault }) => kind === null || fault.kind === kind);
    this.#end(healed, "is healed");
    return healed.length;
  }

  /** What is on, oldest first, in the words of `faultText`. */
  texts(): string[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#active.map(({ fault, endsAtMs }) =>
      faultText(fault, endsAtMs === null ? null : Math.max(0, endsAtMs - nowMs))
    );
  }

  /** Calls back after each change; may ask at once what is on now. */
  watch(changed: () => void): Cancel {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  get isPaused(): boolean {
    return this.#active.some(({ fault }) => fault.kind === "pause");
  }

  /** Whether what goes this way between the node and the peer is lost. */
  isCut(peer: NodeId, direction: "in" | "out"): boolean {
    return this.#active.some(({ fault }) =>
      fault.kind === "isolate" && concerns(fault.peers, peer) &&
      (fault.direction === "both" || fault.direction === direction)
    );
  }

  /** How much longer messages from and to this peer take; of several delays the longest. */
  delayMs(peer: NodeId): number {
    const delays = this.#active.map(({ fault }) =>
      fault.kind === "delay" && concerns(fault.peers, peer) ? fault.delayMs : 0
    );
    return Math.max(0, ...delays);
  }

  /** How many of a hundred messages from and to this peer are lost; of several the most. */
  dropPercent(peer: NodeId): number {
    const percents = this.#active.map(({ fault }) =>
      fault.kind === "drop" && concerns(fault.peers, peer) ? fault.percent : 0
    );
    return Math.max(0, ...percents);
  }

  /** How much longer each sync takes. */
  get syncDelayMs(): number {
    const slow = this.#active.map(({ fault }) => fault.kind === "slow-disk" ? fault.delayMs : 0);
    return Math.max(0, ...slow);
  }

  /** Whether nothing is on: the rest need not be asked. */
  get isEmpty(): boolean {
    return this.#active.length === 0;
  }

  /** The node stops: no fault ends by its time any more. */
  stop(): void {
    for (const { cancelEnd } of this.#active) cancelEnd();
    this.#watchers.clear();
  }

  #end(ended: readonly ActiveFault[], how: string): void {
    if (ended.length === 0) return;
    this.#active = this.#active.filter((one) => !ended.includes(one));
    for (const { fault, cancelEnd } of ended) {
      cancelEnd();
      this.#logger.warn(`fault: ${faultText(fault, null)} ${how}`);
    }
    this.#changed();
  }

  #changed(): void {
    for (const changed of [...this.#watchers]) changed();
  }
}

function concerns(peers: FaultPeers, peer: NodeId): boolean {
  return peers === null || peers.includes(peer);
}

/** What makes two faults the same one with another strength. */
function keyOf(fault: Fault): string {
  const peers = "peers" in fault ? fault.peers?.join() ?? "*" : "";
  const direction = fault.kind === "isolate" ? fault.direction : "";
  return `${fault.kind} ${direction} ${peers}`;
}
