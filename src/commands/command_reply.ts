import { MapReply, type Reply, SetReply, SimpleString } from "../resp/reply.ts";
import { argument, isOption } from "./arguments.ts";
import type { Command } from "./command.ts";
import { CommandError, SYNTAX_ERROR, unknownSubcommand } from "./command_error.ts";
import { matchesGlob } from "./glob.ts";
import { COMMANDS, findInner, hasRightArity, keysOf, lookup, lookupFullName } from "./table.ts";

/** The order in which Redis names access-control categories. */
const CATEGORIES = [
  "keyspace",
  "read",
  "write",
  "string",
  "admin",
  "fast",
  "slow",
  "dangerous",
  "connection",
];
const INVALID_COMMAND = new CommandError("ERR Invalid command specified");
const NO_KEYS = new CommandError("ERR The command has no key arguments");
const INVALID_ARITY = new CommandError("ERR Invalid number of arguments specified for command");
/**
 * Answers `COMMAND` and its subcommands, but for `HELP`, from the command table, in the shapes of
 * Redis 7. The arity has been checked.
 */
export function commandReply(args: readonly string[]): Reply {
  const subcommand = args[1]?.toLowerCase();
  if (subcommand === undefined) return COMMANDS.map(infoOf);
  const names = args.slice(2);
  switch (subcommand) {
    case "count":
      return COMMANDS.length;
    case "docs":
      return docs(names);
    case "getkeys":
      return getKeys(names);
    case "getkeysandflags":
      return getKeysAndFlags(names);
    case "info":
      return names.length === 0
        ? COMMANDS.map(infoOf)
        : names.map((name) => infoOf(lookupFullName(name)));
    case "list":
      return list(names);
    default:
      throw unknownSubcommand(args);
  }
}

/**
 * The lines of a container's `HELP`.
 *
 * @param name the container's, in lower case
 * @param isNode whether what only nodes serve is told, too
 */
export function helpReply(name: string, isNode: boolean): Reply {
  const lines = (lookup(name)?.subcommands ?? [])
    .filter(({ isForNodes = false }) => isNode || !isForNodes)
    .flatMap(({ help = [] }) => help);
  const usage = `${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`;
  const bare = name === "command"
    ? ["(no subcommand)", "    Return details about all commands."]
    : [];
  return [usage, ...bare, ...lines].map((line) => new SimpleString(line));
}

function infoOf(command: Command | undefined): Reply {
  if (command === undefined) return null;
  const { first, last, step } = command.keys ?? { first: 0, last: 0, step: 0 };
  return [
    command.name,
    command.arity,
    statuses(flagsOf(command)),
    first,
    last,
    step,
    statuses(categoriesOf(command).map((category) => `@${category}`)),
    new SetReply(command.tips ?? []),
    new SetReply(keySpecifications(command)),
    new SetReply((command.subcommands ?? []).map(infoOf)),
  ];
}

function statuses(texts: readonly string[]): Reply {
  return new SetReply(texts.map((text) => new SimpleString(text)));
}

/** Where the keys stand and how they are used, in the form of Redis's key specifications. */
function keySpecifications({ keys, access = [], accessNote }: Command): Reply[] {
  if (keys === null) return [];
  const accesses = typeof access === "string" ? [access] : access;
  return accesses.map((flags, at) => {
    // One for all keys, or one for each of them.
    const { first, last, step } = accesses.length === 1
      ? keys
      : { first: keys.first + at, last: keys.first + at, step: 1 };
    const notes: [Reply, Reply][] = accessNote === undefined ? [] : [["notes", accessNote]];
    const lastKey = last < 0 ? last : last - first;
    return new MapReply([
      ...notes,
      ["flags", statuses(flags.split(" "))],
      ["begin_search", searchReply("index", [["index", first]])],
      [
        "find_keys",
        searchReply("range", [["lastkey", lastKey], ["keystep", step], ["limit", 0]]),
      ],
    ]);
  });
}

function searchReply(type: string, fields: readonly (readonly [string, number])[]): Reply {
  return new MapReply([["type", type], ["spec", new MapReply(fields)]]);
}

function flagsOf({ kind, flags, subcommands }: Command): readonly string[] {
  if (kind === "local" || subcommands !== undefined) return flags;
  return [kind === "write" ? "write" : "readonly", ...flags];
}

function categoriesOf({ kind, flags, categories }: Command): readonly string[] {
  const all: string[] = [...categories, flags.includes("fast") ? "fast" : "slow"];
  if (kind !== "local") all.push(kind);
  return CATEGORIES.filter((category) => all.includes(category));
}

function docs(names: readonly string[]): Reply {
  const commands = names.length === 0
    ? COMMANDS
    : names.flatMap((name) => lookupFullName(name) ?? []);
  return new MapReply(commands.map(docOf));
}

function docOf({ name, summary, since, group, subcommands }: Command): [Reply, Reply] {
  const pairs: [Reply, Reply][] = Object.entries({ summary, since, group });
  if (subcommands !== undefined) pairs.push(["subcommands", new MapReply(subcommands.map(docOf))]);
  return [name, new MapReply(pairs)];
}

function getKeys(request: readonly string[]): Reply {
  return keysOf(commandWithKeys(request), request);
}

function getKeysAndFlags(request: readonly string[]): Reply {
  const command = commandWithKeys(request);
  const { inner } = command;
  if (inner === undefined) return keysAndFlags(command, request);
  const brought = findInner(request, inner);
  return brought === null ? [] : keysAndFlags(brought, request.slice(inner.from));
}

function keysAndFlags(command: Command, request: readonly string[]): Reply {
  const { access = "", accessOf } = command;
  const flagsAt = (at: number) =>
    accessOf?.(request) ?? (Array.isArray(access) ? access[at] : access);
  return keysOf(command, request).map((key, at) => [key, statuses(flagsAt(at).split(" "))]);
}

function commandWithKeys(request: readonly string[]): Command {
  const command = lookup(argument(request, 0));
  if (command === undefined) throw INVALID_COMMAND;
  if (command.keys === null && command.inner === undefined) throw NO_KEYS;
  if (!hasRightArity(command, request.length)) throw INVALID_ARITY;
  return command;
}

function list(args: readonly string[]): Reply {
  if (args.length === 0) return namesWhere(() => true);
  const [keyword = "", filter = "", wanted = ""] = args;
  if (args.length !== 3 || !isOption(keyword, "FILTERBY")) throw SYNTAX_ERROR;
  if (isOption(filter, "MODULE")) return [];
  if (isOption(filter, "ACLCAT")) {
    return namesWhere((command) => categoriesOf(command).includes(wanted.toLowerCase()));
  }
  if (isOption(filter, "PATTERN")) {
    return namesWhere(({ name }) => matchesGlob(wanted.toLowerCase(), name));
  }
  throw SYNTAX_ERROR;
}

/** Subcommands have places of their own behind their container. */
function namesWhere(isWanted: (command: Command) => boolean): string[] {
  return COMMANDS.flatMap((command) => [command, ...command.subcommands ?? []])
    .filter(isWanted).map(({ name }) => name);
}
