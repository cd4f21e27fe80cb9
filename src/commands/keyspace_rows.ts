import { randomInteger } from "../base/random.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { argument, isOption, SYNTAX_ERROR } from "./arguments.ts";
import type { Command, CommandContext } from "./command.ts";
import { matchesGlob } from "./glob.ts";
import { rowsOf } from "./rows.ts";
import { parseScan } from "./scan_options.ts";
import type { Keyspace } from "../store/keyspace.ts";
import { typeOf } from "../store/value.ts";

function keys({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const pattern = argument(args, 1);
  const found: string[] = [];
  for (const key of keyspace.scan(0, keyspace.storedSize).keys) {
    if (pattern === "*" || matchesGlob(pattern, key)) found.push(key);
  }
  return found;
}

function scan({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const options = parseScan(args);
  if (options instanceof ErrorReply) return options;
  const { type, pattern } = options;
  const { cursor, keys } = keyspace.scan(options.cursor, options.count);
  const found = keys.filter((key) =>
    (pattern === null || matchesGlob(pattern, key)) &&
    (type === null || isOfType(keyspace, key, type))
  );
  return [String(cursor), found];
}

function isOfType(keyspace: Keyspace, key: string, type: string): boolean {
  const found = keyspace.find(key);
  return found !== undefined && isOption(type, typeOf(found.value).toUpperCase());
}

function randomkey({ keyspace, random }: CommandContext): Reply {
  return keyspace.keyNear(randomInteger(random, keyspace.storedSize));
}

function dbsize({ keyspace }: CommandContext): Reply {
  return keyspace.size;
}

function flush({ keyspace }: CommandContext, args: readonly string[]): Reply {
  const mode = args[1];
  if (args.length > 2) return SYNTAX_ERROR;
  if (mode !== undefined && !isOption(mode, "ASYNC") && !isOption(mode, "SYNC")) {
    return SYNTAX_ERROR;
  }
  keyspace.clear();
  return OK;
}

const genericRows = rowsOf("generic", ["keyspace"], [
  {
    name: "keys",
    arity: 2,
    kind: "read",
    flags: [],
    categories: ["keyspace", "dangerous"],
    keys: null,
    since: "1.0.0",
    summary: "Returns all keys that match a pattern",
    run: keys,
  },
  {
    name: "scan",
    arity: -2,
    kind: "read",
    flags: [],
    keys: null,
    since: "2.8.0",
    summary: "Goes through all keys in steps",
    run: scan,
  },
  {
    name: "randomkey",
    arity: 1,
    kind: "read",
    flags: [],
    keys: null,
    since: "1.0.0",
    summary: "Returns a random key",
    run: randomkey,
  },
]);

const serverRows = rowsOf("server", ["keyspace"], [
  {
    name: "dbsize",
    arity: 1,
    kind: "read",
    flags: ["fast"],
    keys: null,
    since: "1.0.0",
    summary: "Returns the number of keys",
    run: dbsize,
  },
  {
    name: "flushdb",
    arity: -1,
    kind: "write",
    flags: [],
    categories: ["keyspace", "dangerous"],
    keys: null,
    since: "1.0.0",
    summary: "Removes all keys",
    run: flush,
  },
  {
    name: "flushall",
    arity: -1,
    kind: "write",
    flags: [],
    categories: ["keyspace", "dangerous"],
    keys: null,
    since: "1.0.0",
    summary: "Removes all keys",
    run: flush,
  },
]);

/** Commands for the keyspace as a whole. */
export const keyspaceRows: readonly Command[] = [...genericRows, ...serverRows];
