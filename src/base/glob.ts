const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const DASH = 0x2d;

const BYTES = 256;

/** Maximum length of a pattern in bytes: it is parsed and compared on the event loop. */
export const PATTERN_BYTES_MAX = 16 * 1024;

/** The part of a pattern that one character is compared with. Consecutive stars are one part. */
type Part = typeof ANY_TEXT | typeof ANY_CHARACTER | number | CharacterClass;
const ANY_TEXT = -1;
const ANY_CHARACTER = -2;

/** For each byte, whether it is in the class. */
type CharacterClass = Uint8Array;

/**
 * A pattern as in Redis: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a character that stands
 * for itself.
 *
 * Three rules are Redis's own: only the empty pattern matches the empty text; an unclosed class
 * ends with the pattern; and the ends of a range compare as signed bytes.
 */
export class Glob {
  readonly #parts: readonly Part[];

  constructor(pattern: string) {
    this.#parts = partsOf(pattern);
  }

  /** Whether the text matches. The number of steps is at most the product of the two lengths. */
  matches(text: string): boolean {
    return new GlobMatch(this.#parts, text).run(Infinity) ?? false;
  }

  /** Begins to match a text, for callers that must not block while a long one is compared. */
  begin(text: string): GlobMatch {
    return new GlobMatch(this.#parts, text);
  }
}

/**
 * A match in progress. Only the last `*` is ever retried at a later place: whatever an earlier one
 * could match in addition, the last one matches as well.
 */
export class GlobMatch {
  readonly #parts: readonly Part[];
  readonly #text: string;
  /** The next part of the pattern, and the character of the text that it is compared with. */
  #at = 0;
  #index = 0;
  /** The part after the last `*`, or -1, and the character at which that part was tried last. */
  #retryAt = -1;
  #retryIndex = 0;
  #steps = 0;

  constructor(parts: readonly Part[], text: string) {
    this.#parts = parts;
    this.#text = text;
  }

  /** Number of characters compared so far. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Continues for this many steps. Returns whether the text matches, or `null` if that is not known
   * yet.
   */
  run(steps: number): boolean | null {
    const parts = this.#parts;
    const text = this.#text;
    if (text === "") return parts.length === 0;
    const stepsMax = this.#steps + steps;
    while (this.#index < text.length) {
      if (this.#steps === stepsMax) return null;
      this.#steps++;
      const part = parts[this.#at];
      if (part === ANY_TEXT) {
        this.#at++;
        if (this.#at === parts.length) return true;
        this.#retryAt = this.#at;
        this.#retryIndex = this.#index;
      } else if (part !== undefined && isAt(part, text.charCodeAt(this.#index))) {
        this.#at++;
        this.#index++;
      } else if (this.#retryAt >= 0) {
        this.#at = this.#retryAt;
        this.#index = ++this.#retryIndex;
      } else {
        return false;
      }
    }
    return this.#at === parts.length ||
      (this.#at === parts.length - 1 && parts[this.#at] === ANY_TEXT);
  }
}

/** Whether the whole text matches the pattern; see `Glob`. */
export function matchesGlob(pattern: string, text: string): boolean {
  return new Glob(pattern).matches(text);
}

function isAt(part: Part, code: number): boolean {
  if (typeof part !== "number") return part[code] === 1;
  return part === code || part === ANY_CHARACTER;
}

function partsOf(pattern: string): readonly Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const code = pattern.charCodeAt(at);
    if (code === STAR) {
      if (parts.at(-1) !== ANY_TEXT) parts.push(ANY_TEXT);
    } else if (code === QUESTION) {
      parts.push(ANY_CHARACTER);
    } else if (code === OPEN) {
      const { members, end } = classAt(pattern, at + 1);
      parts.push(members);
      at = end - 1;
    } else if (code === BACKSLASH && at + 1 < pattern.length) {
      parts.push(pattern.charCodeAt(++at));
    } else {
      parts.push(code);
    }
  }
  return parts;
}

/** The class that begins at `from`, and where the pattern continues. */
function classAt(pattern: string, from: number): { members: CharacterClass; end: number } {
  const length = pattern.length;
  const isNegated = pattern.charCodeAt(from) === CARET;
  const members = new Uint8Array(BYTES);
  let at = isNegated ? from + 1 : from;
  while (at < length && pattern.charCodeAt(at) !== CLOSE) {
    if (pattern.charCodeAt(at) === BACKSLASH && at + 1 < length) {
      at++;
      members[pattern.charCodeAt(at)] = 1;
    } else if (pattern.charCodeAt(at + 1) === DASH && at + 2 < length) {
      addRange(members, pattern.charCodeAt(at), pattern.charCodeAt(at + 2));
      at += 2;
    } else {
      members[pattern.charCodeAt(at)] = 1;
    }
    at++;
  }
  if (isNegated) {
    for (let code = 0; code < BYTES; code++) {
      members[code] = 1 - (members[code] ?? 0);
    }
  }
  return { members, end: Math.min(at + 1, length) };
}

function addRange(members: CharacterClass, end: number, otherEnd: number): void {
  const low = Math.min(signed(end), signed(otherEnd));
  const high = Math.max(signed(end), signed(otherEnd));
  for (let value = low; value <= high; value++) members[value & (BYTES - 1)] = 1;
}

function signed(byte: number): number {
  return byte << 24 >> 24;
}
