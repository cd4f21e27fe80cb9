import { assert } from "../../base/errors.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import type { LogEntry } from "../log/entry.ts";
import type { StoredConfiguration } from "../log/log_store.ts";
import { type ClusterConfiguration, withIncarnations } from "./configuration.ts";

/**
 * The configuration that a new node begins with: the founding one for a founder, who is among
 * `members`; for others one without members, since those that they know need not be members any more.
 *
 * @param incarnations of the founders
 */
export function firstConfiguration(
  id: NodeId,
  members: ReadonlyMap<NodeId, Address>,
  incarnations: ReadonlyMap<NodeId, string> = new Map(),
): ClusterConfiguration {
  if (!members.has(id)) return { members: [], removed: [] };
  const founding = {
    members: [...members].map(([id, raftAddress]) => ({ id, raftAddress, isLearner: false })),
    removed: [],
  };
  return withIncarnations(founding, (one) => incarnations.get(one) ?? null);
}

/** Who belongs to the cluster, from the log's oldest place on; the newest holds, committed or not. */
export class Members {
  #known: StoredConfiguration[];

  /**
   * @param base what held before the log's first entry
   * @param later those of entries in the log, ascending
   */
  constructor(base: StoredConfiguration, later: readonly StoredConfiguration[]) {
    this.#known = [base, ...later.filter(({ index }) => index > base.index)];
  }

  get newest(): StoredConfiguration {
    const newest = this.#known.at(-1);
    assert(newest !== undefined, "there is always some configuration");
    return newest;
  }

  /** Those who vote, by the newest configuration. */
  get voters(): readonly NodeId[] {
    const { configuration } = this.newest;
    return configuration.members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
  }

  /** All that are known, ascending: the consensus core begins with them. */
  get known(): readonly StoredConfiguration[] {
    return this.#known;
  }

  /** What held when the entry at `index` had been applied. */
  at(index: number): StoredConfiguration {
    return this.#known.findLast((one) => one.index <= index) ?? this.#known[0] ?? this.newest;
  }

  /** The log got these entries, and lost what stood at or behind the first. Tells whether that is news. */
  appended(entries: readonly LogEntry[]): boolean {
    const [first] = entries;
    if (first === undefined) return false;
    const before = this.newest;
    while (this.newest.index >= first.index && this.#known.length > 1) this.#known.pop();
    for (const { index, data } of entries) {
      const configuration = data?.configuration ?? null;
      if (configuration !== null) this.#known.push({ index, configuration });
    }
    return this.newest !== before;
  }

  /** Nobody will ask for what held before `index` any more. */
  compactedTo(index: number): void {
    while ((this.#known[1]?.index ?? Infinity) <= index) this.#known.shift();
  }

  /** A snapshot has taken the place of the log. */
  restored(snapshot: StoredConfiguration): void {
    this.#known = [snapshot];
  }
}
