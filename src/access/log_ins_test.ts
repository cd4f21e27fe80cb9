import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { applyRules, passwordDigest, type User } from "../security/mod.ts";
import { LogIns, type PasswordVerdict } from "./log_ins.ts";
import { HashingBusy, SlowHash } from "./scrypt.ts";

const weak = { cost: 2, blockSize: 1, parallelization: 1, saltHex: "00".repeat(16) };

/** Counts the computations, which are weak, and fails them at will. */
class CountingHash extends SlowHash {
  computed = 0;
  isBusy = false;

  override hash(digest: string, _setting: unknown, bytes?: number): Promise<string> {
    this.computed++;
    return this.isBusy ? Promise.reject(new HashingBusy()) : super.hash(digest, weak, bytes);
  }
}

async function start() {
  const hash = new CountingHash();
  const clock = new ManualClock();
  const logIns = new LogIns(clock, hash);
  const verifier = await hash.verifierOf(passwordDigest("secret"), weak);
  const ada = applyRules(null, "ada", ["on", `#${verifier}`]);
  hash.computed = 0;
  const check = (password: string, user: User | null = ada, address = "h") =>
    logIns.check(user ?? undefined, user?.name ?? "nobody", password, address);
  return { hash, clock, ada, check };
}

Deno.test("a right password is hashed once, and then remembered until the user changes", async () => {
  const { hash, ada, check } = await start();
  const verdicts: PasswordVerdict[] = [];
  for (let left = 3; left > 0; left--) verdicts.push(await check("secret"));
  assertEquals([verdicts, hash.computed], [["right", "right", "right"], 1]);
  assertEquals(await check("secret2"), "wrong");
  assertEquals(hash.computed, 2);
  assertEquals(await check("secret", applyRules(ada, "ada", ["~k"])), "right");
  assertEquals(hash.computed, 3, "a changed user is another one");
  const without = applyRules(ada, "ada", ["resetpass"]);
  assertEquals(await check("secret", without), "wrong");
});

Deno.test("a storm of log-ins computes one hash", async () => {
  const { hash, check } = await start();
  const all = await Promise.all(Array.from({ length: 1_000 }, () => check("secret")));
  assertEquals([new Set(all), hash.computed], [new Set(["right"]), 1]);
});

Deno.test("users who do not exist, are off or have no password take as long as others", async () => {
  const { hash, ada, check } = await start();
  const off = applyRules(ada, "ada", ["off"]);
  const bare = applyRules(null, "bare", ["on"]);
  for (const user of [null, off, bare]) {
    hash.computed = 0;
    assertEquals(await check("secret", user), "wrong");
    assertEquals(hash.computed, 1);
  }
});

Deno.test("a user without need of a password is let in with any, unless it is off", async () => {
  const { hash, check } = await start();
  const open = applyRules(null, "open", ["on", "nopass"]);
  assertEquals(await check("x", open), "right");
  assertEquals(hash.computed, 0);
  assertEquals(await check("x", applyRules(open, "open", ["off"])), "wrong");
});

Deno.test("after too many failures no password is checked, the right one neither", async () => {
  const { hash, clock, check } = await start();
  for (let left = 20; left > 0; left--) assertEquals(await check(`wrong ${left}`), "wrong");
  hash.computed = 0;
  assertEquals([await check("secret"), hash.computed], ["limited", 0]);
  assertEquals(await check("secret", null, "h"), "limited", "the address, whoever the user");
  clock.advance(1_001);
  assertEquals(await check("secret"), "right");
});

Deno.test("when too many wait, it says so and does not count as a failure", async () => {
  const { hash, check } = await start();
  hash.isBusy = true;
  for (let left = 50; left > 0; left--) assertEquals(await check("secret"), "busy");
  hash.isBusy = false;
  assertEquals(await check("secret"), "right");
});

Deno.test("one address does not have many passwords checked at once", async () => {
  const { hash, check } = await start();
  const all = await Promise.all(Array.from({ length: 50 }, (_, at) => check(`wrong ${at}`)));
  assertEquals(all.filter((verdict) => verdict === "wrong").length, 20);
  assertEquals(hash.computed, 20);
  assertEquals(await check("x", null, "another address"), "wrong");
});

Deno.test("a password that nobody can have is not hashed", async () => {
  const { hash, check } = await start();
  assertEquals([await check("x".repeat(4_097)), hash.computed], ["wrong", 0]);
  assert(await check("x".repeat(4_096)) === "wrong" && hash.computed === 1);
});
