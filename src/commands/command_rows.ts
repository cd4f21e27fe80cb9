import type { Arguments } from "../base/byte_string.ts";
import { Glob, PATTERN_BYTES_MAX } from "../base/glob.ts";
import { MapReply, type Reply, SetReply, SimpleString } from "../resp/reply.ts";
import { argument, isOption } from "./arguments.ts";
import { categoriesOf } from "./categories.ts";
import { type Command, type Inner, rowsOf, subcommandsOf } from "./command.ts";
import { CommandError, PATTERN_TOO_LONG, SYNTAX_ERROR } from "./command_error.ts";

/** The command table, which the rows of `COMMAND` describe. */
export interface CommandTable {
  readonly commands: readonly Command[];
  lookup(name: string): Command | undefined;
  lookupFullName(name: string): Command | undefined;
  findInner(args: Arguments, inner: Inner): Command | null;
  keysOf(command: Command, args: Arguments): string[];
  hasRightArity(command: Command, length: number): boolean;
}

/** Maximum number of commands in one request: each takes time and has a long reply. */
const NAMES_MAX = 256;
const TOO_MANY_NAMES = new CommandError(`ERR too many commands, more than ${NAMES_MAX}`);
/** Maximum number of arguments of the request whose keys `COMMAND GETKEYS` returns. */
const WORDS_MAX = 4_096;
const TOO_MANY_WORDS = new CommandError(`ERR too many arguments, more than ${WORDS_MAX}`);
const INVALID_COMMAND = new CommandError("ERR Invalid command specified");
const NO_KEYS = new CommandError("ERR The command has no key arguments");
const INVALID_ARITY = new CommandError("ERR Invalid number of arguments specified for command");
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

