import { assertEquals } from "@std/assert";
import { ReplicationWaiters } from "./client_requests.ts";

/** Two other members that hold everything up to these indexes. */
const peersAt = (...matches: readonly number[]) =>
  matches.map((match, at) => ({ id: `n${at + 2}`, match }));

Deno.test("a client waits for writes before its request, not for later ones", () => {
  const waiters = new ReplicationWaiters();
  const counts: number[] = [];
  waiters.add(2, Infinity, (count) => counts.push(count));
  waiters.check(peersAt(9, 9), true, 0);
  assertEquals(counts, []); // what was taken before is not in the log yet
  waiters.noteLogged(10);
  waiters.noteLogged(20);
  waiters.check(peersAt(10, 9), true, 0);
  assertEquals(counts, []);
  waiters.check(peersAt(10, 10), true, 0);
  assertEquals([counts, waiters.isEmpty], [[2], true]);
});

Deno.test("a client that has waited long enough learns how many replicas have them", () => {
  const waiters = new ReplicationWaiters();
  const counts: number[] = [];
  waiters.add(2, 100, (count) => counts.push(count));
  waiters.noteLogged(10);
  waiters.check(peersAt(10, 9), true, 99);
  assertEquals(counts, []);
  waiters.check(peersAt(10, 9), true, 100);
  assertEquals(counts, [1]);
});

Deno.test("clients that wait are counted until they are answered or gone", () => {
  const waiters = new ReplicationWaiters();
  const cancels = [1, 2].map(() => waiters.add(1, 100, () => {}));
  assertEquals(waiters.count, 2);
  cancels[0]?.();
  waiters.check(peersAt(0), true, 0);
  assertEquals(waiters.count, 1);
  waiters.noteLogged(1);
  waiters.check(peersAt(1), true, 0);
  assertEquals(waiters.count, 0);
});
