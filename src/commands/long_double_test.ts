import { assertEquals, assertThrows } from "@std/assert";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "./long_double.ts";

/** `a + b`, as `INCRBYFLOAT` answers. */
function sum(a: string, b: string): string | null {
  const [left, right] = [parseLongDouble(a), parseLongDouble(b)];
  const result = left === null || right === null ? null : addLongDoubles(left, right);
  return result === null ? null : formatLongDouble(result);
}

Deno.test("sums are those of 80-bit numbers", () => {
  // Each was asked from redis-server 7.0.15 on x86-64.
  assertEquals(sum("10.50", "0.1"), "10.6");
  assertEquals(sum("5.0e3", "2.0e2"), "5200");
  assertEquals(sum("0.1", "0.2"), "0.3");
  assertEquals(sum("3", "1.000000000000000005"), "4.00000000000000001");
  assertEquals(sum("18446744073709551615", "1"), "18446744073709551616");
  assertEquals(sum("18446744073709551616", "1"), "18446744073709551616");
  assertEquals(sum("18446744073709551616", "3"), "18446744073709551620");
  assertEquals(sum("1", "-1"), "0");
  assertEquals(sum("-0", "-0"), "0");
  assertEquals(sum("-0.000000000000000001", "0"), "0");
});

Deno.test("rounding is to the nearest, ties to even", () => {
  assertEquals(sum("0x1p64", "1"), "18446744073709551616");
  assertEquals(sum("0x1p64", "0x1.8p1"), "18446744073709551620");
  assertEquals(sum("0xffffffffffffffff8", "0"), sum("0x1p68", "0"));
  assertEquals(sum("0xffffffffffffffff7.8", "0"), sum("0xffffffffffffffff0", "0"));
});

Deno.test("texts that are not numbers are refused", () => {
  const wrong = ["", ".", "e5", "1e", "1e+", "0x", "0x.", "0xg", "0x1p", "--1", "1 ", " 1", "1\0"];
  for (const text of [...wrong, "nan", "infinit", "1,5", "1" + "0".repeat(5119)]) {
    assertEquals(parseLongDouble(text), null, text);
  }
});

Deno.test("numbers beyond the format are refused, those at its ends are not", () => {
  for (const text of ["1.2e4932", "1e99999", "-1e4933", "1e-4960", "1.8e-4951", "0x1p16384"]) {
    assertEquals(parseLongDouble(text), null, text);
  }
  assertEquals(parseLongDouble("0e99999"), { significand: 0n, exponent: 0 });
  assertEquals(parseLongDouble("3.6e-4951"), { significand: 1n, exponent: -16445 });
  assertEquals(parseLongDouble("0x1p-16445"), { significand: 1n, exponent: -16445 });
  const largest = parseLongDouble("0x1.fffffffffffffffep16383");
  assertEquals(largest, { significand: 2n ** 64n - 1n, exponent: 16320 });
  assertEquals(sum("0x1.fffffffffffffffep16383", "0x1p16319"), null);
});

Deno.test("infinity is parsed, and no sum may be infinite", () => {
  for (const text of ["inf", "+INF", "Infinity"]) assertEquals(parseLongDouble(text), "inf");
  assertEquals(parseLongDouble("-infinity"), "-inf");
  assertEquals(sum("inf", "1"), null);
  assertEquals(sum("inf", "-inf"), null);
});

Deno.test("an infinite number is not formatted", () => {
  const infinite = parseLongDouble("inf");
  if (typeof infinite !== "string") throw new Error(`it is ${infinite}`);
  assertThrows(() => formatLongDouble(infinite), RangeError, "inf");
});
