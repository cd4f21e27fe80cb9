import { latin1, latin1Bytes } from "../base/latin1.ts";

const SPACES = " \t\n\v\f\r";
const WORD_ENDS = " \t\n\r";
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["b", "\b"],
  ["a", "\x07"],
]);

/**
 * The words of a command typed by hand, without its line end. Redis's rules: words are split at
 * spaces; `"…"` knows `\xHH`, `\n`, `\r`, `\t`, `\b`, `\a` and takes any other character after a
 * backslash as it is; `'…'` knows only `\'`; a closing quote ends its word. The line ends at a NUL.
 *
 * @returns `null` when quotes do not balance
 */
export function splitInline(line: string): string[] | null {
  const nul = line.indexOf("\0");
  const text = nul < 0 ? line : line.slice(0, nul);
  const words: string[] = [];
  let at = skipSpaces(text, 0);
  while (at < text.length) {
    const word = readWord(text, at);
    if (word === null) return null;
    words.push(flatten(word.text));
    at = skipSpaces(text, word.end);
  }
  return words;
}

interface Word {
  readonly text: string;
  readonly end: number;
}

function readWord(line: string, start: number): Word | null {
  let text = "";
  let at = start;
  while (at < line.length && !WORD_ENDS.includes(line.charAt(at))) {
    const char = line.charAt(at);
    if (char !== '"' && char !== "'") {
      text += char;
      at++;
      continue;
    }
    const quoted = char === '"' ? readDouble(line, at + 1) : readSingle(line, at + 1);
    if (quoted === null || (quoted.end < line.length && !isSpace(line.charAt(quoted.end)))) {
      return null;
    }
    return { text: text + quoted.text, end: quoted.end };
  }
  return { text, end: at };
}

function readDouble(line: string, start: number): Word | null {
  let text = "";
  for (let at = start; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === '"') return { text, end: at + 1 };
    if (char !== "\\" || at + 1 >= line.length) {
      text += char;
      continue;
    }
    const hex = /^x[0-9a-fA-F]{2}/.test(line.slice(at + 1, at + 4));
    text += hex
      ? String.fromCharCode(parseInt(line.slice(at + 2, at + 4), 16))
      : ESCAPES.get(line.charAt(at + 1)) ?? line.charAt(at + 1);
    at += hex ? 3 : 1;
  }
  return null;
}

function readSingle(line: string, start: number): Word | null {
  let text = "";
  for (let at = start; at < line.length; at++) {
    const char = line.charAt(at);
    if (char === "'") return { text, end: at + 1 };
    const escaped = char === "\\" && line.charAt(at + 1) === "'";
    text += escaped ? "'" : char;
    if (escaped) at++;
  }
  return null;
}

function skipSpaces(line: string, start: number): number {
  let at = start;
  while (at < line.length && isSpace(line.charAt(at))) at++;
  return at;
}

function isSpace(char: string): boolean {
  return SPACES.includes(char);
}

/** A string built piece by piece holds on to its pieces; this one stands alone. */
function flatten(word: string): string {
  const bytes = latin1Bytes(word);
  return latin1(bytes, 0, bytes.length);
}
