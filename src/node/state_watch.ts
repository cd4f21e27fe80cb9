import type { RaftStatus } from "../raft/mod.ts";
import type { Cancel } from "./clock.ts";

/** What of the consensus others want to hear as soon as it changes. */
export type WatchedState = Pick<RaftStatus, "role" | "term" | "leaderId" | "servesReads">;

/** Those who are told when what a node says of itself has changed. */
export class StateWatch {
  readonly #watchers = new Set<() => void>();
  #told: WatchedState | null = null;
  #toldVersion = 0;

  add(changed: () => void): Cancel {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** @param placesVersion another one whenever the members or their addresses have changed */
  check(now: WatchedState, placesVersion: number): void {
    if (this.#watchers.size === 0) return;
    const told = this.#told;
    const isSame = told !== null && placesVersion === this.#toldVersion && isEqual(now, told);
    if (isSame) return;
    const { role, term, leaderId, servesReads } = now;
    this.#told = { role, term, leaderId, servesReads };
    this.#toldVersion = placesVersion;
    for (const changed of this.#watchers) changed();
  }
}

function isEqual(a: WatchedState, b: WatchedState): boolean {
  return a.role === b.role && a.term === b.term && a.leaderId === b.leaderId &&
    a.servesReads === b.servesReads;
}
