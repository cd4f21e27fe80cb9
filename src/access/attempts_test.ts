import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { Attempts } from "./attempts.ts";

function failTimes(attempts: Attempts, times: number, address: string, user: string): void {
  for (let left = times; left > 0; left--) attempts.noteFailure(address, user);
}

Deno.test("an address may fail twenty times, and then once in a second", () => {
  const clock = new ManualClock();
  const attempts = new Attempts(clock);
  failTimes(attempts, 19, "10.0.0.1", "ada");
  assertEquals(attempts.mayTry("10.0.0.1", "bob"), true);
  failTimes(attempts, 1, "10.0.0.1", "bob");
  assertEquals(attempts.mayTry("10.0.0.1", "eve"), false);
  assertEquals(attempts.mayTry("10.0.0.2", "ada"), true);
  clock.advance(1_001);
  assertEquals(attempts.mayTry("10.0.0.1", "eve"), true);
  failTimes(attempts, 1, "10.0.0.1", "eve");
  assertEquals(attempts.mayTry("10.0.0.1", "eve"), false);
});

Deno.test("a user is guessed a hundred times from anywhere, but one who was there may come", () => {
  const attempts = new Attempts(new ManualClock());
  attempts.noteSuccess("10.9.9.9", "ada");
  for (let at = 0; at < 100; at++) attempts.noteFailure(`10.0.0.${at}`, "ada");
  assertEquals(attempts.mayTry("10.1.1.1", "ada"), false);
  assertEquals(attempts.mayTry("10.1.1.1", "bob"), true);
  assertEquals(attempts.mayTry("10.9.9.9", "ada"), true);
  failTimes(attempts, 20, "10.9.9.9", "ada");
  assertEquals(attempts.mayTry("10.9.9.9", "ada"), false, "an address has a limit of its own");
});

Deno.test("a network of IPv6 counts as one address, and IPv4 in IPv6 as what it is", () => {
  const attempts = new Attempts(new ManualClock());
  failTimes(attempts, 20, "2001:db8:1:2:aaaa::1", "ada");
  assertEquals(attempts.mayTry("2001:db8:1:2:bbbb::2", "bob"), false);
  assertEquals(attempts.mayTry("2001:db8:1:3::1", "bob"), true);
  failTimes(attempts, 20, "::ffff:10.0.0.1", "ada");
  assertEquals(attempts.mayTry("10.0.0.1", "bob"), false);
  assertEquals(attempts.mayTry("::1", "bob"), true);
});

Deno.test("what is remembered is bounded", () => {
  const attempts = new Attempts(new ManualClock());
  failTimes(attempts, 20, "10.0.0.1", "ada");
  for (let at = 0; at < 10_000; at++) attempts.noteFailure(`host${at}`, `user${at}`);
  assertEquals(attempts.mayTry("10.0.0.1", "bob"), true, "the oldest is forgotten");
});
