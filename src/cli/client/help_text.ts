import type { Command, CommandKind } from "../../commands/command.ts";
import { COMMANDS, lookup } from "../../commands/table.ts";
import { subcommandNames } from "./subcommand_names.ts";

const COLUMNS = 78;
const EXECUTED: Readonly<Record<CommandKind, string>> = {
  write: "by all nodes, by way of the leader's log",
  read: "by any node, once it is up to date",
  local: "by the node or proxy that is connected",
};
const GENERAL = [
  'Type a command of Redis and Enter, such as: SET greeting "hello\\n"',
  "",
  "  help COMMAND   tells about a command; help @GROUP lists a group",
  "  Tab            completes names; arrows up and down recall earlier lines",
  "  Ctrl-C         clears the line, or gives up waiting for an answer",
  "  clear          clears the screen",
  "  quit, Ctrl-D   ends",
  "",
  "Double quotes know \\n, \\t, \\xHH and \\\"; single quotes take all as it is but \\'",
  "",
];

/** What `help` says of a command, of a group (`@string`), or of the client and all groups. */
export function helpText(topic: string | undefined): string {
  if (topic === undefined) return [...GENERAL, ...groups().map(groupLine)].join("\n");
  if (topic.startsWith("@")) return groupText(topic.slice(1).toLowerCase());
  const command = lookup(topic);
  return command === undefined
    ? `No command is named ${topic}; help alone lists all`
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
    `  group        ${group}, in Redis since ${since}`,
  ].join("\n");
}

function groupText(group: string): string {
  const commands = COMMANDS.filter((command) => command.group === group);
  if (commands.length === 0) return `No group is named ${group}; there are ${groups().join(", ")}`;
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
