import { assertEquals } from "@std/assert";
import { PeerLives } from "./inbox.ts";

Deno.test("restarts are no copies, however late the last words of a process arrive", () => {
  const lives = new PeerLives();
  for (const life of ["a", "a", "b", "a", "a", "b", "b", "c", "b", "c", "d"]) {
    assertEquals(lives.mayBe("n1", life), true, life);
  }
});

Deno.test("of two processes that take turns the one that came later is refused", () => {
  const lives = new PeerLives();
  const answers = new Map([["a", true], ["b", true]]);
  for (let turn = 0; turn < 10; turn++) {
    for (const life of ["a", "b"]) answers.set(life, lives.mayBe("n1", life));
    assertEquals(lives.mayBe("n2", "a"), true);
  }
  assertEquals([answers.get("a"), answers.get("b")], [true, false]);
  assertEquals(lives.mayBe("n1", "c"), true); // the first one was started again
  assertEquals(lives.mayBe("n1", "b"), false);
});
