/**
 * The text with its ASCII letters in lower case. `toLowerCase` would also change bytes above 127,
 * which are not characters.
 */
export function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whether the text has white space as C knows it, or a zero byte. Users and patterns have none. */
export function hasSpaces(text: string): boolean {
  return /[\0\t-\r ]/.test(text);
}

/** White space that ends a word in `splitWords`. */
const SEPARATORS = " \n\r\t\0";
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  a: "\x07",
};

/**
 * Splits a text into words as Redis splits a line of its configuration file: at white space, where
 * `"…"` may hold escapes such as `\n` and `\x41`, and `'…'` only `\'`. `null` if a quote is not
 * closed, or if a word continues after one.
 */
export function splitWords(text: string): string[] | null {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSeparator(text.charAt(at))) at++;
    if (at === text.length) return words;
    let word = "";
    while (at < text.length && !isSeparator(text.charAt(at))) {
      const character = text.charAt(at++);
      if (character !== '"' && character !== "'") {
        word += character;
        continue;
      }
      const quoted = quotedAt(text, at, character);
      if (quoted === null) return null;
      word += quoted.text;
      at = quoted.end;
      if (at < text.length && !isSeparator(text.charAt(at))) return null;
    }
    words.push(word);
  }
}

function isSeparator(character: string): boolean {
  return SEPARATORS.includes(character);
}

/** The quoted text that begins at `from`, and where the rest continues. */
function quotedAt(text: string, from: number, quote: string): { text: string; end: number } | null {
  let found = "";
  for (let at = from; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === quote) return { text: found, end: at + 1 };
    const next = text.charAt(at + 1);
    if (character !== "\\" || next === "" || (quote === "'" && next !== "'")) {
      found += character;
      continue;
    }
    const hex = quote === '"'
      ? /^x([0-9a-f]{2})/i.exec(text.slice(at + 1, at + 4))?.[1]
      : undefined;
    if (hex !== undefined) {
      found += String.fromCharCode(parseInt(hex, 16));
      at += 3;
    } else {
      found += quote === '"' ? ESCAPES[next] ?? next : next;
      at++;
    }
  }
  return null;
}

/** The word in quotes if it would not be read as itself among the rules of a selector. */
export function quotedWord(word: string): string {
  if (word !== "" && !/["']|\)$/.test(word)) return word;
  return `"${word.replace(/["\\]/g, "\\$&")}"`;
}
