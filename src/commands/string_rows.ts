import {
  type Arguments,
  type ByteString,
  isByteString,
  partOf,
  writeByteString,
} from "../base/byte_string.ts";
import { OK, type Reply } from "../resp/reply.ts";
import { append, flatten } from "../store/values/string_type.ts";
import {
  argument,
  type DeadlineUnit,
  integerAt,
  parseStringOptions,
  readDeadline,
  valueArgument,
} from "./arguments.ts";
import {
  ALL_KEYS,
  ALL_PAIRS,
  type Command,
  type CommandContext,
  FIRST_KEY,
  inSteps,
  KEYS_PER_STEP,
  rowsOf,
} from "./command.ts";
import {
  CommandError,
  replyTooLarge,
  STRING_TOO_LONG,
  SYNTAX_ERROR,
  wrongNumberOfArguments,
} from "./command_error.ts";
import { stringOf } from "./typed_values.ts";

function get({ keyspace }: CommandContext, args: Arguments): Reply {
  const found = keyspace.lookUp(argument(args, 1));
  return found === undefined ? null : stringOf(found);
}

function* mget(
  { keyspace, replyBytesMax }: CommandContext,
  args: Arguments,
): Generator<void, Reply> {
  const values: (ByteString | null)[] = [];
  let bytes = 0;
  for (let index = 1; index < args.length; index++) {
    const found = keyspace.lookUp(argument(args, index));
    // A key of another type counts as one that does not exist.
    const value = found !== undefined && isByteString(found.value) ? found.value : null;
    bytes += value?.length ?? 0;
    if (bytes > replyBytesMax) throw replyTooLarge(replyBytesMax);
    values.push(value);
    if (index % KEYS_PER_STEP === 0) yield;
  }
  return values;
}

function getdel({ keyspace }: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  const found = keyspace.find(key);
  if (found === undefined) return null;
  const value = stringOf(found);
  keyspace.delete(key);
  return value;
}

function getex({ keyspace, nowMs }: CommandContext, args: Arguments): Reply {
  const options = parseStringOptions(args, 2, "getex");
  if (options === null) throw SYNTAX_ERROR;
  const key = argument(args, 1);
  const found = keyspace.use(key);
  if (found === undefined) return null;
  const value = stringOf(found);

  const { unit, amount, persist } = options;
  if (unit !== null) {
    const deadlineMs = readDeadline(amount, unit, nowMs, "getex");
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
    access: "RO access",
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
    access: "RO access",
    since: "1.0.0",
    summary: "Returns the values of several keys",
    tips: ["request_policy:multi_shard"],
    ...inSteps(mget),
  },
  {
    name: "getdel",
    arity: 2,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RW access delete",
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
    access: "RW access update",
    accessNote: "RW and UPDATE because it changes the TTL",
    since: "6.2.0",
    summary: "Returns the value of a key and sets or removes its deadline",
    run: getex,
  },
]);

function set(context: CommandContext, args: Arguments): Reply {
  if (args.length > 3) return setWithOptions(context, args);
  context.keyspace.set(argument(args, 1), valueArgument(args, 2));
  return OK;
}

function setWithOptions(context: CommandContext, args: Arguments): Reply {
  const options = parseStringOptions(args, 3, "set");
  if (options === null) throw SYNTAX_ERROR;
  const { unit, amount, condition, get, keepDeadline } = options;
  const deadlineMs = unit === null ? null : readDeadline(amount, unit, context.nowMs, "set");

  const key = argument(args, 1);
  const { keyspace } = context;
  const found = get ? keyspace.find(key) : undefined;
  const before = found === undefined ? null : stringOf(found);
  if (condition === "NX" && keyspace.use(key) !== undefined) return before;
  if (condition === "XX" && !keyspace.has(key)) return before;
  if (keepDeadline) keyspace.update(key, valueArgument(args, 2));
  else keyspace.set(key, valueArgument(args, 2));
  if (deadlineMs !== null) keyspace.setDeadline(key, deadlineMs);
  return get ? before : OK;
}

function setnx({ keyspace }: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  if (keyspace.use(key) !== undefined) return 0;
  keyspace.set(key, valueArgument(args, 2));
  return 1;
}

function setex(context: CommandContext, args: Arguments): Reply {
  return setWithDeadline(context, args, "EX", "setex");
}

function psetex(context: CommandContext, args: Arguments): Reply {
  return setWithDeadline(context, args, "PX", "psetex");
}

function setWithDeadline(
  { keyspace, nowMs }: CommandContext,
  args: Arguments,
  unit: DeadlineUnit,
  name: string,
): Reply {
  const deadlineMs = readDeadline(argument(args, 2), unit, nowMs, name);
  const key = argument(args, 1);
  keyspace.set(key, valueArgument(args, 3));
  keyspace.setDeadline(key, deadlineMs);
  return OK;
}

function getset({ keyspace }: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  const found = keyspace.find(key);
  const before = found === undefined ? null : stringOf(found);
  keyspace.set(key, valueArgument(args, 2));
  return before;
}

function* mset(
  { keyspace }: CommandContext,
  args: Arguments,
): Generator<void, Reply> {
  if (args.length % 2 === 0) throw wrongNumberOfArguments("mset");
  for (let index = 1; index < args.length; index += 2) {
    keyspace.set(argument(args, index), valueArgument(args, index + 1));
    if ((index + 1) % KEYS_PER_STEP === 0) yield;
  }
  return OK;
}

