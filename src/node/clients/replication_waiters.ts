import type { Cancel } from "../../platform/clock.ts";
import type { NodeId } from "../../raft/types.ts";

interface Waiter {
  /** Index to replicate; `null` until all writes taken before the wait are in the log. */
  index: number | null;
  readonly count: number;
  deadlineMs: number;
  readonly done: (count: number) => void;
}

/** How far a member's log is durable and matches the leader's. */
export interface PeerProgress {
  readonly id: NodeId;
  readonly match: number;
}

/** Callers waiting until N other members hold everything written so far (`WAIT`). */
export class ReplicationWaiters {
  #waiters: Waiter[] = [];

  get isEmpty(): boolean {
    return this.#waiters.length === 0;
  }

  get count(): number {
    return this.#waiters.length;
  }

  /** Whether a waiter depends on the passing of time. */
  get hasDeadline(): boolean {
    return this.#waiters.some(({ index, deadlineMs }) => index === null || deadlineMs < Infinity);
  }

  /**
   * @param deadlineMs `Infinity`: no deadline
   * @returns ends the wait at the next `check`
   */
  add(count: number, deadlineMs: number, done: (count: number) => void): Cancel {
    const waiter: Waiter = { index: null, count, deadlineMs, done };
    this.#waiters.push(waiter);
    return () => waiter.deadlineMs = -Infinity;
  }

  /** All writes taken from clients so far are in the log, up to this index. */
  noteLogged(lastIndex: number): void {
    for (const waiter of this.#waiters) waiter.index ??= lastIndex;
  }

  /** Answers waiters whose count or deadline is reached, and all of them when not leading. */
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
