import type { Operation } from "../operation.ts";
import { type State, transitionOf } from "../register_model.ts";

/**
 * The definition, word by word, for histories of one key with a handful of operations. It tries
 * every order that keeps real time, with and without each operation of unknown outcome.
 */
export function isLinearizable(operations: readonly Operation[], state: State = null): boolean {
  if (operations.every(({ outcome }) => outcome.kind === "unknown")) return true;
  return operations.some((first) => {
    const others = operations.filter((operation) => operation !== first);
    if (others.some((other) => endOf(other) < first.invokedMs)) return false;
    const step = transitionOf(first.args)(state);
    if (first.outcome.kind === "ok" && first.outcome.reply !== step.reply) return false;
    return isLinearizable(others, step.state);
  });
}

function endOf({ outcome, completedMs }: Operation): number {
  return outcome.kind === "unknown" || completedMs === null ? Infinity : completedMs;
}
