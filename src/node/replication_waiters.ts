import type { NodeId } from "../raft/types.ts";

interface Waiter {
  /** `null` until everything taken before it is in the log. */
  index: number | null;
  readonly count: number;
  readonly deadlineMs: number;
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

  /** @param deadlineMs `Infinity`: without end */
  add(count: number, deadlineMs: number, done: (count: number) => void): void {
    this.#waiters.push({ index: null, count, deadlineMs, done });
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
