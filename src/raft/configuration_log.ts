import { assert } from "../base/errors.ts";
import type { Configuration, ConfigurationAt } from "./types.ts";

/**
 * The configurations in the log, and the one before its first entry. The newest is in effect,
 * committed or not. Truncating its entry restores the previous one (thesis §4.1).
 */
export class ConfigurationLog {
  #configurations: ConfigurationAt[];

  /** @param configurations ascending, at least one */
  constructor(configurations: readonly ConfigurationAt[]) {
    assert(configurations.length > 0, "there is always some configuration");
    this.#configurations = [...configurations];
  }

  get newest(): ConfigurationAt {
    const newest = this.#configurations.at(-1);
    assert(newest !== undefined, "there is always some configuration");
    return newest;
  }

  /** The configuration in effect at `index`, which is not before the oldest one. */
  at(index: number): ConfigurationAt {
    const found = this.#configurations.findLast((configuration) => configuration.index <= index);
    assert(found !== undefined, "no configuration is asked for before the oldest one");
    return found;
  }

  append(index: number, configuration: Configuration): void {
    assert(index > this.newest.index, "configurations come in the order of the log");
    this.#configurations.push({ index, configuration });
  }

  /** The log has been truncated from `index` on. */
  truncateFrom(index: number): void {
    while (this.newest.index >= index) {
      assert(this.#configurations.length > 1, "a committed configuration is never truncated");
      this.#configurations.pop();
    }
  }

  /** A snapshot has replaced the log. */
  restore(index: number, configuration: Configuration): void {
    this.#configurations = [{ index, configuration }];
  }
}

/** Whether there is at least one voter, and no id twice. */
export function isWellFormed({ voters, learners }: Configuration): boolean {
  const members = [...voters, ...learners];
  return voters.length > 0 && new Set(members).size === members.length;
}
