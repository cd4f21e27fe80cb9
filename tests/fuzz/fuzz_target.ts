import type { Random } from "../../src/base/random.ts";

/** A part of Regent that takes bytes from outside, and the properties that hold for all bytes. */
export interface FuzzTarget {
  readonly name: string;
  /** Words of its format, which mutations insert. */
  readonly words: readonly string[];
  /**
   * An input that is valid, or broken in a way that only the target knows: a character for each
   * byte.
   */
  sample(random: Random): string;
  /** Runs one input, deterministically. @throws if a property does not hold */
  run(input: string): void;
}

/** Seed of a run's own choices, such as chunk sizes: the same for the same input. */
export function choiceSeed(input: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < input.length; at++) {
    hash = Math.imul(hash ^ input.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
