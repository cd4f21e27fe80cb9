import { assert } from "../base/assert.ts";

/** How many of `voterCount` members are a majority. */
export function majority(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1;
}

/** The highest value that a majority of the members has reached; `values` has one of each member. */
export function reachedByMajority(values: number[]): number {
  values.sort((a, b) => b - a);
  const value = values[majority(values.length) - 1];
  assert(value !== undefined, "a cluster has at least one member");
  return value;
}
