import type { Arguments } from "../base/byte_string.ts";
import { addIntegers, INT64_MIN, type Integer, integerIn, normalize } from "../base/integer.ts";
import type { Reply } from "../resp/reply.ts";
import { argument, integerAt } from "./arguments.ts";
import { type Command, type CommandContext, FIRST_KEY, rowsOf } from "./command.ts";
import { CommandError, NOT_AN_INTEGER } from "./command_error.ts";
import { addLongDoubles, formatLongDouble, parseLongDouble } from "./long_double.ts";
import { stringOf } from "./typed_values.ts";

const OVERFLOW = new CommandError("ERR increment or decrement would overflow");
const DECREMENT_OVERFLOW = new CommandError("ERR decrement would overflow");
const NOT_A_FLOAT = new CommandError("ERR value is not a valid float");
const NOT_FINITE = new CommandError("ERR increment would produce NaN or Infinity");

function incr(context: CommandContext, args: Arguments): Reply {
  return add(context, argument(args, 1), 1);
}

function decr(context: CommandContext, args: Arguments): Reply {
  return add(context, argument(args, 1), -1);
}

function incrby(context: CommandContext, args: Arguments): Reply {
  return add(context, argument(args, 1), integerAt(args, 2));
}

function decrby(context: CommandContext, args: Arguments): Reply {
  const decrement = integerAt(args, 2);
  if (decrement === INT64_MIN) throw DECREMENT_OVERFLOW;
  return add(context, argument(args, 1), negate(decrement));
}

function negate(value: Integer): Integer {
  return typeof value === "number" ? 0 - value : normalize(-value);
}

function add(context: CommandContext, key: string, increment: Integer): Reply {
  const found = context.keyspace.find(key);
  const text = found === undefined ? "0" : stringOf(found);
  const value = integerIn(text);
  if (value === null) throw NOT_AN_INTEGER;
  const sum = addIntegers(value, increment);
  if (sum === null) throw OVERFLOW;
  context.keyspace.update(key, String(sum));
  return sum;
}

function incrbyfloat(context: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  const found = context.keyspace.find(key);
  const text = found === undefined ? "0" : stringOf(found);
  const value = typeof text === "string" ? parseLongDouble(text) : null;
  const increment = parseLongDouble(argument(args, 2));
  if (value === null || increment === null) throw NOT_A_FLOAT;
  const sum = addLongDoubles(value, increment);
  if (sum === null) throw NOT_FINITE;
  const result = formatLongDouble(sum);
  context.keyspace.update(key, result);
  return result;
}

/** Commands that treat a string as a number. */
export const counterRows: readonly Command[] = rowsOf("string", ["string"], [
  {
    name: "incr",
    arity: 2,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW access update",
    since: "1.0.0",
    summary: "Adds one to the integer in a key",
    run: incr,
  },
  {
    name: "decr",
    arity: 2,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW access update",
    since: "1.0.0",
    summary: "Subtracts one from the integer in a key",
    run: decr,
  },
  {
    name: "incrby",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW access update",
    since: "1.0.0",
    summary: "Adds to the integer in a key",
    run: incrby,
  },
  {
    name: "decrby",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW access update",
    since: "1.0.0",
    summary: "Subtracts from the integer in a key",
    run: decrby,
  },
  {
    name: "incrbyfloat",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW access update",
    since: "2.6.0",
    summary: "Adds to the floating-point number in a key",
    run: incrbyfloat,
  },
]);
