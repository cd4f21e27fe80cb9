import type { ByteString } from "../../base/byte_string.ts";
import { integerIn } from "../../base/integer.ts";
import type { ValueDescription } from "./value_type.ts";

/** Maximum length of a string in V8, in characters. */
export const STRING_LENGTH_MAX = 2 ** 29 - 24;

/** Redis allocates strings up to this length together with their object header. */
const EMBEDDED_LENGTH_MAX = 44;

/**
 * Byte strings. They carry no tag. They are never changed, only replaced, so that views and other
 * keys can hold the same one. The keyspace stores short ones in an arena.
 */
export const stringType: ValueDescription<ByteString> = {
  name: "string",
  bytes: (value) => value.length,
  encoding(value) {
    if (integerIn(value) !== null) return "int";
    return value.length <= EMBEDDED_LENGTH_MAX ? "embstr" : "raw";
  },
};
