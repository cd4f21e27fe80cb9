import type { Agreement } from "./command_generator.ts";

/** From this time on, deadlines come from absolute times and must agree to the millisecond. */
const EXACT_FROM_MS = 10_000_000_000_000;
const TOLERANCE_MS = 20_000;

/**
 * Whether two raw replies agree.
 *
 * @param exists returns whether a key exists
 */
export function agree(
  agreement: Agreement,
  expected: string,
  actual: string,
  exists: (key: string) => boolean,
): boolean {
  if (expected === actual) return true;
  switch (agreement) {
    case "bytes":
      return false;
    case "set":
      return sameElements(expected, actual);
    case "scan":
      return scanHead(expected) === scanHead(actual) &&
        sameElements(
          expected.slice(scanHead(expected).length),
          actual.slice(scanHead(actual).length),
        );
    case "key":
      return isExistingKey(expected, exists) && isExistingKey(actual, exists);
    case "remainingSeconds":
      return isNear(expected, actual, 1000, Infinity);
    case "remainingMilliseconds":
      return isNear(expected, actual, 1, Infinity);
    case "deadlineSeconds":
      return isNear(expected, actual, 1000, EXACT_FROM_MS);
    case "deadlineMilliseconds":
      return isNear(expected, actual, 1, EXACT_FROM_MS);
  }
}

/** The bulk strings of an array that contains no arrays. */
export function elements(reply: string): string[] {
  const found: string[] = [];
  let at = reply.indexOf("\r\n") + 2;
  while (at < reply.length) {
    const lineEnd = reply.indexOf("\r\n", at);
    const end = lineEnd + 2 + Number(reply.slice(at + 1, lineEnd));
    found.push(reply.slice(lineEnd + 2, end));
    at = end + 2;
  }
  return found;
}

function sameElements(expected: string, actual: string): boolean {
  if (!expected.startsWith("*") || !actual.startsWith("*")) return false;
  return JSON.stringify(elements(expected).sort()) === JSON.stringify(elements(actual).sort());
}

/** The header of a `SCAN` reply: `*2` and the cursor. */
function scanHead(reply: string): string {
  return /^\*2\r\n\$\d+\r\n\d+\r\n/.exec(reply)?.[0] ?? "";
}

function isExistingKey(reply: string, exists: (key: string) => boolean): boolean {
  return reply.startsWith("$") && elements(`*1\r\n${reply}`).every(exists);
}

function isNear(expected: string, actual: string, unitMs: number, exactFromMs: number): boolean {
  const a = timeMs(expected, unitMs);
  const b = timeMs(actual, unitMs);
  return Math.abs(a - b) <= TOLERANCE_MS && a < exactFromMs;
}

function timeMs(reply: string, unitMs: number): number {
  const digits = /^:(\d+)\r\n$/.exec(reply)?.[1];
  return digits === undefined ? NaN : Number(digits) * unitMs;
}
