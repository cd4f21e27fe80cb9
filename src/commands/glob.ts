const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const DASH = 0x2d;

/**
 * Whether the text matches a pattern as Redis understands it: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and
 * `\` before a character that stands for itself.
 *
 * Only the last `*` is ever tried again at a later place: what an earlier one could match more of,
 * the last one matches as well. So the time is at most the product of the two lengths.
 *
 * Three things are Redis's own: no pattern but the empty one matches the empty text; a class that
 * is not closed ends with the pattern; and the ends of a range compare as signed bytes.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  if (text === "") return pattern === "";
  let at = 0;
  let index = 0;
  let retryAt = -1;
  let retryIndex = 0;
  while (index < text.length) {
    if (pattern.charCodeAt(at) === STAR) {
      retryAt = ++at;
      retryIndex = index;
      if (at === pattern.length) return true;
      continue;
    }
    const next = matchOne(pattern, at, text.charCodeAt(index));
    if (next > 0) {
      at = next;
      index++;
    } else if (retryAt >= 0) {
      at = retryAt;
      index = ++retryIndex;
    } else {
      return false;
    }
  }
  while (pattern.charCodeAt(at) === STAR) at++;
  return at === pattern.length;
}

/** Matches one character: where the pattern goes on, or 0 when it does not match. */
function matchOne(pattern: string, at: number, code: number): number {
  if (at >= pattern.length) return 0;
  const first = pattern.charCodeAt(at);
  switch (first) {
    case QUESTION:
      return at + 1;
    case OPEN:
      return matchClass(pattern, at + 1, code);
    case BACKSLASH:
      if (at + 1 < pattern.length) return pattern.charCodeAt(at + 1) === code ? at + 2 : 0;
      return first === code ? at + 1 : 0;
    default:
      return first === code ? at + 1 : 0;
  }
}

function matchClass(pattern: string, from: number, code: number): number {
  const length = pattern.length;
  const negated = pattern.charCodeAt(from) === CARET;
  let at = negated ? from + 1 : from;
  let matched = false;
  while (at < length && pattern.charCodeAt(at) !== CLOSE) {
    if (pattern.charCodeAt(at) === BACKSLASH && at + 1 < length) {
      at++;
      if (pattern.charCodeAt(at) === code) matched = true;
    } else if (pattern.charCodeAt(at + 1) === DASH && at + 2 < length) {
      if (isBetween(code, pattern.charCodeAt(at), pattern.charCodeAt(at + 2))) matched = true;
      at += 2;
    } else if (pattern.charCodeAt(at) === code) {
      matched = true;
    }
    at++;
  }
  return matched === negated ? 0 : Math.min(at + 1, length);
}

function isBetween(code: number, end: number, otherEnd: number): boolean {
  const value = signed(code);
  const a = signed(end);
  const b = signed(otherEnd);
  return a < b ? a <= value && value <= b : b <= value && value <= a;
}

function signed(byte: number): number {
  return byte << 24 >> 24;
}
