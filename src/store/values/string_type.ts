import { type ByteString, textOf } from "../../base/byte_string.ts";
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

/**
 * Length in characters below which an appended piece is small compared to the memory that V8 takes
 * for a concatenation.
 */
const SMALL_PIECE = 1024;

/**
 * Concatenates two strings for storing. V8 joins strings without a copy, which makes appending
 * cheap. But each join takes some 32 bytes, so that a value of many small pieces would take many
 * times its length. Therefore the value is copied into one piece whenever small pieces make it grow
 * past a multiple of a step, which grows with the value: the cost for each byte is bounded.
 */
export function append(value: ByteString, piece: ByteString): string {
  const joined = textOf(value) + textOf(piece);
  if (piece.length >= SMALL_PIECE) return joined;
  const step = Math.max(256, 2 ** (Math.log2(joined.length) >> 0) / 64);
  const grownPastStep = Math.floor(value.length / step) !== Math.floor(joined.length / step);
  return grownPastStep ? flatten(joined) : joined;
}

/**
 * Makes V8 copy a concatenation into one piece, so that the strings that it was made of can be
 * freed.
 */
export function flatten(value: string): string {
  // Reading a character flattens it. The assignment keeps the optimizer from removing the read.
  sink.code = value.charCodeAt(0);
  return value;
}

const sink = { code: 0 };
