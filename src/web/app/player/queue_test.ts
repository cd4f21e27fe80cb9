import { assertEquals } from "@std/assert";
import {
  added,
  currentOf,
  emptyQueue,
  nextPlace,
  previousPlace,
  type Queue,
  removed,
  replaced,
  withShuffle,
} from "./queue.ts";

const queueOf = (items: string, start = 0): Queue<string> =>
  replaced(emptyQueue<string>(), [...items], start);
const playedIn = ({ items, order }: Queue<string>) => order.map((at) => items[at]).join("");

Deno.test("songs are played in their order, from the chosen one on", () => {
  const queue = queueOf("abc", 1);
  assertEquals([currentOf(queue), nextPlace(queue, true)], ["b", 2]);
  assertEquals(previousPlace(queue), 0);
  assertEquals(currentOf(emptyQueue()), null);
  assertEquals(nextPlace(emptyQueue(), true), null);
});

Deno.test("after the last song comes the first one only if all are repeated", () => {
  const queue = queueOf("abc", 2);
  assertEquals(nextPlace(queue, true), null);
  assertEquals(nextPlace({ ...queue, repeat: "all" }, true), 0);
  assertEquals(nextPlace({ ...queue, repeat: "song" }, true), 2);
  assertEquals(nextPlace({ ...queue, repeat: "song" }, false), 0);
  assertEquals(previousPlace(queueOf("abc")), null);
  assertEquals(previousPlace({ ...queueOf("abc"), repeat: "all" }), 2);
});

Deno.test("shuffle keeps the current song, plays each once, and can be taken back", () => {
  let seed = 1;
  const random = () => (seed = seed * 16807 % 2147483647) / 2147483647;
  const mixed = withShuffle(queueOf("abcdefgh", 3), true, random);
  assertEquals([currentOf(mixed), mixed.at], ["d", 0]);
  assertEquals([...playedIn(mixed)].sort().join(""), "abcdefgh");
  assertEquals(playedIn(mixed) === "dabcefgh", false);
  const straight = withShuffle({ ...mixed, at: 4 }, false);
  assertEquals(playedIn(straight), "abcdefgh");
  assertEquals(currentOf(straight), currentOf({ ...mixed, at: 4 }));
  assertEquals(currentOf(replaced(mixed, [..."xyz"], 2, random)), "z");
});

Deno.test("songs are added at the end or as the next one", () => {
  assertEquals(playedIn(added(queueOf("abc"), "x", false)), "abcx");
  assertEquals(playedIn(added(queueOf("abc"), "x", true)), "axbc");
  assertEquals(currentOf(added(emptyQueue<string>(), "x", true)), "x");
});

Deno.test("a removed song leaves the others as they are", () => {
  const queue = queueOf("abcd", 2);
  for (
    const [place, played, current] of [[0, "bcd", "c"], [2, "abd", "d"], [3, "abc", "c"]] as const
  ) {
    const left = removed(queue, place);
    assertEquals([playedIn(left), currentOf(left)], [played, current]);
  }
  assertEquals(currentOf(removed(queueOf("abcd", 3), 3)), "c");
  assertEquals(currentOf(removed(queueOf("a"), 0)), null);
  assertEquals(removed(queue, 9), queue);
});
