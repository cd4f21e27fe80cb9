import type { Arguments } from "../base/byte_string.ts";
import { normalize } from "../base/integer.ts";
import type { Reply } from "../resp/reply.ts";
import type { DeadlineMs } from "../store/deadlines.ts";
import { argument, deadlineOf, type DeadlineUnit, integerAt } from "./arguments.ts";
import { type Command, type CommandContext, FIRST_KEY, type Row, rowsOf } from "./command.ts";
import { CommandError, errorQuoting, invalidExpireTime, quoted } from "./command_error.ts";

const NX_WITH_OTHERS = new CommandError(
  "ERR NX and XX, GT or LT options at the same time are not compatible",
);
const GT_WITH_LT = new CommandError("ERR GT and LT options at the same time are not compatible");
/** Replies of `TTL` and the like for a key that does not exist, or has no deadline. */
const NO_KEY = -2;
const NO_DEADLINE = -1;

/**
 * Number of characters after which an option is cut off in an error. Redis repeats all of it, but
 * clients limit the length of a line in a reply.
 */
const OPTION_QUOTED_MAX = 16 * 1024;

interface Conditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

function expireRun(unit: DeadlineUnit, name: string) {
  return (context: CommandContext, args: Arguments): Reply => {
    const conditions = args.length > 3 ? parseConditions(args) : null;
    const deadlineMs = deadlineOf(integerAt(args, 2), unit, context.nowMs);
    if (deadlineMs === null) throw invalidExpireTime(name);
    const key = argument(args, 1);
    const found = context.keyspace.use(key);
    if (found === undefined) return 0;
    if (conditions !== null && !isAllowed(conditions, found.deadlineMs, deadlineMs)) return 0;
    context.keyspace.setDeadline(key, deadlineMs);
    return 1;
  };
}

function parseConditions(args: Arguments): Conditions {
  const conditions: Conditions = { nx: false, xx: false, gt: false, lt: false };
  for (let index = 3; index < args.length; index++) {
    const word = argument(args, index).toUpperCase();
    if (word === "NX") conditions.nx = true;
    else if (word === "XX") conditions.xx = true;
    else if (word === "GT") conditions.gt = true;
    else if (word === "LT") conditions.lt = true;
    else throw unsupportedOption(argument(args, index));
  }
  const { nx, xx, gt, lt } = conditions;
  if (nx && (xx || gt || lt)) throw NX_WITH_OTHERS;
  if (gt && lt) throw GT_WITH_LT;
  return conditions;
}

function unsupportedOption(option: string): CommandError {
  throw errorQuoting(`ERR Unsupported option ${quoted(option, OPTION_QUOTED_MAX)}`);
}

/** A key without a deadline counts as one with an infinite deadline. */
function isAllowed(
  { nx, xx, gt, lt }: Conditions,
  current: DeadlineMs | null,
  wanted: DeadlineMs,
): boolean {
  if (current === null) return !xx && !gt;
  return !nx && !(gt && wanted <= current) && !(lt && wanted >= current);
}

function persist({ keyspace }: CommandContext, args: Arguments): Reply {
  const key = argument(args, 1);
  const found = keyspace.use(key);
  if (found === undefined || found.deadlineMs === null) return 0;
  keyspace.clearDeadline(key);
  return 1;
}

function ttl(context: CommandContext, args: Arguments): Reply {
  return toSeconds(remainingMs(context, args));
}

function pttl(context: CommandContext, args: Arguments): Reply {
  return remainingMs(context, args);
}

function expiretime(context: CommandContext, args: Arguments): Reply {
  return toSeconds(deadline(context, args));
}

function pexpiretime(context: CommandContext, args: Arguments): Reply {
  return deadline(context, args);
}

function remainingMs(context: CommandContext, args: Arguments): DeadlineMs {
  const deadlineMs = deadline(context, args);
  if (deadlineMs < 0) return deadlineMs;
  if (typeof deadlineMs === "number") return Math.max(0, deadlineMs - context.nowMs);
  return normalize(deadlineMs - BigInt(context.nowMs));
}

function deadline({ keyspace }: CommandContext, args: Arguments): DeadlineMs {
  const found = keyspace.inspect(argument(args, 1));
  return found === undefined ? NO_KEY : found.deadlineMs ?? NO_DEADLINE;
}

/** Rounds to the nearest second, halves upwards. */
function toSeconds(timeMs: DeadlineMs): DeadlineMs {
  if (timeMs < 0) return timeMs;
  return typeof timeMs === "number"
    ? Math.floor((timeMs + 500) / 1000)
    : normalize((timeMs + 500n) / 1000n);
}

function expireRow(name: string, unit: DeadlineUnit, since: string, summary: string): Row {
  return {
    name,
    arity: -3,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RW update",
    since,
    summary,
    run: expireRun(unit, name),
  };
}

function timeRow(
  name: string,
  since: string,
  summary: string,
  run: NonNullable<Command["run"]>,
): Row {
  return {
    name,
    arity: 2,
    kind: "read",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RO access",
    since,
    summary,
    run,
  };
}

/** Commands about keys' deadlines. */
export const expiryRows: readonly Command[] = rowsOf("generic", ["keyspace"], [
  expireRow("expire", "EX", "1.0.0", "Sets a key's time to live in seconds"),
  expireRow("pexpire", "PX", "2.6.0", "Sets a key's time to live in milliseconds"),
  expireRow("expireat", "EXAT", "1.2.0", "Sets a key's deadline as a Unix time in seconds"),
  expireRow("pexpireat", "PXAT", "2.6.0", "Sets a key's deadline as a Unix time in milliseconds"),
  {
    ...timeRow("ttl", "1.0.0", "Returns a key's time to live in seconds", ttl),
    tips: ["nondeterministic_output"],
  },
  {
    ...timeRow("pttl", "2.6.0", "Returns a key's time to live in milliseconds", pttl),
    tips: ["nondeterministic_output"],
  },
  timeRow("expiretime", "7.0.0", "Returns a key's deadline as a Unix time in seconds", expiretime),
  timeRow(
    "pexpiretime",
    "7.0.0",
    "Returns a key's deadline as a Unix time in milliseconds",
    pexpiretime,
  ),
  {
    name: "persist",
    arity: 2,
    kind: "write",
    flags: ["fast"],
    keys: FIRST_KEY,
    access: "RW update",
    since: "2.2.0",
    summary: "Removes a key's deadline",
    run: persist,
  },
]);
