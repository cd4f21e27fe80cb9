import { assert, assertEquals } from "@std/assert";
import { randomInteger, seededRandom } from "../base/random.ts";
import { matchesGlob } from "./glob.ts";

function check(pattern: string, matching: readonly string[], others: readonly string[]): void {
  for (const text of matching) assert(matchesGlob(pattern, text), `${pattern} matches ${text}`);
  for (const text of others) assert(!matchesGlob(pattern, text), `${pattern} leaves ${text}`);
}

Deno.test("stars and question marks", () => {
  check("*", ["a", "abc"], [""]);
  check("h?llo", ["hello", "hallo"], ["hllo", "heello"]);
  check("h*llo", ["hllo", "heeeello"], ["hell", "ahllo"]);
  check("*a*b*", ["ab", "xaxbx"], ["ba", "a"]);
  check("**", ["a"], [""]);
  check("", [""], ["a"]);
  check("a*", ["a", "ab"], ["b"]);
});

Deno.test("classes", () => {
  check("h[ae]llo", ["hello", "hallo"], ["hillo"]);
  check("h[^e]llo", ["hallo"], ["hello"]);
  check("[a-c]", ["a", "b", "c"], ["d", "-"]);
  check("[c-a]", ["a", "b", "c"], ["d"]);
  check("[a\\]b]", ["a", "]", "b"], ["\\"]);
  check("[]a]", [], ["a", "]", "]a]"]);
  check("[^]", ["a"], [""]);
  check("[ab", ["a", "b"], ["[ab", "ab"]);
  check("[a-", ["a", "-"], ["b"]);
  check("[\x80-a]", ["\x80", "\xff", "A", "a"], ["b"]);
});

Deno.test("a backslash removes the special meaning", () => {
  check("\\*", ["*"], ["a", "\\*"]);
  check("a\\", ["a\\"], ["a"]);
  check("\\a", ["a"], ["\\a"]);
});

/** Tries every length for every star. */
function matchesNaively(pattern: string, text: string): boolean {
  if (pattern === "" || text === "") return pattern.replaceAll("*", "") === text;
  if (pattern[0] === "*") {
    return matchesNaively(pattern.slice(1), text) || matchesNaively(pattern, text.slice(1));
  }
  const fits = pattern[0] === "?" || pattern[0] === text[0];
  return fits && matchesNaively(pattern.slice(1), text.slice(1));
}

Deno.test("retrying only the last star matches the same as retrying all of them", () => {
  const random = seededRandom(11);
  const draw = (letters: string, lengthMax: number) =>
    Array.from(
      { length: 1 + randomInteger(random, lengthMax) },
      () => letters.charAt(randomInteger(random, letters.length)),
    ).join("");
  for (let round = 0; round < 20_000; round++) {
    const pattern = draw("ab*?", 8);
    const text = draw("ab", 10);
    assertEquals(matchesGlob(pattern, text), matchesNaively(pattern, text), `${pattern} ${text}`);
  }
});

Deno.test("many stars take no exponential time", () => {
  assert(!matchesGlob("a*".repeat(200) + "b", "a".repeat(5000)));
  assert(!matchesGlob("*[a-z]".repeat(100) + "!", "a".repeat(5000)));
});
