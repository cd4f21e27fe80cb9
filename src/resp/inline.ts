import { latin1, latin1Bytes } from "../base/bytes.ts";

const SPACES = " \t\n\v\f\r";
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["a", "\x07"],
]);

// Each pattern finds the character that ends a run of plain ones. Runs are copied whole, since one
// word of a line may have many kilobytes.
const PLAIN_END = /[ \t\n\r"']/g;
const DOUBLE_QUOTED_END = /["\\]/g;
const SINGLE_QUOTED_END = /'/g;

/**
 * The words of a command typed by hand, without its line end. Redis's rules: words are split at
 * spaces; `"…"` has the escapes `\xHH`, `\n`, `\r`, `\t`, `\b` and `\a`, and any other character
 * after a backslash stands for itself; `'…'` has only `\'`; a closing quote ends its word. The line
 * ends at a NUL.
 *
 * @returns `null` when the quotes are unbalanced
 */
export function splitInline(line: string): string[] | null {
  const nul = line.indexOf("\0");
  const text = nul < 0 ? line : line.slice(0, nul);
  const words: string[] = [];
  let at = skipSpaces(text, 0);
  while (at < text.length) {
    const word = readWord(text, at);
    if (word === null) return null;
    words.push(copyOf(word.text));
    at = skipSpaces(text, word.end);
  }
  return words;
}

interface Word {
  readonly text: string;
  readonly end: number;
}

/** A word is plain up to its first quote, and ends at the matching closing quote. */
function readWord(line: string, start: number): Word | null {
  const end = findFrom(PLAIN_END, line, start);
  const plain = line.slice(start, end);
  const quote = line.charAt(end);
  if (quote !== '"' && quote !== "'") return { text: plain, end };
  const quoted = quote === '"' ? readDouble(line, end + 1) : readSingle(line, end + 1);
  if (quoted === null || (quoted.end < line.length && !isSpace(line.charAt(quoted.end)))) {
    return null;
  }
  return { text: plain + quoted.text, end: quoted.end };
}

function readDouble(line: string, start: number): Word | null {
  const runs: string[] = [];
  for (let from = start;;) {
    const at = findFrom(DOUBLE_QUOTED_END, line, from);
    if (at === line.length) return null;
    runs.push(line.slice(from, at));
    if (line.charAt(at) === '"') return { text: runs.join(""), end: at + 1 };
    const escaped = line.charAt(at + 1);
    if (/^x[0-9a-fA-F]{2}/.test(line.slice(at + 1, at + 4))) {
      runs.push(String.fromCharCode(parseInt(line.slice(at + 2, at + 4), 16)));
      from = at + 4;
    } else {
      runs.push(ESCAPES.get(escaped) ?? escaped);
      from = at + 2;
    }
  }
}

function readSingle(line: string, start: number): Word | null {
  const runs: string[] = [];
  for (let from = start;;) {
    const at = findFrom(SINGLE_QUOTED_END, line, from);
    if (at === line.length) return null;
    const isEscaped = at > from && line.charAt(at - 1) === "\\";
    runs.push(line.slice(from, isEscaped ? at - 1 : at));
    if (!isEscaped) return { text: runs.join(""), end: at + 1 };
    runs.push("'");
    from = at + 1;
  }
}

/** The position of the pattern's next match, or the line's end. */
function findFrom(pattern: RegExp, line: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(line)?.index ?? line.length;
}

function skipSpaces(line: string, start: number): number {
  let at = start;
  while (at < line.length && isSpace(line.charAt(at))) at++;
  return at;
}

function isSpace(char: string): boolean {
  return SPACES.includes(char);
}

/** V8 copies slices shorter than this; a longer slice keeps the whole string in memory. */
const SLICED_LENGTH_MIN = 13;

/** The word as a string of its own, which does not keep the line in memory. */
function copyOf(word: string): string {
  if (word.length < SLICED_LENGTH_MIN) return word;
  const bytes = latin1Bytes(word);
  return latin1(bytes, 0, bytes.length);
}
