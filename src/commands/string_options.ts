import { argument } from "./arguments.ts";
import type { DeadlineUnit } from "./deadline.ts";

/** The options of `SET` and `GETEX`. */
export interface StringOptions {
  condition: "NX" | "XX" | null;
  get: boolean;
  keepDeadline: boolean;
  persist: boolean;
  unit: DeadlineUnit | null;
  /** What follows `unit`. */
  amount: string;
}

/**
 * Reads the options from argument `from` on; `null` when they make no sense. An option may be
 * repeated, and the last amount counts; different ones for the same thing exclude each other.
 */
export function parseStringOptions(
  args: readonly string[],
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
