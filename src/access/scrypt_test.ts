import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseVerifier, passwordDigest } from "../security/mod.ts";
import { HashingBusy, SlowHash } from "./scrypt.ts";

/** A setting that takes hardly any time. */
const weak = { cost: 2, blockSize: 1, parallelization: 1, saltHex: "00".repeat(16) };

Deno.test("a verifier is scrypt of the digest, and a new one has a salt of its own", async () => {
  const hash = new SlowHash();
  const [one, other] = [hash.newSetting(), hash.newSetting()];
  assert(one.saltHex !== other.saltHex);
  assertEquals([one.cost, one.blockSize, one.parallelization], [32_768, 8, 1]);
  const digest = passwordDigest("secret");
  const verifier = await hash.verifierOf(digest, weak);
  // By Python: hashlib.scrypt(digest, salt=bytes(16), n=2, r=1, p=1, dklen=32)
  assertEquals(
    parseVerifier(verifier)?.hashHex,
    "76ca4647bf3a711d3e5555837548a0a7c5d9dbf4f838ce8ed54e24448cfeaf80",
  );
  assertEquals(await hash.matching(digest, [verifier]), [verifier]);
  assertEquals(await hash.matching(passwordDigest("Secret"), [verifier]), []);
});

Deno.test("verifiers with one salt take one computation, whether they match or not", async () => {
  let computed = 0;
  class Counting extends SlowHash {
    override hash(...args: Parameters<SlowHash["hash"]>): Promise<string> {
      computed++;
      return super.hash(...args);
    }
  }
  const hash = new Counting();
  const [a, b] = await Promise.all(
    ["a", "b"].map((one) => hash.verifierOf(passwordDigest(one), weak)),
  ) as [string, string];
  const other = await hash.verifierOf(passwordDigest("c"), { ...weak, saltHex: "11".repeat(16) });
  computed = 0;
  assertEquals(await hash.matching(passwordDigest("b"), [a, b]), [b]);
  assertEquals(computed, 1);
  assertEquals(await hash.matching(passwordDigest("x"), [a, b, other]), []);
  assertEquals(computed, 3);
});

Deno.test("only some computations run or wait, and the event loop goes on meanwhile", async () => {
  const hash = new SlowHash();
  const digest = passwordDigest("x");
  const setting = { ...weak, cost: 1024, blockSize: 8 };
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  const all = Array.from({ length: 66 }, () => hash.hash(digest, setting));
  await assertRejects(() => hash.hash(digest, setting), HashingBusy);
  const hashes = new Set(await Promise.all(all));
  clearInterval(timer);
  assertEquals(hashes.size, 1);
  assert(turns > 3, `${turns} turns of the event loop`);
  assertEquals([await hash.hash(digest, setting)], [...hashes], "there is room again");
});
