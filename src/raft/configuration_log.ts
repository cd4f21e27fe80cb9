import { assert } from "../base/assert.ts";
import type { Configuration, ConfigurationAt } from "./types.ts";

/**
 * The configurations in the log and the one that stood before it. The newest holds, committed or
 * not; cutting off its entry brings back the one before (thesis §4.1).
 */
export class ConfigurationLog {
  #configurations: ConfigurationAt[];

  /** @param configurations ascending, at least one */
  constructor(configurations: readonly ConfigurationAt[]) {
    assert(configurations.length > 0, "there is always some configuration");
    this.#configurations = [...configurations];
  }

  get newest(): ConfigurationAt {
    return this.#last();
  }

  /** Nothing is known of what held before it. */
  get oldest(): ConfigurationAt {
    return this.#configurations[0] ?? this.#last();
  }

  /** What held at `index`, which is not before `oldest.index`. */
  at(index: number): ConfigurationAt {
    const found = this.#configurations.findLast((configuration) => configuration.index <= index);
    return found ?? this.oldest;
  }

  appended(index: number, configuration: Configuration): void {
    assert(index > this.newest.index, "configurations come in the order of the log");
    this.#configurations.push({ index, configuration });
  }

  /** The log has been cut off from `index` on. */
  truncatedFrom(index: number): void {
    while (this.newest.index >= index) {
      assert(this.#configurations.length > 1, "what is committed is never cut off");
      this.#configurations.pop();
    }
  }

  /** Nobody will ask for what held before `index` any more. */
  compactedTo(index: number): void {
    while ((this.#configurations[1]?.index ?? Infinity) <= index) this.#configurations.shift();
  }

  /** A snapshot has taken the place of the log. */
  restored(index: number, configuration: Configuration): void {
    this.#configurations = [{ index, configuration }];
  }

  #last(): ConfigurationAt {
    const last = this.#configurations.at(-1);
    assert(last !== undefined, "there is always some configuration");
    return last;
  }
}

/** At least one voter, and nobody twice. */
export function isWellFormed({ voters, learners }: Configuration): boolean {
  const members = [...voters, ...learners];
  return voters.length > 0 && new Set(members).size === members.length;
}
