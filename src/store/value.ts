import type { ByteString } from "../base/byte_string.ts";

/** What a key holds: today a byte string. */
export type Value = ByteString;

/** The longest string that V8 can make: 2^29 - 24 characters. */
export const STRING_LENGTH_MAX = 2 ** 29 - 24;

/** The name of a value's type, as `TYPE` and `SCAN … TYPE` tell it. */
export type ValueType = "string";

/** The type of a value. */
export function typeOf(_value: Value): ValueType {
  return "string";
}

/** About how many bytes a value takes, without what its key costs. */
export function valueBytes(value: Value): number {
  return value.length;
}