/** The positions and the access of keys, in the form of Redis's key specifications. */
function keySpecifications({ keys, access = [], accessNote }: Command): Reply[] {
  if (keys === null) return [];
  const accesses = typeof access === "string" ? [access] : access;
  return accesses.map((flags, at) => {
    // One access for all keys, or one for each of them.
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

function docs({ commands: all, lookupFullName }: CommandTable, names: readonly string[]): Reply {
  if (names.length > NAMES_MAX) throw TOO_MANY_NAMES;
  const commands = names.length === 0 ? all : names.flatMap((name) => lookupFullName(name) ?? []);
  return new MapReply(commands.map(docOf));
}

function docOf({ name, summary, since, group, subcommands }: Command): [Reply, Reply] {
  const pairs: [Reply, Reply][] = Object.entries({ summary, since, group });
  if (subcommands !== undefined) pairs.push(["subcommands", new MapReply(subcommands.map(docOf))]);
  return [name, new MapReply(pairs)];
}

function getKeys(table: CommandTable, request: readonly string[]): Reply {
  return table.keysOf(commandWithKeys(table, request), request);
}

function getKeysAndFlags(table: CommandTable, request: readonly string[]): Reply {
  const command = commandWithKeys(table, request);
  const { inner } = command;
  if (inner === undefined) return keysAndFlags(table, command, request);
  const innerCommand = table.findInner(request, inner);
  if (innerCommand === null) return [];
  return keysAndFlags(table, innerCommand, request.slice(inner.from));
}

function keysAndFlags(table: CommandTable, command: Command, request: readonly string[]): Reply {
  const { access = "", accessOf } = command;
  const flagsAt = (at: number) =>
    accessOf?.(request) ?? (Array.isArray(access) ? access[at] : access);
  return table.keysOf(command, request).map((key, at) => [key, statuses(flagsAt(at).split(" "))]);
}

function commandWithKeys(table: CommandTable, request: readonly string[]): Command {
  if (request.length > WORDS_MAX) throw TOO_MANY_WORDS;
  const command = table.lookup(argument(request, 0));
  if (command === undefined) throw INVALID_COMMAND;
  if (command.keys === null && command.inner === undefined) throw NO_KEYS;
  if (!table.hasRightArity(command, request.length)) throw INVALID_ARITY;
  return command;
}

function list(table: CommandTable, args: readonly string[]): Reply {
  if (args.length === 0) return namesWhere(table, () => true);
  const [keyword = "", filter = "", wanted = ""] = args;
  if (args.length !== 3 || !isOption(keyword, "FILTERBY")) throw SYNTAX_ERROR;
  if (isOption(filter, "MODULE")) return [];
  if (isOption(filter, "ACLCAT")) {
    return namesWhere(table, (command) => categoriesOf(command).includes(wanted.toLowerCase()));
  }
  if (isOption(filter, "PATTERN")) {
    if (wanted.length > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;
    const glob = new Glob(wanted.toLowerCase());
    return namesWhere(table, ({ name }) => glob.matches(name));
  }
  throw SYNTAX_ERROR;
}

/** Subcommands follow their container. */
function namesWhere(
  { commands }: CommandTable,
  isWanted: (command: Command) => boolean,
): string[] {
  return commands.flatMap((command) => [command, ...command.subcommands ?? []])
    .filter(isWanted).map(({ name }) => name);
}

const PASSIVE = ["loading", "stale"];

/** `COMMAND …`: describes the commands, in the formats of Redis 7. */
export function commandRows(table: CommandTable): readonly Command[] {
  const subcommands = subcommandsOf("command", {
    group: "server",
    flags: PASSIVE,
    categories: ["connection"],
    since: "2.8.13",
  }, [
    {
      name: "count",
      arity: 2,
      summary: "Returns the number of commands",
      help: ["COUNT", "    Return the total number of commands in this server."],
      serve: () => table.commands.length,
    },
    {
      name: "docs",
      arity: -2,
      since: "7.0.0",
      tips: ["nondeterministic_output_order"],
      summary: "Returns the documentation of commands",
      help: [
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
      ],
      serve: (_server, _client, args) => docs(table, args.slice(2)),
    },
    {
      name: "getkeys",
      arity: -4,
      summary: "Returns the keys of a request",
      help: ["GETKEYS <full-command>", "    Return the keys from a full command."],
      serve: (_server, _client, args) => getKeys(table, args.slice(2)),
    },
    {
      name: "getkeysandflags",
      arity: -4,
      since: "7.0.0",
      summary: "Returns the keys of a request, and how it uses them",
      help: [
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
      ],
      serve: (_server, _client, args) => getKeysAndFlags(table, args.slice(2)),
    },
    {
      name: "info",
      arity: -2,
      tips: ["nondeterministic_output_order"],
      summary: "Returns details of commands in the form that clients read",
      help: [
        "INFO [<command-name> ...]",
        "    Return details about multiple commands.",
        "    If no command names are given, details for all commands are returned.",
      ],
      serve: (_server, _client, args) => infos(table, args.slice(2)),
    },
    {
      name: "list",
      arity: -2,
      since: "7.0.0",
      tips: ["nondeterministic_output_order"],
      summary: "Returns the names of the commands",
      help: [
        "LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>|MODULE <name>)]",
        "    Return a list of all commands in this server.",
      ],
      serve: (_server, _client, args) => list(table, args.slice(2)),
    },
  ], ["(no subcommand)", "    Return details about all commands."]);

  return rowsOf("server", ["connection"], [{
    name: "command",
    arity: -1,
    kind: "local",
    flags: PASSIVE,
    keys: null,
    since: "2.8.13",
    summary: "Returns details of all commands",
    tips: ["nondeterministic_output_order"],
    subcommands,
    serve: () => infos(table, []),
  }]);
}

function infos({ commands, lookupFullName }: CommandTable, names: readonly string[]): Reply {
  if (names.length > NAMES_MAX) throw TOO_MANY_NAMES;
  return names.length === 0
    ? commands.map(infoOf)
    : names.map((name) => infoOf(lookupFullName(name)));
}
