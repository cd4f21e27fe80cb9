import { type Arguments, isByteString } from "../base/byte_string.ts";
import { integerIn } from "../base/integer.ts";
import { OK, type Reply, SimpleString } from "../resp/reply.ts";
import { KEY_OVERHEAD_BYTES } from "../store/keyspace.ts";
import { type Found, typeOf, valueBytes } from "../store/values/value.ts";
import { argument, integerAt, isOption } from "./arguments.ts";
import {
  ALL_KEYS,
  type Command,
  type CommandContext,
  FIRST_KEY,
  FIRST_TWO_KEYS,
  inSteps,
  KEYS_PER_STEP,
  rowsOf,
  subcommandsOf,
} from "./command.ts";
import { CommandError, SYNTAX_ERROR } from "./command_error.ts";

const NO_TYPE = new SimpleString("none");
const NO_SUCH_KEY = new CommandError("ERR no such key");
const SAME_KEY = new CommandError("ERR source and destination objects are the same");
const NO_SUCH_DATABASE = new CommandError("ERR DB index is out of range");
const NOT_32_BITS = new CommandError(
  "ERR value is out of range, value must between -2147483648 and 2147483647",
);

function* del(
  { keyspace }: CommandContext,
  args: Arguments,
): Generator<void, Reply> {
  let deleted = 0;
  for (let index = 1; index < args.length; index++) {
    if (keyspace.delete(argument(args, index))) deleted++;
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return deleted;
}

function* exists({ keyspace }: CommandContext, args: Arguments): Generator<void, Reply> {
  return yield* countFound(args, (key) => keyspace.inspect(key));
}

function* touch({ keyspace }: CommandContext, args: Arguments): Generator<void, Reply> {
  return yield* countFound(args, (key) => keyspace.lookUp(key));
}

function* countFound(
  args: Arguments,
  find: (key: string) => Found | undefined,
): Generator<void, number> {
  let found = 0;
  for (let index = 1; index < args.length; index++) {
    if (find(argument(args, index)) !== undefined) found++;
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return found;
}

function type({ keyspace }: CommandContext, args: Arguments): Reply {
  const found = keyspace.inspect(argument(args, 1));
  return found === undefined ? NO_TYPE : new SimpleString(typeOf(found.value).name);
}

function rename({ keyspace }: CommandContext, args: Arguments): Reply {
  const from = argument(args, 1);
  if (!keyspace.has(from)) throw NO_SUCH_KEY;
  keyspace.rename(from, argument(args, 2));
  return OK;
}

function renamenx({ keyspace }: CommandContext, args: Arguments): Reply {
  const [from, to] = [argument(args, 1), argument(args, 2)];
  if (!keyspace.has(from)) throw NO_SUCH_KEY;
  // The key exists, even if source and destination are the same.
  if (keyspace.has(to)) return 0;
  keyspace.rename(from, to);
  return 1;
}

function copy({ keyspace }: CommandContext, args: Arguments): Reply {
  const replace = parseCopyOptions(args);
  const [from, to] = [argument(args, 1), argument(args, 2)];
  if (from === to) throw SAME_KEY;
  if (keyspace.use(from) === undefined || (!replace && keyspace.has(to))) return 0;
  keyspace.copy(from, to);
  return 1;
}

/** Returns whether `REPLACE` is given. The only database is 0. */
function parseCopyOptions(args: Arguments): boolean {
  let replace = false;
  for (let index = 3; index < args.length; index++) {
    const word = argument(args, index);
    if (isOption(word, "REPLACE")) {
      replace = true;
    } else if (isOption(word, "DB") && index + 1 < args.length) {
      const database = integerAt(args, ++index);
      if (database < -(2 ** 31) || database >= 2 ** 31) throw NOT_32_BITS;
      if (database !== 0) throw NO_SUCH_DATABASE;
    } else {
      throw SYNTAX_ERROR;
    }
  }
  return replace;
}

/** Commands for keys of any type. */
export const keyRows: readonly Command[] = rowsOf("generic", ["keyspace"], [
  {
    name: "del",
    arity: -2,
    kind: "write",
    flags: [],
    keys: ALL_KEYS,
    access: "RM delete",
    since: "1.0.0",
    summary: "Deletes keys",
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    ...inSteps(del),
  },
  {
    name: "unlink",
    arity: -2,
    kind: "write",
    flags: ["fast"],
    keys: ALL_KEYS,
    access: "RM delete",
    since: "4.0.0",
    summary: "Deletes keys",
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    ...inSteps(del),
  },
  {
    name: "exists",
    arity: -2,
    kind: "read",
    flags: ["fast"],
    keys: ALL_KEYS,
    access: "RO",
    since: "1.0.0",
    summary: "Counts the given keys that exist",
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    ...inSteps(exists),
  },
  {
    name: "touch",
    arity: -2,
    kind: "read",
    flags: ["fast"],
    keys: ALL_KEYS,
    access: "RO",
    since: "3.2.1",
    summary: "Counts the given keys that exist, and counts an access to each",
    tips: ["request_policy:multi_shard", "response_policy:agg_sum"],
    ...inSteps(touch),
  },
  {
    name: "type",
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RO",
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
    access: ["RW access delete", "OW update"],
    since: "1.0.0",
    summary: "Renames a key, with its deadline; replaces an existing key of the new name",
    run: rename,
  },
  {
    name: "renamenx",
    arity: 3,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_TWO_KEYS,
    access: ["RW access delete", "OW insert"],
    since: "1.0.0",
    summary: "Renames a key, with its deadline, if no key has the new name",
    run: renamenx,
  },
  {
    name: "copy",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_TWO_KEYS,
    access: ["RO access", "OW update"],
    since: "6.2.0",
    summary: "Copies a key's value and deadline to another key",
    run: copy,
  },
]);

/** The first argument after a subcommand, as in `OBJECT ENCODING key`. */
const KEY_OF_SUBCOMMAND = { first: 2, last: 2, step: 1 };
/** Redis shares one object among all keys that hold the same integer below this. */
const SHARED_INTEGERS = 10_000;
/** The reference count that Redis reports for a shared object, which it never frees. */
const SHARED_REFERENCES = 2 ** 31 - 1;
/** Redis's error under an LFU policy, which tracks how often keys are accessed, as Regent does. */
const NO_IDLE_TIME = new CommandError(
  "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when " +
    "switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

/** `MEMORY USAGE key [SAMPLES count]`: the bytes that the key counts for in the memory limit. */
function usage({ keyspace }: CommandContext, args: Arguments): Reply {
  for (let index = 3; index < args.length; index += 2) {
    if (!isOption(argument(args, index), "SAMPLES") || index + 1 === args.length) {
      throw SYNTAX_ERROR;
    }
    if (integerAt(args, index + 1) < 0) throw SYNTAX_ERROR;
  }
  const key = argument(args, 2);
  const found = keyspace.find(key);
  return found === undefined ? null : key.length + valueBytes(found.value) + KEY_OVERHEAD_BYTES;
}

function encoding({ keyspace }: CommandContext, args: Arguments): Reply {
  const found = keyspace.find(argument(args, 2));
  if (found === undefined) return null;
  return typeOf(found.value).encoding(found.value);
}

function frequency({ keyspace }: CommandContext, args: Arguments): Reply {
  return keyspace.frequencyOf(argument(args, 2));
}

function idleTime({ keyspace }: CommandContext, args: Arguments): Reply {
  if (keyspace.has(argument(args, 2))) throw NO_IDLE_TIME;
  return null;
}

function references({ keyspace }: CommandContext, args: Arguments): Reply {
  const found = keyspace.find(argument(args, 2));
  if (found === undefined) return null;
  const number = isByteString(found.value) ? integerIn(found.value) : null;
  return number !== null && number >= 0 && number < SHARED_INTEGERS ? SHARED_REFERENCES : 1;
}

/** What keys cost and how Redis would encode them, for tools that inspect many keys. */
export const inspectionRows: readonly Command[] = [
  ...rowsOf("server", [], [{
    name: "memory",
    arity: -2,
    kind: "local",
    flags: [],
    keys: null,
    since: "4.0.0",
    summary: "Returns how much memory keys use",
    subcommands: subcommandsOf("memory", {
      group: "server",
      flags: [],
      categories: [],
      since: "4.0.0",
    }, [{
      name: "usage",
      arity: -3,
      kind: "read",
      keys: KEY_OF_SUBCOMMAND,
      access: "RO",
      summary: "Returns how many bytes a key counts for in the memory limit",
      help: [
        "USAGE <key> [SAMPLES <count>]",
        "    Return the bytes that <key> and its value count for.",
      ],
      run: usage,
    }]),
  }]),
  ...rowsOf("generic", [], [{
    name: "object",
    arity: -2,
    kind: "local",
    flags: [],
    keys: null,
    since: "2.2.3",
    summary: "Returns how a key's value is stored",
    subcommands: subcommandsOf("object", {
      group: "generic",
      flags: [],
      categories: ["keyspace"],
      since: "2.2.3",
    }, [
      {
        name: "encoding",
        arity: 3,
        kind: "read",
        keys: KEY_OF_SUBCOMMAND,
        access: "RO",
        tips: ["nondeterministic_output"],
        summary: "Returns the encoding that Redis would use for the value",
        help: ["ENCODING <key>", "    Return the encoding that Redis would use for <key>."],
        run: encoding,
      },
      {
        name: "freq",
        arity: 3,
        kind: "read",
        keys: KEY_OF_SUBCOMMAND,
        access: "RO",
        since: "4.0.0",
        tips: ["nondeterministic_output"],
        summary: "Returns how often a key has been accessed at this node recently",
        help: [
          "FREQ <key>",
          "    Return the access frequency index of the <key> at this node. The returned integer",
          "    is proportional to the logarithm of the recent access frequency of the key.",
        ],
        run: frequency,
      },
      {
        name: "idletime",
        arity: 3,
        kind: "read",
        keys: KEY_OF_SUBCOMMAND,
        access: "RO",
        tips: ["nondeterministic_output"],
        summary: "Refused: access times are not tracked",
        help: ["IDLETIME <key>", "    Refused, as by a Redis that evicts by frequency."],
        run: idleTime,
      },
      {
        name: "refcount",
        arity: 3,
        kind: "read",
        keys: KEY_OF_SUBCOMMAND,
        access: "RO",
        tips: ["nondeterministic_output"],
        summary: "Returns the reference count that Redis would report",
        help: ["REFCOUNT <key>", "    Return the reference count that Redis would report."],
        run: references,
      },
    ]),
  }]),
];
