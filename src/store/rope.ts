/**
 * Below this many characters an appended piece is small against what the engine keeps for a
 * concatenation.
 */
const SMALL_PIECE = 1024;

/**
 * Concatenates for keeping. The engine joins two strings without copying, which is what makes
 * appending cheap; but each join costs some 32 bytes, so a value made of many small pieces would
 * take many times its length. Therefore it is copied into one piece whenever small pieces have
 * made it grow past a multiple of a step that grows with it: a bounded cost for each byte.
 */
export function append(value: string, piece: string): string {
  const joined = value + piece;
  if (piece.length >= SMALL_PIECE) return joined;
  const step = Math.max(256, 2 ** (Math.log2(joined.length) >> 0) / 64);
  const grownPastStep = Math.floor(value.length / step) !== Math.floor(joined.length / step);
  return grownPastStep ? flatten(joined) : joined;
}

/**
 * Makes the engine copy a string that it has put together from others into one piece, so that those
 * others can be freed.
 */
export function flatten(value: string): string {
  // Reading a character does it; keeping what was read stops the optimizer from leaving that out.
  sink.code = value.charCodeAt(0);
  return value;
}

const sink = { code: 0 };
