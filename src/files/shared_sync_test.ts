import { assertEquals } from "@std/assert";
import { SharedSync } from "./shared_sync.ts";

Deno.test("those that ask during a sync share the next one, of their directory", async () => {
  const begun: string[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const syncs = new SharedSync((directory) => {
    begun.push(directory);
    const end = Promise.withResolvers<void>();
    ends.push(end);
    return end.promise;
  });
  const first = syncs.sync("a");
  const done: string[] = [];
  const later = ["second", "third"].map((name) => syncs.sync("a").then(() => done.push(name)));
  const other = syncs.sync("b");
  assertEquals(begun, ["a", "b"]);
  ends[0]?.resolve();
  await first;
  await Promise.resolve();
  ends[1]?.resolve();
  await other;
  assertEquals(begun, ["a", "b", "a"]);
  assertEquals(done, []);
  ends[2]?.resolve();
  await Promise.all(later);
  assertEquals(done, ["second", "third"]);
});

Deno.test("a sync that fails fails only those that it was for", async () => {
  let count = 0;
  const syncs = new SharedSync(() =>
    ++count === 1 ? Promise.reject(new Error("EIO")) : Promise.resolve()
  );
  const outcomes = await Promise.allSettled([syncs.sync("a"), syncs.sync("a")]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "fulfilled"]);
});
