import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { NodeId } from "../raft/types.ts";

/** What may be made to fail on purpose, and ends by itself or by `heal`. */
export type FaultKind = Fault["kind"];

/** As the node sees it: `in` loses what its peers send, `out` what it sends. */
export type Direction = "in" | "out" | "both";

/** Which peers a fault concerns, by id, sorted; `null`: all, those of later too. */
export type FaultPeers = readonly NodeId[] | null;

/** A failure on purpose. */
export type Fault =
  /** The node plays dead on the network, to peers and clients. */
  | { readonly kind: "pause" }
  /** Messages between this node and the peers are lost. */
  | { readonly kind: "isolate"; readonly peers: FaultPeers; readonly direction: Direction }
  /** Messages take so much longer, each way. */
  | { readonly kind: "delay"; readonly peers: FaultPeers; readonly delayMs: number }
  /** So many of a hundred messages are lost at random, each way. */
  | { readonly kind: "drop"; readonly peers: FaultPeers; readonly percent: number }
  /** Each sync of the disk takes so much longer. */
  | { readonly kind: "slow-disk"; readonly delayMs: number };

export const FAULT_KINDS: readonly FaultKind[] = ["pause", "isolate", "delay", "drop", "slow-disk"];

/**
 * A fault in the words of the command that asks for it: `isolate in from n2,n3`.
 *
 * @param leftMs how long it still lasts; `null`: until it is healed
 */
export function faultText(fault: Fault, leftMs: number | null): string {
  return leftMs === null ? whatText(fault) : `${whatText(fault)}, ${Math.ceil(leftMs)} ms left`;
}

function whatText(fault: Fault): string {
  switch (fault.kind) {
    case "pause":
      return "pause";
    case "isolate":
      return `isolate ${fault.direction}${peersText(fault.peers)}`;
    case "delay":
      return `delay ${fault.delayMs} ms${peersText(fault.peers)}`;
    case "drop":
      return `drop ${fault.percent} %${peersText(fault.peers)}`;
    case "slow-disk":
      return `slow-disk ${fault.delayMs} ms`;
  }
}

function peersText(peers: FaultPeers): string {
  return peers === null ? "" : ` from ${peers.join(",")}`;
}

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
