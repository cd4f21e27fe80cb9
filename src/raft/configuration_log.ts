import { assert } from "../base/errors.ts";
import type { Configuration, ConfigurationAt } from "./types.ts";

/**
 * The configurations in the log, and the one before them. The newest is in effect, committed or
 * not. Truncating its entry brings back the previous one (thesis §4.1).
 */
export class ConfigurationLog {
  #configurations: ConfigurationAt[];

  /** @param configurations ascending, at least one */
  constructor(configurations: readonly ConfigurationAt[]) {
    assert(configurations.length > 0, "there is always some configuration");
    this.#configurations = [...configurations];
  }

  get newest(): ConfigurationAt {
    return this.#checked(this.#configurations.at(-1));
  }

  /** Nothing is known of earlier ones. */
  get oldest(): ConfigurationAt {
    return this.#checked(this.#configurations[0]);
  }

  /** The configuration in effect at `index`, which is not before `oldest.index`. */
  at(index: number): ConfigurationAt {
    const found = this.#configurations.findLast((configuration) => configuration.index <= index);
    assert(found !== undefined, "nobody asks for a configuration before the oldest one");
    return found;
  }

  append(index: number, configuration: Configuration): void {
    assert(index > this.newest.index, "configurations come in the order of the log");
    this.#configurations.push({ index, configuration });
  }

  /** The log has been truncated from `index` on. */
  truncateFrom(index: number): void {
    while (this.newest.index >= index) {
      assert(this.#configurations.length > 1, "what is committed is never cut off");
      this.#configurations.pop();
    }
  }

  /** Forgets what was in effect before `index`: nobody will ask for it any more. */
  compactTo(index: number): void {
    while ((this.#configurations[1]?.index ?? Infinity) <= index) this.#configurations.shift();
  }

  /** A snapshot has replaced the log. */
  restore(index: number, configuration: Configuration): void {
    this.#configurations = [{ index, configuration }];
  }

  #checked(one: ConfigurationAt | undefined): ConfigurationAt {
    assert(one !== undefined, "there is always some configuration");
    return one;
  }
}

/** Whether there is at least one voter, and no id twice. */
export function isWellFormed({ voters, learners }: Configuration): boolean {
  const members = [...voters, ...learners];
  return voters.length > 0 && new Set(members).size === members.length;
}
