import { assertEquals } from "@std/assert";
import { addIntegers, multiplyIntegers, parseInteger } from "./integer.ts";

Deno.test("integers have one form each", () => {
  assertEquals(parseInteger("0"), 0);
  assertEquals(parseInteger("-7"), -7);
  assertEquals(parseInteger("123456789012345"), 123456789012345);
  assertEquals(parseInteger("9007199254740991"), 9007199254740991);
  assertEquals(parseInteger("9007199254740992"), 9007199254740992n);
  assertEquals(parseInteger("9223372036854775807"), 9223372036854775807n);
  assertEquals(parseInteger("-9223372036854775808"), -9223372036854775808n);
});

Deno.test("whatever is no 64-bit integer in that form is refused", () => {
  const wrong = [
    "",
    "-",
    "+1",
    "01",
    "-0",
    "00",
    " 1",
    "1 ",
    "1\0",
    "1.0",
    "1e3",
    "0x1",
    "a",
    "1a",
  ];
  const tooLarge = ["9223372036854775808", "-9223372036854775809", "99999999999999999999"];
  for (const text of [...wrong, ...tooLarge]) assertEquals(parseInteger(text), null, text);
});

Deno.test("sums and products are exact, or null beyond 64 bits", () => {
  assertEquals(addIntegers(9007199254740991, 1), 9007199254740992n);
  assertEquals(addIntegers(9007199254740992n, -1), 9007199254740991);
  assertEquals(addIntegers(9223372036854775806n, 1), 9223372036854775807n);
  assertEquals(addIntegers(9223372036854775807n, 1), null);
  assertEquals(addIntegers(-9223372036854775808n, -1), null);
  assertEquals(multiplyIntegers(9007199254740991, 1000), 9007199254740991000n);
  assertEquals(multiplyIntegers(9223372036854776, 1000), null);
});
