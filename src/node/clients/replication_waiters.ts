import type { Cancel } from "../../platform/clock.ts";
import type { NodeId } from "../../raft/types.ts";

interface Waiter {
  /** `null` until everything taken before it is in the log. */
  index: number | null;
  readonly count: number;
  deadlineMs: number;
  readonly done: (count: number) => void;
}

/** How far a member's log is known to match the leader's, durably. */
export interface PeerProgress {
  readonly id: NodeId;
  readonly match: number;
}

/** Those who wait until so many other members hold all that was written so far (`WAIT`). */
export class ReplicationWaiters {
  #waiters: Waiter[] = [];

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  get count(): number {
    return this.#waiters.length;
  }

  /** One of them waits for something that time alone may bring. */
  get hasDeadline(): boolean {
    return this.#waiters.some(({ index, deadlineMs }) => index === null || deadlineMs < Infinity);
  }

  /**
   * @param deadlineMs `Infinity`: without end
   * @returns what ends the waiting at the next `check`
   */
  add(count: number, deadlineMs: number, done: (count: number) => void): Cancel {
    const waiter: Waiter = { index: null, count, deadlineMs, done };
    this.#waiters.push(waiter);
    return () => waiter.deadlineMs = -Infinity;
  }

  /** All that was taken from clients so far stands in the log up to this index. */
  logged(lastIndex: number): void {
    for (const waiter of this.#waiters) waiter.index ??= lastIndex;
  }

  /** Answers those whose count is reached or whose time is up; all of them when not leading. */
  check(peers: readonly PeerProgress[], isLeader: boolean, nowMs: number): void {
    this.#waiters = this.#waiters.filter((waiter) => {
      const { index, count, deadlineMs, done } = waiter;
      const held = index === null ? 0 : peers.filter(({ match }) => match >= index).length;
      const isWaiting = isLeader && nowMs < deadlineMs && (index === null || held < count);
      if (!isWaiting) done(held);
      return isWaiting;
    });
  }
}