function* msetnx(context: CommandContext, args: Arguments): Generator<void, Reply> {
  if (args.length % 2 === 0) throw wrongNumberOfArguments("msetnx");
  for (let index = 1; index < args.length; index += 2) {
    if (context.keyspace.has(argument(args, index))) return 0;
    if ((index + 1) % KEYS_PER_STEP === 0) yield;
  }
  yield* mset(context, args);
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
    access: "RW access update variable_flags",
    accessNote: "RW and ACCESS due to the optional `GET` argument",
    accessOf: (args) => parseStringOptions(args, 3, "set")?.get ? "RW access update" : "OW update",
    since: "1.0.0",
    summary: "Sets the value of a key, optionally with conditions and a deadline",
    run: set,
  },
  {
    name: "setnx",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "OW insert",
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
    access: "OW update",
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
    access: "OW update",
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
    access: "RW access update",
    since: "1.0.0",
    summary: "Sets the value of a key and returns the old value",
    run: getset,
  },
  {
    name: "mset",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: ALL_PAIRS,
    access: "OW update",
    since: "1.0.1",
    summary: "Sets the values of several keys at once",
    tips: ["request_policy:multi_shard", "response_policy:all_succeeded"],
    ...inSteps(mset),
  },
  {
    name: "msetnx",
    arity: -3,
    kind: "write",
    flags: ["denyoom"],
    keys: ALL_PAIRS,
    access: "OW insert",
    since: "1.0.1",
    summary: "Sets the values of several keys at once, if none of them exists",
    tips: ["request_policy:multi_shard", "response_policy:agg_min"],
    ...inSteps(msetnx),
  },
]);

const NEGATIVE_OFFSET = new CommandError("ERR offset is out of range");

function strlen({ keyspace }: CommandContext, args: Arguments): Reply {
  const found = keyspace.lookUp(argument(args, 1));
  return found === undefined ? 0 : stringOf(found).length;
}

function appendTo(context: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  const piece = valueArgument(args, 2);
  const found = context.keyspace.find(key);
  if (found === undefined) {
    context.keyspace.set(key, piece);
    return piece.length;
  }
  const value = stringOf(found);
  const length = value.length + piece.length;
  if (length > context.stringBytesMax) throw STRING_TOO_LONG;
  context.keyspace.update(key, append(value, piece));
  return length;
}

function setrange(context: CommandContext, args: Arguments): Reply {
  const offset = integerAt(args, 2);
  if (offset < 0) throw NEGATIVE_OFFSET;
  const key = argument(args, 1);
  const piece = valueArgument(args, 3);
  const found = context.keyspace.find(key);
  const value = found === undefined ? "" : stringOf(found);
  if (piece.length === 0) return value.length;
  const end = Number(offset) + piece.length;
  if (end > context.stringBytesMax) throw STRING_TOO_LONG;
  const result = overwrite(value, Number(offset), piece);
  context.keyspace.update(key, result);
  return result.length;
}

function overwrite(value: ByteString, offset: number, piece: ByteString): ByteString {
  if (offset === value.length) return append(value, piece);
  const end = offset + piece.length;
  if (offset === 0 && end >= value.length) return piece;
  if (typeof value !== "string" || typeof piece !== "string") {
    const bytes = new Uint8Array(Math.max(value.length, end));
    writeByteString(bytes, 0, value);
    writeByteString(bytes, offset, piece);
    return bytes;
  }
  const head = offset > value.length
    ? value + "\0".repeat(offset - value.length)
    : value.slice(0, offset);
  return flatten(head + piece + value.slice(end));
}

function getrange({ keyspace }: CommandContext, args: Arguments): Reply {
  const start = integerAt(args, 2);
  const end = integerAt(args, 3);
  const found = keyspace.lookUp(argument(args, 1));
  if (found === undefined) return "";
  const value = stringOf(found);
  if (start < 0 && end < 0 && start > end) return "";
  const from = fromStart(Number(start), value.length);
  const to = Math.min(fromStart(Number(end), value.length), value.length - 1);
  return from > to ? "" : partOf(value, from, to + 1);
}

/** The index counted from the start. A negative one counts from the end. */
function fromStart(index: number, length: number): number {
  return index < 0 ? Math.max(0, length + index) : index;
}

const GETRANGE = {
  arity: 4,
  kind: "read",
  flags: [],
  keys: FIRST_KEY,
  access: "RO access",
  summary: "Returns a part of a string",
  run: getrange,
} as const;

/** Commands that read or change a part of a string. */
export const stringPartRows: readonly Command[] = rowsOf("string", ["string"], [
  {
    name: "strlen",
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RO",
    since: "2.2.0",
    summary: "Returns the length of a string in bytes",
    run: strlen,
  },
  {
    name: "append",
    arity: 3,
    kind: "write",
    flags: ["denyoom", "fast"],
    keys: FIRST_KEY,
    access: "RW insert",
    since: "2.0.0",
    summary: "Appends to a string, which is created if needed",
    run: appendTo,
  },
  {
    name: "setrange",
    arity: 4,
    kind: "write",
    flags: ["denyoom"],
    keys: FIRST_KEY,
    access: "RW update",
    since: "2.2.0",
    summary: "Overwrites a part of a string, padded with zero bytes if needed",
    run: setrange,
  },
  { name: "getrange", since: "2.4.0", ...GETRANGE },
  { name: "substr", since: "1.0.0", ...GETRANGE },
]);
