import { assertEquals } from "@std/assert";
import { asciiLower, hasSpaces, quotedWord, splitWords } from "./words.ts";

Deno.test("only ASCII letters become lower case", () => {
  assertEquals(asciiLower("GET|Ab\xc0\xdf"), "get|ab\xc0\xdf");
});

Deno.test("white space is what C knows as such, and the zero byte", () => {
  for (const space of [" ", "\t", "\n", "\v", "\f", "\r", "\0"]) {
    assertEquals(hasSpaces(`a${space}b`), true, JSON.stringify(space));
  }
  assertEquals(hasSpaces("a\x85\xa0b\x0e\b!"), false);
});

Deno.test("words are split as Redis splits a line of its configuration", () => {
  assertEquals(splitWords("  ~a  +get\t-set\n"), ["~a", "+get", "-set"]);
  assertEquals(splitWords(`"~a b" '~c\\'d' x"y z"`), ["~a b", "~c'd", "xy z"]);
  assertEquals(splitWords(String.raw`"\x7ea\n\"\\\q" '\n'`), ['~a\n"\\q', "\\n"]);
  assertEquals(splitWords(String.raw`~a\b`), ["~a\\b"]);
  assertEquals(splitWords(`""`), [""]);
  assertEquals(splitWords(""), []);
  for (const open of [`"a`, `'a`, `"a"b`, `'a'b`, `"a\\`, `"a\\"`]) {
    assertEquals(splitWords(open), null, open);
  }
});

Deno.test("a word that would be read otherwise is put in quotes", () => {
  for (const word of ["~a", `~a"b`, "~a'b", "~a)", "~(a", `~"\\'`, "~a\\", "", '"', "~\xff"]) {
    assertEquals(splitWords(quotedWord(word)), [word], word);
    assertEquals(quotedWord(word).endsWith(")"), false);
  }
  assertEquals(quotedWord("~a\\*"), "~a\\*");
});
