import { ErrorReply, MapReply, type Reply, SimpleString } from "../resp/reply.ts";
import { argument, isOption, SYNTAX_ERROR } from "./arguments.ts";
import type { Command } from "./command.ts";
import { matchesGlob } from "./glob.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "./request_errors.ts";
import { COMMANDS, hasRightArity, keysOf, lookup } from "./table.ts";

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
const INVALID_COMMAND = new ErrorReply("ERR Invalid command specified");
const NO_KEYS = new ErrorReply("ERR The command has no key arguments");
const INVALID_ARITY = new ErrorReply("ERR Invalid number of arguments specified for command");
const HELP = [
  "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
  "(no subcommand)",
  "    Return details about all commands.",
  "COUNT",
  "    Return the number of commands.",
  "DOCS [<command-name> ...]",
  "    Return documentation about the given commands, or about all.",
  "GETKEYS <full-command>",
  "    Return the keys of a full command.",
  "INFO [<command-name> ...]",
  "    Return details about the given commands, or about all.",
  "LIST [FILTERBY ACLCAT <category> | PATTERN <pattern> | MODULE <name>]",
  "    Return the names of the commands.",
  "HELP",
  "    Print this help.",
].map((line) => new SimpleString(line));

/** Answers `COMMAND` and its subcommands from the command table, in the shapes of Redis 7. */
export function commandReply(args: readonly string[]): Reply {
  const subcommand = args[1]?.toLowerCase();
  if (subcommand === undefined) return COMMANDS.map(infoOf);
  const names = args.slice(2);
  switch (subcommand) {
    case "count":
      return names.length === 0 ? COMMANDS.length : wrongArity(subcommand);
    case "docs":
      return docs(names);
    case "getkeys":
      return names.length < 2 ? wrongArity(subcommand) : getKeys(names);
    case "help":
      return names.length === 0 ? HELP : wrongArity(subcommand);
    case "info":
      return names.length === 0 ? COMMANDS.map(infoOf) : names.map((name) => infoOf(lookup(name)));
    case "list":
      return list(names);
    default:
      return unknownSubcommand(args);
  }
}

function wrongArity(subcommand: string): ErrorReply {
  return wrongNumberOfArguments(`command|${subcommand}`);
}

function infoOf(command: Command | undefined): Reply {
  if (command === undefined) return null;
  const { first, last, step } = command.keys ?? { first: 0, last: 0, step: 0 };
  return [
    command.name,
    command.arity,
    flagsOf(command).map((flag) => new SimpleString(flag)),
    first,
    last,
    step,
    categoriesOf(command).map((category) => new SimpleString(`@${category}`)),
    // Tips, key specifications and subcommands: Redis allows to leave all of them out.
    [],
    [],
    [],
  ];
}

function flagsOf({ kind, flags }: Command): readonly string[] {
  if (kind === "local") return flags;
  return [kind === "write" ? "write" : "readonly", ...flags];
}

function categoriesOf({ kind, flags, categories }: Command): readonly string[] {
  const all: string[] = [...categories, flags.includes("fast") ? "fast" : "slow"];
  if (kind !== "local") all.push(kind);
  return CATEGORIES.filter((category) => all.includes(category));
}

function docs(names: readonly string[]): Reply {
  const commands = names.length === 0 ? COMMANDS : names.flatMap((name) => lookup(name) ?? []);
  return new MapReply(commands.map((command) => {
    const { name, summary, since, group } = command;
    const pairs = Object.entries({ summary, since, group });
    return [name, new MapReply(pairs)];
  }));
}

function getKeys(request: readonly string[]): Reply {
  const command = lookup(argument(request, 0));
  if (command === undefined) return INVALID_COMMAND;
  if (command.keys === null && command.inner === undefined) return NO_KEYS;
  return hasRightArity(command, request.length) ? keysOf(command, request) : INVALID_ARITY;
}

function list(args: readonly string[]): Reply {
  if (args.length === 0) return COMMANDS.map(({ name }) => name);
  const [keyword = "", filter = "", wanted = ""] = args;
  if (args.length !== 3 || !isOption(keyword, "FILTERBY")) return SYNTAX_ERROR;
  if (isOption(filter, "MODULE")) return [];
  if (isOption(filter, "ACLCAT")) {
    return namesWhere((command) => categoriesOf(command).includes(wanted.toLowerCase()));
  }
  if (isOption(filter, "PATTERN")) {
    return namesWhere(({ name }) => matchesGlob(wanted.toLowerCase(), name));
  }
  return SYNTAX_ERROR;
}

function namesWhere(isWanted: (command: Command) => boolean): string[] {
  return COMMANDS.filter(isWanted).map(({ name }) => name);
}
