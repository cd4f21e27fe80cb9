import type { Cancel } from "./clock.ts";

/** Those who are told when what a node says of itself has changed. */
export class StateWatch {
  readonly #watchers = new Set<() => void>();
  #told = "";

  add(changed: () => void): Cancel {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** @param describe what is watched, as a text that differs when it does */
  check(describe: () => string): void {
    if (this.#watchers.size === 0) return;
    const state = describe();
    if (state === this.#told) return;
    this.#told = state;
    for (const changed of this.#watchers) changed();
  }
}
