import { type Arguments, textOf } from "../base/byte_string.ts";
import { aclRows } from "./acl_rows.ts";
import { argument } from "./arguments.ts";
import { clientRows } from "./client_rows.ts";
import { clusterRows } from "./cluster_rows.ts";
import type { Command, Inner } from "./command.ts";
import {
  errorReplyOf,
  unknownCommand,
  unknownSubcommand,
  wrongNumberOfArguments,
} from "./command_error.ts";
import { commandRows } from "./command_rows.ts";
import { connectionRows } from "./connection_rows.ts";
import { counterRows } from "./counter_rows.ts";
import { expiryRows } from "./expiry_rows.ts";
import { fileRows } from "./file_rows.ts";
import { inspectionRows, keyRows } from "./key_rows.ts";
import { keyspaceRows } from "./keyspace_rows.ts";
import { serverRows } from "./server_rows.ts";
import { sessionRows } from "./session_rows.ts";
import { getRows, setRows, stringPartRows } from "./string_rows.ts";
import { internalRows } from "./user_writes.ts";

/** All commands, in alphabetical order. */
export const COMMANDS: readonly Command[] = [
  ...getRows,
  ...setRows,
  ...stringPartRows,
  ...counterRows,
  ...inspectionRows,
  ...keyRows,
  ...keyspaceRows,
  ...expiryRows,
  ...clientRows,
  ...commandRows({
    get commands() {
      return COMMANDS;
    },
    lookup,
    lookupFullName,
    findInner,
    keysOf,
    hasRightArity,
  }),
  ...aclRows({
    get commands() {
      return COMMANDS;
    },
    rowOf,
    hasRightArity,
  }),
  ...clusterRows,
  ...connectionRows,
  ...fileRows,
  ...serverRows,
  ...sessionRows,
].sort((a, b) => a.name < b.name ? -1 : 1);

/** The commands by name, in lower and in upper case. Mixed case is converted first. */
const BY_NAME: ReadonlyMap<string, Command> = new Map(
  COMMANDS.flatMap((command) => [[command.name, command], [command.name.toUpperCase(), command]]),
);
const NAME_LENGTH_MAX = Math.max(...COMMANDS.map(({ name }) => name.length));
/** Subcommands by their full names, `client|kill`. */
const SUBCOMMANDS: ReadonlyMap<string, Command> = new Map(
  COMMANDS.flatMap(({ subcommands = [] }) => subcommands.map((one) => [one.name, one])),
);
const SUBCOMMAND_LENGTH_MAX = Math.max(...[...SUBCOMMANDS.keys()].map((name) => name.length));

/** Rows that no request of a client can have, by their names in upper case. */
const INTERNAL: ReadonlyMap<string, Command> = new Map(
  internalRows.map((command) => [command.name.toUpperCase(), command]),
);

interface Lookup {
  readonly name: string;
  readonly command: Command;
}

/**
 * The last two names that were found in the map, which most requests repeat. There are two because
 * `ONCE` contains another command. A comparison takes 8 ns and the map 60, since the name of a new
 * request has no hash yet. A node looks up two or three names for each request, and takes 5 to 9 µs
 * for a pipelined request.
 */
let recent: Lookup | null = null;
let previous: Lookup | null = null;

/** The command of that name, in any case. */
export function lookup(name: string): Command | undefined {
  if (recent !== null && recent.name === name) return recent.command;
  if (previous !== null && previous.name === name) return previous.command;
  if (name.length > NAME_LENGTH_MAX) return undefined;
  const command = BY_NAME.get(name) ?? BY_NAME.get(name.toLowerCase());
  if (command !== undefined) {
    previous = recent;
    recent = { name, command };
  }
  return command;
}

/** The command or subcommand of that full name, such as `get` or `client|kill`, in any case. */
export function lookupFullName(name: string): Command | undefined {
  if (name.length > SUBCOMMAND_LENGTH_MAX) return undefined;
  return lookup(name) ?? SUBCOMMANDS.get(name.toLowerCase());
}

/** The row of a request that was checked earlier, or that a node made, such as one from the log. */
export function rowOf(args: Arguments): Command | undefined {
  const name = textOf(args[0] ?? "");
  const command = lookup(name) ?? INTERNAL.get(name);
  return command?.subcommands === undefined || args[1] === undefined
    ? command
    : lookupFullName(`${command.name}|${textOf(args[1])}`);
}

/**
 * The command of a request, or its subcommand's row. An inner request is checked too.
 *
 * @throws {CommandError} if it does not exist, or not with that number of arguments
 */
export function checkRequest(args: Arguments): Command {
  const command = checkFrom(args, 0);
  const { inner } = command;
  if (inner !== undefined) checkInner(args, inner.from, inner.check);
  return command;
}

/** As `checkRequest`, but `null` for an invalid request. */
export function findRow(args: Arguments): Command | null {
  try {
    return checkRequest(args);
  } catch (error) {
    errorReplyOf(error);
    return null;
  }
}

/** The row of a request in a log entry, which a node may have made; `null` if it is invalid. */
export function findLoggedRow(args: Arguments): Command | null {
  const internal = INTERNAL.get(textOf(args[0] ?? ""));
  if (internal === undefined) return findRow(args);
  return hasRightArity(internal, args.length) ? internal : null;
}

/** The command of the inner request; `null` if it is invalid. */
function findInner(args: Arguments, { from, check }: Inner): Command | null {
  try {
    return args.length > from ? checkInner(args, from, check) : null;
  } catch (error) {
    errorReplyOf(error);
    return null;
  }
}

/**
 * The command of the inner request, which begins with argument `from`.
 *
 * @throws {CommandError} if it is invalid, or may not be an inner request
 */
export function checkInner(args: Arguments, from: number, check: Inner["check"]): Command {
  const command = checkFrom(args, from);
  check(command);
  return command;
}

function checkFrom(args: Arguments, from: number): Command {
  const command = lookup(argument(args, from));
  if (command === undefined) throw unknownCommand(args.slice(from));
  if (!hasRightArity(command, args.length - from)) throw wrongNumberOfArguments(command.name);
  return command.subcommands === undefined ? command : checkSubcommand(command, args, from);
}

/**
 * The row of a container's second word, or the container's own if there is none, as in `COMMAND`.
 */
function checkSubcommand(container: Command, args: Arguments, from: number): Command {
  if (from + 1 === args.length) return container;
  const word = argument(args, from + 1);
  const command = word.length > SUBCOMMAND_LENGTH_MAX
    ? undefined
    : SUBCOMMANDS.get(`${container.name}|${word.toLowerCase()}`);
  if (command === undefined) throw unknownSubcommand(args.slice(from));
  if (!hasRightArity(command, args.length - from)) throw wrongNumberOfArguments(command.name);
  return command;
}

/** @param length number of arguments, including the name */
export function hasRightArity({ arity }: Command, length: number): boolean {
  return arity >= 0 ? length === arity : length >= -arity;
}

/** The keys among the arguments, in order, with repetitions. */
export function keysOf(command: Command, args: Arguments): string[] {
  const found: string[] = [];
  if (command.inner !== undefined) {
    const inner = findInner(args, command.inner);
    return inner === null ? found : keysOf(inner, args.slice(command.inner.from));
  }
  if (command.keys === null) return found;
  const { first, last, step } = command.keys;
  const end = last < 0 ? args.length + last : Math.min(last, args.length - 1);
  for (let index = first; index <= end; index += step) found.push(argument(args, index));
  return found;
}
