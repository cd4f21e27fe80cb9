import { assertEquals } from "@std/assert";
import { formatVerifier, isPasswordDigest, parseVerifier, passwordDigest } from "./verifier.ts";

const SALT = "00112233445566778899aabbccddeeff";
const HASH = "ab".repeat(32);

Deno.test("a verifier has exactly one text", () => {
  const text = `scrypt$16384$8$1$${SALT}$${HASH}`;
  const parts = parseVerifier(text);
  assertEquals(parts, {
    cost: 16384,
    blockSize: 8,
    parallelization: 1,
    saltHex: SALT,
    hashHex: HASH,
  });
  assertEquals(parts === null ? null : formatVerifier(parts), text);
  for (
    const wrong of [
      "",
      "scrypt$",
      `scrypt$016384$8$1$${SALT}$${HASH}`,
      `scrypt$16384$8$1$${SALT.toUpperCase()}$${HASH}`,
      `scrypt$16384$8$1$${SALT}0$${HASH}`,
      `scrypt$16384$8$1$${SALT}$${HASH}\n`,
      `scrypt$16384$8$1$${SALT}$${HASH.slice(0, 30)}`,
      `scrypt$16384$8$1$00$${HASH}`,
      `bcrypt$16384$8$1$${SALT}$${HASH}`,
    ]
  ) assertEquals(parseVerifier(wrong), null, wrong);
});

Deno.test("a verifier whose check would be slow or take much memory is refused", () => {
  const withCost = (n: number, r: number, p: number) =>
    parseVerifier(`scrypt$${n}$${r}$${p}$${SALT}$${HASH}`) !== null;
  assertEquals(withCost(32768, 8, 1), true);
  assertEquals(withCost(65536, 8, 2), true);
  assertEquals(withCost(131072, 8, 1), false, "128 MiB");
  assertEquals(withCost(65536, 8, 4), false, "work");
  assertEquals(withCost(2, 33, 1), false);
  assertEquals(withCost(2, 1, 17), false);
  assertEquals(withCost(1, 8, 1), false);
  assertEquals(withCost(1000, 8, 1), false, "no power of two");
  assertEquals(withCost(9999999, 1, 1), false);
});

Deno.test("the digest of a password is Redis's", () => {
  assertEquals(
    passwordDigest("p1pp0"),
    "2d9c75273d72b32df726fb545c8a4edc719f0a95a6fd993950b10c474ad9c927",
  );
  assertEquals(
    passwordDigest("\xff"),
    "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89",
  );
  assertEquals(
    passwordDigest(""),
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  );
  assertEquals(isPasswordDigest(passwordDigest("\xff\0")), true);
  assertEquals(isPasswordDigest(passwordDigest("a").toUpperCase()), false);
});
