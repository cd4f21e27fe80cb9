import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { NodeId } from "../raft/types.ts";
import type { CutOff } from "./cut_off.ts";

/** The failures that can be injected. Each ends after its duration or by `heal`. */
export type FaultKind = Fault["kind"];

/** Direction as this node sees it: `in` loses what its peers send, `out` loses what it sends. */
export type Direction = "in" | "out" | "both";

/** The peers that a fault concerns, as sorted ids; `null` means all, including later ones. */
export type FaultPeers = readonly NodeId[] | null;

/** An injected failure. */
export type Fault =
  /** The node plays dead on the network, to peers and clients. */
  | { readonly kind: "pause" }
  /** Messages between this node and the peers are lost. */
  | { readonly kind: "isolate"; readonly peers: FaultPeers; readonly direction: Direction }
  /** Each message takes this much longer, each way. */
  | { readonly kind: "delay"; readonly peers: FaultPeers; readonly delayMs: number }
  /** This percentage of messages is lost at random, each way. */
  | { readonly kind: "drop"; readonly peers: FaultPeers; readonly percent: number }
  /** Each sync of the disk takes this much longer. */
  | { readonly kind: "slow-disk"; readonly delayMs: number };

export const FAULT_KINDS: readonly FaultKind[] = ["pause", "isolate", "delay", "drop", "slow-disk"];

/**
 * Describes a fault in the words of the command that injects it: `isolate in from n2,n3`.
 *
 * @param leftMs time until it ends; `null` when only `heal` ends it
 */
function faultText(fault: Fault, leftMs: number | null): string {
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

/** Maximum number of active faults. Each message is checked against all of them. */
export const FAULTS_MAX = 64;

interface ActiveFault {
  readonly fault: Fault;
  /** On the monotonic clock; `null` when only `heal` ends it. */
  readonly endsAtMs: number | null;
  readonly cancelEnd: Cancel;
}

/**
 * The faults that are active on one node. This class does nothing by itself: network, peers, disk
 * and client connections ask it what to do, and watch it for changes.
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
   * Starts a fault. It replaces one of the same kind, peers and direction.
   *
   * @param durationMs `null`: until it is healed
   * @returns false when too many faults are active already
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

  /**
   * Ends all faults of a kind, or all faults.
   *
   * @returns number of faults ended
   */
  heal(kind: FaultKind | null = null): number {
    const healed = this.#active.filter(({ fault }) => kind === null || fault.kind === kind);
    this.#end(healed, "is healed");
    return healed.length;
  }

  /** The active faults, oldest first, in the words of `faultText`. */
  texts(): string[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#active.map(({ fault, endsAtMs }) =>
      faultText(fault, endsAtMs === null ? null : Math.max(0, endsAtMs - nowMs))
    );
  }

  /** Calls `changed` after each change. `changed` may ask for the new state at once. */
  watch(changed: () => void): void {
    this.#watchers.add(changed);
  }

  get isPaused(): boolean {
    return this.#active.some(({ fault }) => fault.kind === "pause");
  }

  /** Whether the node is silent on all its connections. */
  isSilent(): boolean {
    return this.isPaused;
  }

  /**
   * With whom nothing can be exchanged over a connection, which needs both directions: it is cut off
   * if one of them is.
   */
  get cutOff(): CutOff {
    const isolated = this.#active.flatMap(({ fault }) => fault.kind === "isolate" ? [fault] : []);
    const isFromAll = isolated.some(({ peers }) => peers === null);
    const peers = isolated.flatMap(({ peers }) => peers ?? []);
    return { isPaused: this.isPaused, peers: isFromAll ? null : [...new Set(peers)] };
  }

  /** Whether messages in this direction between the node and the peer are lost. */
  isCut(peer: NodeId, direction: "in" | "out"): boolean {
    return this.#active.some(({ fault }) =>
      fault.kind === "isolate" && concerns(fault.peers, peer) &&
      (fault.direction === "both" || fault.direction === direction)
    );
  }

  /** Extra delay of messages from and to this peer. The longest of several delays counts. */
  delayMs(peer: NodeId): number {
    const delays = this.#active.map(({ fault }) =>
      fault.kind === "delay" && concerns(fault.peers, peer) ? fault.delayMs : 0
    );
    return Math.max(0, ...delays);
  }

  /** Percentage of messages from and to this peer that are lost. The highest of several counts. */
  dropPercent(peer: NodeId): number {
    const percents = this.#active.map(({ fault }) =>
      fault.kind === "drop" && concerns(fault.peers, peer) ? fault.percent : 0
    );
    return Math.max(0, ...percents);
  }

  /** Extra duration of each sync. */
  get syncDelayMs(): number {
    const slow = this.#active.map(({ fault }) => fault.kind === "slow-disk" ? fault.delayMs : 0);
    return Math.max(0, ...slow);
  }

  /** Whether no fault is active; a shortcut for callers on the hot path. */
  get isEmpty(): boolean {
    return this.#active.length === 0;
  }

  /** Stops the timers and drops the watchers when the node stops. */
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

/** Two faults with the same key differ only in strength. The later one replaces the earlier. */
function keyOf(fault: Fault): string {
  const peers = "peers" in fault ? fault.peers?.join() ?? "*" : "";
  const direction = fault.kind === "isolate" ? fault.direction : "";
  return `${fault.kind} ${direction} ${peers}`;
}
