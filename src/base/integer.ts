import type { ByteString } from "./byte_string.ts";

/** A signed 64-bit integer: a number if it is a safe integer, otherwise a bigint. */
export type Integer = number | bigint;

const INT64_MAX = 2n ** 63n - 1n;
export const INT64_MIN = -(2n ** 63n);

/** Integers with up to this many digits are exact as numbers. */
const EXACT_DIGITS = 15;
/** Length of the longest text: `-9223372036854775808`. */
const LENGTH_MAX = 20;
/** Number of digits of 2^53 - 1. */
const COUNT_LENGTH_MAX = 16;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/**
 * Parses a 64-bit integer in its canonical decimal form: no plus sign, no leading zeros, no spaces,
 * no `-0`. Anything else is `null`.
 */
export function parseInteger(text: string): Integer | null {
  const length = text.length;
  if (length === 0 || length > LENGTH_MAX) return null;
  const start = text.charCodeAt(0) === MINUS ? 1 : 0;
  const first = text.charCodeAt(start);
  // A leading zero is valid only in "0" itself. Without any digit, `first` is NaN.
  if (first === ZERO) return length === 1 ? 0 : null;
  if (!(first > ZERO && first <= NINE)) return null;
  let magnitude = first - ZERO;
  for (let index = start + 1; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code < ZERO || code > NINE) return null;
    magnitude = magnitude * 10 + (code - ZERO);
  }
  if (length - start <= EXACT_DIGITS) return start === 1 ? -magnitude : magnitude;
  const value = BigInt(text);
  return value < INT64_MIN || value > INT64_MAX ? null : normalize(value);
}

/** The integer that a stored string represents; `null` when it represents none. */
export function integerIn(value: ByteString): Integer | null {
  return typeof value === "string" ? parseInteger(value) : null;
}

/**
 * Parses the part `from … to - 1` of a text as an integer from 0 to 2^53 - 1 in its canonical
 * decimal form; anything else is -1. Allocates no memory.
 */
export function parseCount(text: string, from: number, to: number): number {
  const length = to - from;
  if (length <= 0 || length > COUNT_LENGTH_MAX) return -1;
  if (text.charCodeAt(from) === ZERO) return length === 1 ? 0 : -1;
  let count = 0;
  for (let index = from; index < to; index++) {
    const code = text.charCodeAt(index);
    // Past the end of the text, `code` is NaN.
    if (!(code >= ZERO && code <= NINE)) return -1;
    count = count * 10 + (code - ZERO);
  }
  // Only the last digit can cause rounding, which never brings a larger number below 2^53.
  return count > Number.MAX_SAFE_INTEGER ? -1 : count;
}

/** The sum, or `null` when it does not fit into 64 bits. */
export function addIntegers(a: Integer, b: Integer): Integer | null {
  if (typeof a === "number" && typeof b === "number") {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  return sum < INT64_MIN || sum > INT64_MAX ? null : normalize(sum);
}

/** The product, or `null` when it does not fit into 64 bits. */
export function multiplyIntegers(a: Integer, b: Integer): Integer | null {
  if (typeof a === "number" && typeof b === "number") {
    const product = a * b;
    if (Number.isSafeInteger(product)) return product;
  }
  const product = BigInt(a) * BigInt(b);
  return product < INT64_MIN || product > INT64_MAX ? null : normalize(product);
}

/** The canonical form of a value: a number if it is a safe integer, otherwise a bigint. */
export function normalize(value: bigint): Integer {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
