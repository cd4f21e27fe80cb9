import type { Random } from "../../src/base/random.ts";

/** A part of Regent that takes bytes from outside, and what must hold whatever the bytes are. */
export interface FuzzTarget {
  readonly name: string;
  /** Words that mean something to it, for mutations to put in. */
  readonly words: readonly string[];
  /** A valid input, or one broken in a way that only the target knows: a character for each byte. */
  sample(random: Random): string;
  /** Runs one input, deterministically. Throws when a promise is broken. */
  run(input: string): void;
}

/** Random source for a run's own choices, such as chunk sizes: the same for the same input. */
export function choiceSeed(input: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < input.length; at++) {
    hash = Math.imul(hash ^ input.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
