import { assert, assertEquals } from "@std/assert";
import { LogBytes } from "./snapshot_taker.ts";

Deno.test("bytes behind an entry, and entries before bytes", () => {
  const log = new LogBytes(10, 100);
  assertEquals([log.since(10), log.before(10, 50)], [0, 10]);
  for (let index = 11; index <= 20; index++) log.applied(index, 100);
  assertEquals([log.since(10), log.since(15), log.since(20), log.since(25)], [1000, 500, 0, 0]);
  assertEquals([log.before(20, 300), log.before(18, 300), log.before(20, 5000)], [17, 15, 10]);
  log.forgetBefore(15);
  assertEquals([log.since(16), log.before(20, 5000)], [400, 15]);
});

Deno.test("a long log is remembered more coarsely, and never too short", () => {
  const log = new LogBytes(0, 1);
  for (let index = 1; index <= 100_000; index++) log.applied(index, 10);
  for (const index of [0, 1, 50_000, 99_000]) {
    const exact = 10 * (100_000 - index);
    const told = log.since(index);
    assert(told >= exact && told <= exact + 20_000, `${told} for ${exact}`);
    assert(log.before(index, 1_000) <= Math.max(0, index - 100));
  }
});
