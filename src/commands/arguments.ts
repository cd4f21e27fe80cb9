import { type Arguments, type ByteString, textOf } from "../base/byte_string.ts";
import { assert } from "../base/errors.ts";
import { addIntegers, type Integer, multiplyIntegers, parseInteger } from "../base/integer.ts";
import type { DeadlineMs } from "../store/deadlines.ts";
import { CommandError, invalidExpireTime, NOT_AN_INTEGER, SYNTAX_ERROR } from "./command_error.ts";

/** An argument as text. The arity check has shown that it exists. */
export function argument(args: Arguments, index: number): string {
  return textOf(valueArgument(args, index));
}

/** As `argument`, for a value to be stored: long bytes are not converted to text. */
export function valueArgument(args: Arguments, index: number): ByteString {
  const value = args[index];
  assert(value !== undefined, "Cannot read an argument: the arity was not checked");
  return value;
}

/** Whether an argument is this option, in any case. `option` is in upper case. */
export function isOption(argument: string, option: string): boolean {
  return argument.length === option.length &&
    (argument === option || argument.toUpperCase() === option);
}

/** The integer value of an argument. @throws {CommandError} if it is not an integer */
export function integerAt(args: Arguments, index: number): Integer {
  const value = parseInteger(argument(args, index));
  if (value === null) throw NOT_AN_INTEGER;
  return value;
}

/** The unit of a deadline: seconds or milliseconds, from now (`EX`, `PX`) or absolute. */
export type DeadlineUnit = "EX" | "PX" | "EXAT" | "PXAT";

/** The deadline, in ms of the Unix epoch; `null` if it does not fit into 64 bits. */
export function deadlineOf(amount: Integer, unit: DeadlineUnit, nowMs: number): Integer | null {
  const inSeconds = unit === "EX" || unit === "EXAT";
  const amountMs = inSeconds ? multiplyIntegers(amount, 1000) : amount;
  if (amountMs === null || unit === "EXAT" || unit === "PXAT") return amountMs;
  return addIntegers(amountMs, nowMs);
}

/**
 * Parses the deadline of `SET`, `GETEX` and the like.
 *
 * @throws {CommandError} if it is not an integer, not positive, or beyond 64 bits
 */
export function readDeadline(
  amount: string,
  unit: DeadlineUnit,
  nowMs: number,
  commandName: string,
): DeadlineMs {
  const value = parseInteger(amount);
  if (value === null) throw NOT_AN_INTEGER;
  const deadlineMs = value <= 0 ? null : deadlineOf(value, unit, nowMs);
  if (deadlineMs === null) throw invalidExpireTime(commandName);
  return deadlineMs;
}

const INVALID_CURSOR = new CommandError("ERR invalid cursor");
const COUNT_DEFAULT = 10;

export interface ScanOptions {
  readonly cursor: number;
  readonly count: number;
  /** `null`: every key matches. */
  readonly pattern: string | null;
  readonly type: string | null;
}

/**
 * Parses `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`.
 *
 * @throws {CommandError} if the cursor or an option is invalid
 */
export function parseScan(args: Arguments): ScanOptions {
  const cursor = parseCursor(argument(args, 1));
  if (cursor === null) throw INVALID_CURSOR;
  let count = COUNT_DEFAULT;
  let pattern: string | null = null;
  let type: string | null = null;
  for (let index = 2; index < args.length; index += 2) {
    const word = argument(args, index);
    if (index + 1 === args.length) throw SYNTAX_ERROR;
    const value = argument(args, index + 1);
    if (isOption(word, "COUNT")) {
      const parsed = parseInteger(value);
      if (parsed === null) throw NOT_AN_INTEGER;
      if (parsed < 1) throw SYNTAX_ERROR;
      count = Number(parsed);
    } else if (isOption(word, "MATCH")) {
      pattern = value === "*" ? null : value;
    } else if (isOption(word, "TYPE")) {
      type = value;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return { cursor, count, pattern, type };
}

/**
 * Redis parses cursors with C's `strtoul`: a sign is allowed, an empty text is 0, and a negative
 * number wraps around to a huge one. No scan returns such a cursor, so it starts at the beginning.
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

/** The options of `SET` and `GETEX`. */
export interface StringOptions {
  condition: "NX" | "XX" | null;
  get: boolean;
  keepDeadline: boolean;
  persist: boolean;
  unit: DeadlineUnit | null;
  /** The argument after `unit`. */
  amount: string;
}

/**
 * Parses the options from argument `from` on; `null` if they are invalid. An option may be
 * repeated, and the last amount counts; different options for the same thing exclude each other.
 */
export function parseStringOptions(
  args: Arguments,
  from: number,
  command: "set" | "getex",
): StringOptions | null {
  const options: StringOptions = {
    condition: null,
    get: false,
    keepDeadline: false,
    persist: false,
    unit: null,
    amount: "",
  };
  for (let index = from; index < args.length; index++) {
    const word = argument(args, index).toUpperCase();
    if (isUnit(word)) {
      if (index + 1 === args.length || !takeUnit(options, word)) return null;
      options.amount = argument(args, ++index);
    } else if (!(command === "set" ? takeSetOption(options, word) : takePersist(options, word))) {
      return null;
    }
  }
  return options;
}

function isUnit(word: string): word is DeadlineUnit {
  return word === "EX" || word === "PX" || word === "EXAT" || word === "PXAT";
}

function takeUnit(options: StringOptions, unit: DeadlineUnit): boolean {
  if (options.keepDeadline || options.persist) return false;
  if (options.unit !== null && options.unit !== unit) return false;
  options.unit = unit;
  return true;
}

function takeSetOption(options: StringOptions, word: string): boolean {
  switch (word) {
    case "NX":
    case "XX":
      if (options.condition !== null && options.condition !== word) return false;
      options.condition = word;
      return true;
    case "GET":
      options.get = true;
      return true;
    case "KEEPTTL":
      options.keepDeadline = true;
      return options.unit === null;
    default:
      return false;
  }
}

function takePersist(options: StringOptions, word: string): boolean {
  options.persist = true;
  return word === "PERSIST" && options.unit === null;
}
