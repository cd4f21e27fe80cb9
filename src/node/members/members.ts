import { assert } from "../../base/errors.ts";
import type { Address } from "../../platform/network.ts";
import type { NodeId } from "../../raft/types.ts";
import type { LogEntry } from "../log/entry.ts";
import type { StoredConfiguration } from "../log/log_store.ts";
import { type ClusterConfiguration, withIncarnations } from "./configuration.ts";

/**
 * The configuration that a new node starts with. For a founder, which is among `members`, it is the
 * founding one. For other nodes it has no members, since some of `members` may have been removed by
 * now.
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

/**
 * The configurations in the log, and the one before its first entry. The newest is in effect,
 * committed or not.
 */
export class Members {
  #known: StoredConfiguration[];

  /**
   * @param base configuration before the log's first entry
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

  /** The voters of the newest configuration. */
  get voters(): readonly NodeId[] {
    const { configuration } = this.newest;
    return configuration.members.filter(({ isLearner }) => !isLearner).map(({ id }) => id);
  }

  /** All known configurations, ascending. The consensus core starts with them. */
  get known(): readonly StoredConfiguration[] {
    return this.#known;
  }

  /** The configuration as of the entry at `index`. */
  at(index: number): StoredConfiguration {
    const one = this.#known.findLast((one) => one.index <= index) ?? this.#known[0];
    assert(one !== undefined, "there is always some configuration");
    return one;
  }

  /**
   * Takes entries appended to the log, which replace any from the first one's index on.
   *
   * @returns whether the newest configuration changed
   */
  noteAppend(entries: readonly LogEntry[]): boolean {
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

  /** Forgets configurations that were replaced at or before `index`. */
  compactTo(index: number): void {
    while ((this.#known[1]?.index ?? Infinity) <= index) this.#known.shift();
  }

  /** A snapshot has replaced the log. */
  restore(snapshot: StoredConfiguration): void {
    this.#known = [snapshot];
  }
}
