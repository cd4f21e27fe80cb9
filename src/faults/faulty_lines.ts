import type { Random } from "../base/random.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { NodeId } from "../raft/types.ts";
import type { Faults } from "./faults.ts";

interface Delayed {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Holds actions back for a while each, and never lets one overtake another. */
export class DelayLine {
  readonly #clock: Clock;
  #waiting: Delayed[] = [];
  #cancelTimer: Cancel | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many are held back. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Runs the action after so long, and after all that were added before. */
  add(delayMs: number, run: () => void): void {
    const last = this.#waiting.at(-1)?.dueMs ?? -Infinity;
    this.#waiting.push({ dueMs: Math.max(last, this.#clock.monotonicMs() + delayMs), run });
    if (this.#cancelTimer === null) this.#schedule();
  }

  /** Runs all now. */
  release(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const { run } of this.#waiting.splice(0)) run();
  }

  #schedule(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
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

/** Messages held back for one peer in one direction, above which more are lost. */
const HELD_MAX = 10_000;

/** Decides what becomes of the messages that go one way between a node and its peers. */
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
   * Delivers a message now or later, or never.
   *
   * @param deliver gets whether the message was held back
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

  /** What was held back arrives when its delay ends, before all that follows. */
  #checkDelays(): void {
    for (const [peer, line] of [...this.#lines]) {
      if (this.#faults.delayMs(peer) > 0) continue;
      this.#lines.delete(peer);
      line.release();
    }
  }
}
