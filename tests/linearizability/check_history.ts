import { explain } from "./explain.ts";
import { keyHistory } from "./key_history.ts";
import type { Operation } from "./operation.ts";
import { Search } from "./search.ts";

export interface CheckOptions {
  /** Time limit of the whole check. A search that has not ended by then proves nothing. */
  readonly timeoutMs: number;
}

export interface Verdict {
  /** `unknown`: out of time or memory, which is not a pass. */
  readonly verdict: "linearizable" | "not linearizable" | "unknown";
  /** The key whose history is wrong or could not be judged. */
  readonly key?: string;
  /** Lines that show the contradiction. */
  readonly explanation?: readonly string[];
}

/**
 * Judges whether a history can be explained by operations that each take effect at one instant
 * between their invocation and their completion. Each operation touches one key, so each key is
 * judged alone (Herlihy and Wing: linearizability is local).
 *
 * @throws {RangeError} for an operation that the model does not have
 */
export function checkHistory(operations: readonly Operation[], options: CheckOptions): Verdict {
  const deadlineMs = performance.now() + options.timeoutMs;
  let undecided: string | undefined;
  for (const [key, ofKey] of byKey(operations)) {
    const nowMs = performance.now();
    // half of the time that is left, so that a hard key leaves time for the others
    const result = new Search(keyHistory(ofKey), nowMs + (deadlineMs - nowMs) / 2).run();
    if (result.kind === "none") {
      const explanation = explain(key, ofKey.length, result.deadEnd);
      return { verdict: "not linearizable", key, explanation };
    }
    if (result.kind === "out of time") undecided ??= key;
  }
  return undecided === undefined
    ? { verdict: "linearizable" }
    : { verdict: "unknown", key: undecided };
}

function byKey(operations: readonly Operation[]): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const ofKey = keys.get(operation.key);
    if (ofKey === undefined) keys.set(operation.key, [operation]);
    else ofKey.push(operation);
  }
  return keys;
}
