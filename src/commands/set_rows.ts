import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { argument, stringOf, SYNTAX_ERROR } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { type DeadlineUnit, readDeadline } from "./deadline.ts";
import { wrongNumberOfArguments } from "./request_errors.ts";
import { ALL_PAIRS, FIRST_KEY, rowsOf } from "./rows.ts";
import { parseStringOptions } from "./string_options.ts";

function set(context: CommandContext, args: readonly string[]): Reply {
  if (args.length > 3) return setWithOptions(context, args);
  context.keyspace.set(argument(args, 1), argument(args, 2));
  return OK;
}

function setWithOptions(context: CommandContext, args: readonly string[]): Reply {
  const options = parseStringOptions(args, 3, "set");
  if (options === null) return SYNTAX_ERROR;
  const { unit, amount, condition, get, keepDeadline } = options;
  const deadlineMs = unit === null ? null : readDeadline(amount, unit, context.nowMs, "set");
  if (deadlineMs instanceof ErrorReply) return deadlineMs;

  const key = argument(args, 1);
  const { keyspace } = context;
  const found = get ? keyspace.find(key) : undefined;
  const before = found === undefined ? null : stringOf(found);
  if (before instanceof ErrorReply) return before;
  if (condition !== null && keyspace.has(key) !== (condition === "XX")) return before;
  if (keepDeadline) keyspace.update(key, argument(args, 2));
  else keyspace.set(key, argument(args, 2));
  if (deadlineMs !== null) keyspace.setDeadline(key, deadlineMs);
  return get ? before : OK;
}

function setnx({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const key = argument(args, 1);
  if (keyspace.has(key)) return 0;
  keyspace.set(key, argument(args, 2));
  return 1;
}

function setex(context: CommandContext, args: readonly string[]): Reply {
  return setWithDeadline(context, args, "EX", "setex");
}

function psetex(context: CommandContext, args: readonly string[]): Reply {
  return setWithDeadline(context, args, "PX", "psetex");
}

function setWithDeadline(
  { keyspace, nowMs }: CommandContext,
  args: readonly string[],
  unit: DeadlineUnit,
  name: string,
): Reply {
  const deadlineMs = readDeadline(argument(args, 2), unit, nowMs, name);
  if (deadlineMs instanceof ErrorReply) return deadlineMs;
  const key = argument(args, 1);
  keyspace.set(key, argument(args, 3));
  keyspace.setDeadline(key, deadlineMs);
  return OK;
}

function getset({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const key = argument(args, 1);
  const found = keyspace.find(key);
  const before = found === undefined ? null : stringOf(found);
  if (!(before instanceof ErrorReply)) keyspace.set(key, argument(args, 2));
  return before;
}

function mset({ keyspace }: CommandContext, args: readonly string[]): Reply {
  if (args.length % 2 === 0) return wrongNumberOfArguments("mset");
  for (let index = 1; index < args.length; index += 2) {
    keyspace.set(argument(args, index), argument(args, index + 1));
  }
  return OK;
}

function msetnx(context: CommandContext, args: readonly string[]): Reply {
  if (args.length % 2 === 0) return wrongNumberOfArguments("msetnx");
  for (let index = 1; index < args.length; index += 2) {
    if (context.keyspace.has(argument(args, index))) return 0;
  }
  mset(context, args);
  return 1;
}

/** Commands that replace a string. */
export const setRows: readonly Command[] = rowsOf("string", ["string"], [
  {
    name: "set",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_KEY,
    since: "1.0.0",
    summary: "Sets the value of a key, with conditions and a deadline if wanted",
    run: set,
  },
  {
    name: "setnx",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    since: "1.0.0",
    summary: "Sets the value of a key that does not exist",
    run: setnx,
  },
  {
    name: "setex",
    arity: 4,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_KEY,
    since: "2.0.0",
    summary: "Sets the value of a key and its time to live in seconds",
    run: setex,
  },
  {
    name: "psetex",
    arity: 4,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_KEY,
    since: "2.6.0",
    summary: "Sets the value of a key and its time to live in milliseconds",
    run: psetex,
  },
  {
    name: "getset",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    since: "1.0.0",
    summary: "Sets the value of a key and returns the one before",
    run: getset,
  },
  {
    name: "mset",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: ALL_PAIRS,
    since: "1.0.1",
    summary: "Sets the values of several keys at once",
    run: mset,
  },
  {
    name: "msetnx",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: ALL_PAIRS,
    since: "1.0.1",
    summary: "Sets the values of several keys at once, if none of them exists",
    run: msetnx,
  },
]);
