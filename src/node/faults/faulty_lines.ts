import type { Random } from "../../base/random.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Clock } from "../clock.ts";
import { DelayLine } from "./delay_line.ts";
import type { Faults } from "./faults.ts";

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
