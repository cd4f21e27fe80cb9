import { assertEquals, assertThrows } from "@std/assert";
import { AssertionFailure } from "../base/assert.ts";
import { majority, reachedByMajority } from "./quorum.ts";

Deno.test("majority() is more than half", () => {
  assertEquals([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
});

Deno.test("majorities of configurations that differ by one voter have a voter in common", () => {
  for (let count = 1; count <= 9; count++) {
    // The two together cannot avoid each other within the larger of the two sets.
    assertEquals(majority(count) + majority(count + 1) > count + 1, true);
  }
});

Deno.test("reachedByMajority() is the highest value that more than half have reached", () => {
  assertEquals(reachedByMajority([5]), 5);
  assertEquals(reachedByMajority([5, 3]), 3);
  assertEquals(reachedByMajority([1, 9, 5]), 5);
  assertEquals(reachedByMajority([9, 9, 1, 2]), 2);
  assertEquals(reachedByMajority([0, 7, 7, 7, 0]), 7);
  assertThrows(() => reachedByMajority([]), AssertionFailure);
});
