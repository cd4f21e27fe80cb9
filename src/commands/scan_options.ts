import { ErrorReply } from "../resp/reply.ts";
import { argument, isOption, NOT_AN_INTEGER, SYNTAX_ERROR } from "./arguments.ts";
import { parseInteger } from "./integer.ts";

const INVALID_CURSOR = new ErrorReply("ERR invalid cursor");
const COUNT_DEFAULT = 10;

export interface ScanOptions {
  readonly cursor: number;
  readonly count: number;
  /** `null`: every key matches. */
  readonly pattern: string | null;
  readonly type: string | null;
}

/** Reads `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`. */
export function parseScan(args: readonly string[]): ScanOptions | ErrorReply {
  const cursor = parseCursor(argument(args, 1));
  if (cursor === null) return INVALID_CURSOR;
  let count = COUNT_DEFAULT;
  let pattern: string | null = null;
  let type: string | null = null;
  for (let index = 2; index < args.length; index += 2) {
    const word = argument(args, index);
    const value = args[index + 1];
    if (value === undefined) return SYNTAX_ERROR;
    if (isOption(word, "COUNT")) {
      const parsed = parseInteger(value);
      if (parsed === null) return NOT_AN_INTEGER;
      if (parsed < 1) return SYNTAX_ERROR;
      count = Number(parsed);
    } else if (isOption(word, "MATCH")) {
      pattern = value === "*" ? null : value;
    } else if (isOption(word, "TYPE")) {
      type = value;
    } else {
      return SYNTAX_ERROR;
    }
  }
  return { cursor, count, pattern, type };
}

/**
 * Redis reads cursors with C's `strtoul`: a sign is allowed, an empty text is 0, and a negative
 * number is a huge one. No scan hands out such cursors; they are taken for the start.
 */
function parseCursor(text: string): number | null {
  const nul = text.indexOf("\0");
  const digits = nul < 0 ? text : text.slice(0, nul);
  if (digits === "") return 0;
  if (!/^[+-]?[0-9]+$/.test(digits)) return null;
  const magnitude = BigInt(digits.replace(/^[+-]/, ""));
  if (magnitude >= 2n ** 64n) return null;
  return digits.startsWith("-") ? 0 : Number(magnitude);
}
