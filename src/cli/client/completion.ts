import type { Command, CommandKind } from "../../commands/command.ts";
import { COMMANDS, lookup } from "../../commands/table.ts";

/** A command's subcommands, in lower case and sorted. */
export function subcommandNames(command: string): readonly string[] {
  const { subcommands = [] } = lookup(command) ?? {};
  return subcommands.map(({ name }) => name.slice(name.indexOf("|") + 1)).sort();
}

const COLUMNS = 78;
const EXECUTED: Readonly<Record<CommandKind, string>> = {
  write: "by all nodes, through the leader's log",
  read: "by any node, once it is up to date",
  local: "by the connected node or proxy",
};
const GENERAL = [
  'Type a Redis command and press Enter, for example: SET greeting "hello\\n"',
  "",
  "  help COMMAND   describes a command",
  "  help @GROUP    lists the commands of a group",
  "  Tab            completes names; arrows up and down recall earlier lines",
  "  Ctrl-C         clears the line, or stops waiting for a reply",
  "  clear          clears the screen",
  "  quit, Ctrl-D   leaves the client",
  "",
  "Escapes in double quotes: \\n, \\t, \\xHH, \\\" and others. In single quotes: only \\'",
  "",
];

/** The text of `help` for a command, for a group (`@string`), or for the client and all groups. */
export function helpText(topic: string | undefined): string {
  if (topic === undefined) return [...GENERAL, ...groups().map(groupLine)].join("\n");
  if (topic.startsWith("@")) return groupText(topic.slice(1).toLowerCase());
  const command = lookup(topic);
  return command === undefined
    ? `No command is named ${topic}; type help to list all commands`
    : commandText(command);
}

function commandText({ name, summary, kind, keys, group, since, arity }: Command): string {
  const fewest = Math.abs(arity) - 1;
  const count = arity < 0 ? `at least ${fewest}` : fewest === 0 ? "none" : String(fewest);
  const subcommands = subcommandNames(name);
  return [
    `${name.toUpperCase()}: ${summary}`,
    `  arguments    ${count}${keys === null ? "" : `, key${keys.last === 1 ? "" : "s"} included`}`,
    ...(subcommands.length === 0 ? [] : [`  subcommands  ${subcommands.join(" ").toUpperCase()}`]),
    `  executed     ${EXECUTED[kind]}`,
    `  group        ${group}, ${origin(since)}`,
  ].join("\n");
}

/** The version of Redis or Regent that introduced a command. Regent's versions are below 1.0.0. */
function origin(since: string): string {
  return since.startsWith("0.") ? `Regent's own since ${since}` : `in Redis since ${since}`;
}

function groupText(group: string): string {
  const commands = COMMANDS.filter((command) => command.group === group);
  if (commands.length === 0) {
    return `No group is named ${group}; the groups are ${groups().join(", ")}`;
  }
  const width = Math.max(...commands.map(({ name }) => name.length));
  return commands.map(({ name, summary }) => `${name.toUpperCase().padEnd(width)}  ${summary}`)
    .join("\n");
}

function groups(): string[] {
  return [...new Set(COMMANDS.map(({ group }) => group))].sort();
}

function groupLine(group: string): string {
  const lines = [`@${group}`];
  let line = " ";
  for (const { name } of COMMANDS.filter((command) => command.group === group)) {
    if (line.length + 1 + name.length > COLUMNS) {
      lines.push(line);
      line = " ";
    }
    line += ` ${name.toUpperCase()}`;
  }
  return [...lines, line].join("\n");
}

const OWN_WORDS = ["clear", "exit", "help", "quit"];

/**
 * Completes the last word of a line to the names of commands or subcommands, and after `help` to
 * the names of commands. The candidates have the case that was typed, and a trailing space.
 *
 * @returns the candidates, and the part of the line that they replace
 */
export function completeLine(line: string): [candidates: string[], replaced: string] {
  const words = line.trimStart().split(/\s+/);
  const last = words.at(-1) ?? "";
  if (last === "" && words.length === 1) return [[], last];
  const wanted = last.toLowerCase();
  const isUpper = last === "" ? isUpperCase(words[0] ?? "") : isUpperCase(last);
  const found = namesAfter(words.slice(0, -1)).filter((name) => name.startsWith(wanted));
  return [found.map((name) => `${isUpper ? name.toUpperCase() : name} `), last];
}

function namesAfter(before: readonly string[]): readonly string[] {
  const commands = COMMANDS.map(({ name }) => name);
  if (before.length === 0) return [...new Set([...commands, ...OWN_WORDS])].sort();
  const [first = ""] = before;
  if (before.length !== 1) return [];
  return first.toLowerCase() === "help" ? commands : subcommandNames(first);
}

function isUpperCase(word: string): boolean {
  return word !== word.toLowerCase() && word === word.toUpperCase();
}
