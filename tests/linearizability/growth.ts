import type { Operation } from "./operation.ts";
import { onlyExtends, type State } from "./register_model.ts";

/**
 * What is known in advance of a key that is only ever appended to. Its state grows along one line,
 * through the longest value that was read; beyond that only its length can be seen. Without this,
 * each order of unknown appends would have to be tried.
 */
export class Growth {
  readonly #longestRead: string;

  private constructor(longestRead: string) {
    this.#longestRead = longestRead;
  }

  /** @returns `null` for a key that other commands change too */
  static of(operations: readonly Operation[]): Growth | null {
    if (!operations.every(({ args }) => onlyExtends(args))) return null;
    let longest = "";
    for (const { outcome } of operations) {
      if (outcome.kind === "unknown" || typeof outcome.reply !== "string") continue;
      if (outcome.reply.length > longest.length) longest = outcome.reply;
    }
    return new Growth(longest);
  }

  /** Whether the key can have been in this state at all. */
  isPossible(state: State): boolean {
    const value = state ?? "";
    return this.#longestRead.startsWith(value) || value.startsWith(this.#longestRead);
  }

  /** Whether no read saw the content of a state after this one. */
  isUnseenAfter(state: State): boolean {
    return (state ?? "").startsWith(this.#longestRead);
  }

  /** The same number for states that no operation can distinguish. */
  nameOf(state: State): State | number {
    const isUnseen = state !== null && state.length > this.#longestRead.length;
    return isUnseen ? state.length : state;
  }
}
