import type { Arguments } from "../base/byte_string.ts";
import { Glob, PATTERN_BYTES_MAX } from "../base/glob.ts";
import { randomInteger } from "../base/random.ts";
import { EncodedStringsBuilder, OK, type Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import { typeOf } from "../store/values/value.ts";
import { argument, isOption, parseScan } from "./arguments.ts";
import {
  type Command,
  type CommandContext,
  endingView,
  inSteps,
  KEYS_PER_STEP,
  rowsOf,
  Slices,
} from "./command.ts";
import { CommandError, PATTERN_TOO_LONG, replyTooLarge, SYNTAX_ERROR } from "./command_error.ts";

/** Maximum number of keys that one `SCAN` reads. */
export const SCAN_KEYS_MAX = 10_000;
/** Number of compared characters after which `SCAN` examines no further key. */
const SCAN_COMPARISONS_MAX = 2 ** 20;
/** Number of compared characters after which a step ends. They take half a millisecond at most. */
const COMPARISONS_PER_STEP = 2 ** 15;
/**
 * Number of compared characters after which a request is refused, by default. That takes some
 * seconds, which only a pattern made for that purpose needs.
 */
export const COMPARISONS_MAX = 2 ** 30;

const PATTERN_TOO_COSTLY = new CommandError(
  "ERR the pattern takes too long to be compared with the keys",
);

/** Answers at once with the same keys as `beginKeys`, from the last to the first. */
function keys({ keyspace, replyBytesMax }: CommandContext, args: Arguments): Reply {
  const pattern = argument(args, 1);
  if (pattern.length > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;
  const glob = pattern === "*" ? null : new Glob(pattern);
  const found: string[] = [];
  let bytes = 0;
  for (const key of keyspace.scan(0, keyspace.storedSize).keys) {
    if (glob !== null && !glob.matches(key)) continue;
    bytes += key.length;
    if (bytes > replyBytesMax) throw replyTooLarge(replyBytesMax);
    found.push(key);
  }
  return found;
}

/**
 * Answers from a view of the current keys, while other requests may change them. If there are too
 * many such views, the other requests have to wait.
 */
function beginKeys(context: CommandContext, args: Arguments): Slices {
  const { keyspace } = context;
  const pattern = argument(args, 1);
  const view = pattern.length > PATTERN_BYTES_MAX ? null : keyspace.beginKeyView();
  const read = keysInSteps(context, pattern, view);
  if (view === null) return new Slices(read);
  return new Slices(endingView(read, keyspace, view), true);
}

/** @param view `null` if the keys do not change meanwhile */
function* keysInSteps(
  { keyspace, replyBytesMax, comparisonsMax }: CommandContext,
  pattern: string,
  view: KeyspaceView<KeyName> | null,
): Generator<void, Reply> {
  if (pattern.length > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;
  const glob = pattern === "*" ? null : new Glob(pattern);
  const size = view?.size ?? keyspace.storedSize;
  const found = new EncodedStringsBuilder(replyBytesMax);
  let comparisons = 0;
  let keysInStep = 0;
  let stepComparisons = 0;
  for (let position = 0; position < size; position++) {
    const key = view === null ? keyspace.keyAt(position) : view.read()?.key ?? null;
    if (++keysInStep === KEYS_PER_STEP || stepComparisons >= COMPARISONS_PER_STEP) {
      keysInStep = stepComparisons = 0;
      found.flatten();
      yield;
    }
    if (key === null) continue;
    if (glob !== null) {
      const match = glob.begin(key);
      let matches = match.run(COMPARISONS_PER_STEP);
      while (matches === null) {
        yield;
        if (comparisons + match.steps > comparisonsMax) throw PATTERN_TOO_COSTLY;
        matches = match.run(COMPARISONS_PER_STEP);
      }
      comparisons += match.steps;
      stepComparisons += match.steps;
      if (!matches) continue;
    }
    if (!found.add(key)) throw replyTooLarge(replyBytesMax);
  }
  return found.build();
}

/** Reads a bounded number of keys, whatever `COUNT` says. The cursor says where to continue. */
function* scan(
  { keyspace, comparisonsMax }: CommandContext,
  args: Arguments,
): Generator<void, Reply> {
  const options = parseScan(args);
  const { type, pattern } = options;
  if (pattern !== null && pattern.length > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;
  const glob = pattern === null ? null : new Glob(pattern);
  const size = keyspace.storedSize;
  const from = options.cursor === 0 || options.cursor > size ? size : options.cursor;
  const to = Math.max(0, from - Math.min(options.count, SCAN_KEYS_MAX));
  const found: string[] = [];
  let comparisons = 0;
  let stepComparisons = 0;
  let position = from;
  while (position > to && comparisons < SCAN_COMPARISONS_MAX) {
    const key = keyspace.keyAt(--position);
    if ((from - position) % KEYS_PER_STEP === 0 || stepComparisons >= COMPARISONS_PER_STEP) {
      stepComparisons = 0;
      yield;
    }
    if (key === null) continue;
    if (glob !== null) {
      const match = glob.begin(key);
      let matches = match.run(COMPARISONS_PER_STEP);
      while (matches === null) {
        yield;
        if (match.steps > comparisonsMax) throw PATTERN_TOO_COSTLY;
        matches = match.run(COMPARISONS_PER_STEP);
      }
      comparisons += match.steps;
      stepComparisons += match.steps;
      if (!matches) continue;
    }
    if (type === null || isOfType(keyspace, key, type)) found.push(key);
  }
  return [String(position), found];
}

function isOfType(keyspace: Keyspace, key: string, type: string): boolean {
  const found = keyspace.find(key);
  return found !== undefined && isOption(type, typeOf(found.value).name.toUpperCase());
}

function randomkey({ keyspace, random }: CommandContext): Generator<void, Reply> {
  return keyspace.keyNearInSteps(randomInteger(random, keyspace.storedSize));
}

function dbsize({ keyspace }: CommandContext): Generator<void, Reply> {
  return keyspace.countInSteps();
}

function flush({ keyspace }: CommandContext, args: Arguments): Reply {
  if (args.length > 2) throw SYNTAX_ERROR;
  const mode = args.length === 2 ? argument(args, 1) : "SYNC";
  if (mode !== undefined && !isOption(mode, "ASYNC") && !isOption(mode, "SYNC")) {
    throw SYNTAX_ERROR;
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
    tips: ["request_policy:all_shards", "nondeterministic_output_order"],
    run: keys,
    begin: beginKeys,
    isLong: true,
  },
  {
    name: "scan",
    arity: -2,
    kind: "read",
    flags: [],
    keys: null,
    since: "2.8.0",
    summary: "Iterates over all keys, some in each call",
    tips: ["nondeterministic_output", "request_policy:special"],
    ...inSteps(scan),
    isLong: true,
  },
  {
    name: "randomkey",
    arity: 1,
    kind: "read",
    flags: [],
    keys: null,
    since: "1.0.0",
    summary: "Returns a random key",
    tips: ["request_policy:all_shards", "nondeterministic_output"],
    ...inSteps(randomkey),
    isLong: true,
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
    tips: ["request_policy:all_shards", "response_policy:agg_sum"],
    ...inSteps(dbsize),
    isLong: true,
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
    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
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
    tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    run: flush,
  },
]);

/** Commands for the keyspace as a whole. */
export const keyspaceRows: readonly Command[] = [...genericRows, ...serverRows];
