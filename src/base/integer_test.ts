import { assertEquals } from "@std/assert";
import { addIntegers, multiplyIntegers, parseCount, parseInteger } from "./integer.ts";

Deno.test("each integer has one form", () => {
  assertEquals(parseInteger("0"), 0);
  assertEquals(parseInteger("-7"), -7);
  assertEquals(parseInteger("123456789012345"), 123456789012345);
  assertEquals(parseInteger("9007199254740991"), 9007199254740991);
  assertEquals(parseInteger("9007199254740992"), 9007199254740992n);
  assertEquals(parseInteger("9223372036854775807"), 9223372036854775807n);
  assertEquals(parseInteger("-9223372036854775808"), -9223372036854775808n);
});

Deno.test("anything but a 64-bit integer in that form is rejected", () => {
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

Deno.test("a count within a text is the integer there, unless it is negative or a bigint", () => {
  const texts = ["0", "7", "10", "9007199254740991", "9007199254740992", "9007199254740993"];
  texts.push("9999999999999999", "10000000000000000", "9223372036854775808", "-1", "-0", "00");
  texts.push("01", "", "-", "+1", " 1", "1 ", "1.0", "1e3", "1/", "/1", "a", ":", "1\0");
  for (const text of texts) {
    const integer = parseInteger(text);
    const count = typeof integer === "number" && integer >= 0 ? integer : -1;
    assertEquals(parseCount(text, 0, text.length), count, text);
    assertEquals(parseCount(`12/${text}/3`, 3, 3 + text.length), count, text);
  }
  assertEquals([parseCount("12", 1, 3), parseCount("12", 2, 1), parseCount("12", 2, 3)], [
    -1,
    -1,
    -1,
  ]);
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
