import { ErrorReply, type Reply } from "../resp/reply.ts";
import { argument, stringOf, SYNTAX_ERROR } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { readDeadline } from "./deadline.ts";
import { ALL_KEYS, FIRST_KEY, rowsOf } from "./rows.ts";
import { parseStringOptions } from "./string_options.ts";

function get({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const found = keyspace.find(argument(args, 1));
  return found === undefined ? null : stringOf(found);
}

function mget({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const values: (string | null)[] = [];
  for (let index = 1; index < args.length; index++) {
    const found = keyspace.find(argument(args, index));
    const value = found === undefined ? null : stringOf(found);
    values.push(value instanceof ErrorReply ? null : value);
  }
  return values;
}

function getdel({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const key = argument(args, 1);
  const found = keyspace.find(key);
  if (found === undefined) return null;
  const value = stringOf(found);
  if (!(value instanceof ErrorReply)) keyspace.delete(key);
  return value;
}

function getex({ keyspace, nowMs }: CommandContext, args: readonly string[]): Reply {
  const options = parseStringOptions(args, 2, "getex");
  if (options === null) return SYNTAX_ERROR;
  const key = argument(args, 1);
  const found = keyspace.find(key);
  if (found === undefined) return null;
  const value = stringOf(found);
  if (value instanceof ErrorReply) return value;

  const { unit, amount, persist } = options;
  if (unit !== null) {
    const deadlineMs = readDeadline(amount, unit, nowMs, "getex");
    if (deadlineMs instanceof ErrorReply) return deadlineMs;
    keyspace.setDeadline(key, deadlineMs);
  } else if (persist) {
    keyspace.clearDeadline(key);
  }
  return value;
}

/** Commands that return whole strings. */
export const getRows: readonly Command[] = rowsOf("string", ["string"], [
  {
    name: "get",
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    since: "1.0.0",
    summary: "Returns the value of a key",
    run: get,
  },
  {
    name: "mget",
    arity: -2,
    kind: "read",
    flags: ["fast"],
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: "Returns the values of several keys",
    run: mget,
  },
  {
    name: "getdel",
    arity: 2,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_KEY,
    since: "6.2.0",
    summary: "Returns the value of a key and deletes it",
    run: getdel,
  },
  {
    name: "getex",
    arity: -2,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_KEY,
    since: "6.2.0",
    summary: "Returns the value of a key and sets or removes its deadline",
    run: getex,
  },
]);
