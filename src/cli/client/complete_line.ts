import { COMMANDS } from "../../commands/table.ts";
import { subcommandNames } from "./subcommand_names.ts";

const OWN_WORDS = ["clear", "exit", "help", "quit"];

/**
 * What the word at the end of a line may become: names of commands, of their subcommands, and after
 * `help` of commands again. In the case that was typed, with a space behind.
 *
 * @returns the candidates, and the part of the line that each of them would replace
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
