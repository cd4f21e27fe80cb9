import { assert } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { NodeId } from "../raft/types.ts";
import type { Faults } from "./faults.ts";

interface Delayed {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Delays actions, and keeps them in order. */
export class DelayLine {
  readonly #clock: Clock;
  #waiting: Delayed[] = [];
  #cancelTimer: Cancel | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Number of actions waiting. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Runs the action after this delay, and after all actions added before it. */
  add(delayMs: number, run: () => void): void {
    const last = this.#waiting.at(-1)?.dueMs ?? -Infinity;
    this.#waiting.push({ dueMs: Math.max(last, this.#clock.monotonicMs() + delayMs), run });
    if (this.#cancelTimer === null) this.#schedule();
  }

  /** Runs all waiting actions now. */
  release(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const { run } of this.#waiting.splice(0)) run();
  }

  #schedule(): void {
    const [next] = this.#waiting;
    assert(next !== undefined, "Nothing waits for its time");
    const delayMs = Math.max(0, next.dueMs - this.#clock.monotonicMs());
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#runDue());
  }

  #runDue(): void {
    this.#cancelTimer = null;
    const nowMs = this.#clock.monotonicMs();
    const later = this.#waiting.findIndex(({ dueMs }) => dueMs > nowMs);
    const due = this.#waiting.splice(0, later < 0 ? this.#waiting.length : later);
    if (this.#waiting.length > 0) this.#schedule();
    for (const { run } of due) run();
  }
}

/** Maximum number of delayed messages per peer and direction. Further ones are lost. */
const HELD_MAX = 10_000;

/** Decides what happens to messages in one direction between a node and its peers. */
export class FaultyLines {
  readonly #faults: Faults;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #direction: "in" | "out";
  readonly #lines = new Map<NodeId, DelayLine>();

  constructor(faults: Faults, clock: Clock, random: Random, direction: "in" | "out") {
    this.#faults = faults;
    this.#clock = clock;
    this.#random = random;
    this.#direction = direction;
    faults.watch(() => this.#checkDelays());
  }

  /**
   * Delivers a message now, later, or never.
   *
   * @param deliver is told whether the message was delayed
   */
  carry(peer: NodeId, deliver: (isLate: boolean) => void): void {
    const line = this.#lines.get(peer);
    if (line === undefined && this.#faults.isEmpty) return deliver(false);
    if (this.#isLost(peer)) return;
    const delayMs = this.#faults.delayMs(peer);
    if (delayMs === 0) return deliver(false);
    const held = line ?? new DelayLine(this.#clock);
    if (held.length >= HELD_MAX) return;
    this.#lines.set(peer, held);
    held.add(delayMs, () => {
      if (!this.#faults.isCut(peer, this.#direction)) deliver(true);
    });
  }

  #isLost(peer: NodeId): boolean {
    if (this.#faults.isCut(peer, this.#direction)) return true;
    const percent = this.#faults.dropPercent(peer);
    return percent > 0 && this.#random() * 100 < percent;
  }

  /** When its delay ends, a delayed message arrives at once, before any later message. */
  #checkDelays(): void {
    for (const [peer, line] of [...this.#lines]) {
      if (this.#faults.delayMs(peer) > 0) continue;
      this.#lines.delete(peer);
      line.release();
    }
  }
}
