import { assert, assertEquals } from "@std/assert";
import { matchesGlob } from "../../../src/base/glob.ts";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

/** Separates the pattern from the text. */
const SEPARATOR = "\n";
const PARTS = ["a", "b", "*", "**", "?", "[ab]", "[^a]", "[a-c]", "\\*", "[", "]", "-", "\\"];
/** The time is at most the product of the two lengths: this keeps long inputs testable. */
const LENGTH_MAX = 4096;
/** At 20 million steps a second on a busy machine. A step compares two characters. */
const MS_PER_STEP = 1 / 20_000;
/**
 * One attempt may be slow because of other processes; all attempts are slow only if the matcher is.
 */
const TRIES = 5;

function repeated(random: Random, parts: readonly string[], countMax: number): string {
  const count = randomInteger(random, countMax);
  return Array.from({ length: count }, () => parts[randomInteger(random, parts.length)]).join("");
}

/** Patterns of `KEYS` and `SCAN`: bounded in time, and equal to a slow and simple matcher. */
export const glob: FuzzTarget = {
  name: "glob",
  words: [...PARTS, "a*".repeat(50), "?".repeat(50), "a".repeat(200), SEPARATOR],
  sample: (random) =>
    repeated(random, PARTS, 12) + SEPARATOR + repeated(random, ["a", "b", "c", "*"], 24),
  run(input) {
    const at = input.indexOf(SEPARATOR);
    const pattern = input.slice(0, Math.min(at < 0 ? input.length : at, LENGTH_MAX));
    const text = at < 0 ? "" : input.slice(at + 1).slice(0, LENGTH_MAX);
    const allowedMs = 200 + (pattern.length + 1) * (text.length + 1) * MS_PER_STEP;
    const matches = matchesGlob(pattern, text);
    let tookMs = Infinity;
    for (let tries = 0; tries < TRIES && tookMs >= allowedMs; tries++) {
      const startMs = performance.now();
      assertEquals(matchesGlob(pattern, text), matches);
      tookMs = performance.now() - startMs;
    }
    assert(tookMs < allowedMs, `${tookMs} ms for ${pattern.length} against ${text.length} bytes`);
    // Consecutive stars mean one.
    if (!/[[\\]/.test(pattern)) {
      assertEquals(matchesGlob(pattern.replace(/\*+/g, "*"), text), matches);
      if (text !== "") assertEquals(slow(pattern, text), matches, "another matcher disagrees");
    }
  },
};

/** Which prefixes of the text the pattern matches, one character of the pattern after another. */
function slow(pattern: string, text: string): boolean {
  if (pattern.length * text.length > 20_000) return matchesGlob(pattern, text);
  let ends = new Set([0]);
  for (const char of pattern) {
    const next = new Set<number>();
    if (char === "*") {
      for (let end = Math.min(...ends); end <= text.length; end++) next.add(end);
    }
    for (const end of ends) {
      if (end < text.length && (char === "?" || char === text.charAt(end))) {
        next.add(end + 1);
      }
    }
    ends = next;
  }
  return ends.has(text.length);
}
