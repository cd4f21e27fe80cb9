import { ErrorReply, OK, type Reply, SimpleString } from "../resp/reply.ts";
import type { Found, Keyspace } from "../store/keyspace.ts";
import { typeOf } from "../store/value.ts";
import { argument, isOption, NOT_AN_INTEGER, SYNTAX_ERROR } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { parseInteger } from "./integer.ts";
import { ALL_KEYS, FIRST_KEY, FIRST_TWO_KEYS, rowsOf } from "./rows.ts";

const NO_TYPE = new SimpleString("none");
const NO_SUCH_KEY = new ErrorReply("ERR no such key");
const SAME_KEY = new ErrorReply("ERR source and destination objects are the same");
const NO_SUCH_DATABASE = new ErrorReply("ERR DB index is out of range");
const NOT_32_BITS = new ErrorReply(
  "ERR value is out of range, value must between -2147483648 and 2147483647",
);

function del({ keyspace }: CommandContext, args: readonly string[]): Reply {
  let deleted = 0;
  for (let index = 1; index < args.length; index++) {
    if (keyspace.delete(argument(args, index))) deleted++;
  }
  return deleted;
}

function exists({ keyspace }: CommandContext, args: readonly string[]): Reply {
  let found = 0;
  for (let index = 1; index < args.length; index++) {
    if (keyspace.has(argument(args, index))) found++;
  }
  return found;
}

function type({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const found = keyspace.find(argument(args, 1));
  return found === undefined ? NO_TYPE : new SimpleString(typeOf(found.value));
}

function rename(context: CommandContext, args: readonly string[]): Reply {
  return move(context, argument(args, 1), argument(args, 2)) ? OK : NO_SUCH_KEY;
}

function renamenx(context: CommandContext, args: readonly string[]): Reply {
  const { keyspace } = context;
  if (!keyspace.has(argument(args, 1))) return NO_SUCH_KEY;
  // A key exists as its own destination, too.
  if (keyspace.has(argument(args, 2))) return 0;
  move(context, argument(args, 1), argument(args, 2));
  return 1;
}

/** Tells whether there was something to move. */
function move({ keyspace }: CommandContext, from: string, to: string): boolean {
  const source = keyspace.find(from);
  if (source === undefined) return false;
  keyspace.delete(from);
  store(keyspace, to, source);
  return true;
}

function store(keyspace: Keyspace, key: string, { value, deadlineMs }: Found): void {
  keyspace.set(key, value);
  if (deadlineMs !== null) keyspace.setDeadline(key, deadlineMs);
}

function copy({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const replace = parseCopyOptions(args);
  if (replace instanceof ErrorReply) return replace;
  const key = argument(args, 2);
  if (argument(args, 1) === key) return SAME_KEY;
  const source = keyspace.find(argument(args, 1));
  if (source === undefined || (!replace && keyspace.has(key))) return 0;
  store(keyspace, key, source);
  return 1;
}

/** Tells whether `REPLACE` is given. The only database is 0. */
function parseCopyOptions(args: readonly string[]): boolean | ErrorReply {
  let replace = false;
  for (let index = 3; index < args.length; index++) {
    const word = argument(args, index);
    if (isOption(word, "REPLACE")) {
      replace = true;
    } else if (isOption(word, "DB") && index + 1 < args.length) {
      const database = parseInteger(argument(args, ++index));
      if (database === null) return NOT_AN_INTEGER;
      if (database < -(2 ** 31) || database >= 2 ** 31) return NOT_32_BITS;
      if (database !== 0) return NO_SUCH_DATABASE;
    } else {
      return SYNTAX_ERROR;
    }
  }
  return replace;
}

/** Commands for keys that hold whatever type. */
export const keyRows: readonly Command[] = rowsOf("generic", ["keyspace"], [
  {
    name: "del",
    arity: -2,
    kind: "write",
    flags: [],
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: "Deletes keys",
    run: del,
  },
  {
    name: "unlink",
    arity: -2,
    kind: "write",
    flags: ["fast"],
    keys: ALL_KEYS,
    since: "4.0.0",
    summary: "Deletes keys",
    run: del,
  },
  {
    name: "exists",
    arity: -2,
    kind: "read",
    flags: ["fast"],
    keys: ALL_KEYS,
    since: "1.0.0",
    summary: "Counts which of the keys exist",
    run: exists,
  },
  {
    name: "touch",
    arity: -2,
    kind: "read",
    flags: ["fast"],
    keys: ALL_KEYS,
    since: "3.2.1",
    summary: "Counts which of the keys exist",
    run: exists,
  },
  {
    name: "type",
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    since: "1.0.0",
    summary: "Returns the type of a key's value",
    run: type,
  },
  {
    name: "rename",
    arity: 3,
    kind: "write",
    flags: [],
    keys: FIRST_TWO_KEYS,
    since: "1.0.0",
    summary: "Renames a key, with its deadline, over another if need be",
    run: rename,
  },
  {
    name: "renamenx",
    arity: 3,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_TWO_KEYS,
    since: "1.0.0",
    summary: "Renames a key, with its deadline, if the new name is free",
    run: renamenx,
  },
  {
    name: "copy",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_TWO_KEYS,
    since: "6.2.0",
    summary: "Copies a key's value and deadline to another key",
    run: copy,
  },
]);
