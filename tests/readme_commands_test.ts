import { assert } from "@std/assert";
import type { Command } from "../src/commands/command.ts";
import { SESSION_GROUP } from "../src/commands/session_rows.ts";
import { COMMANDS } from "../src/commands/table.ts";

const LINE_LENGTH_MAX = 100;

/** Whether the command, or each of its subcommands but HELP, reads or writes data. */
function isForData({ name, kind, subcommands }: Command): boolean {
  if (subcommands === undefined) return kind !== "local";
  return subcommands.every((row) => isForData(row) || row.name === `${name}|help`);
}

/** The names of rows in the form of a paragraph of the README. */
function paragraph(rows: readonly Command[]): string {
  const lines = ["`"];
  for (const { name } of rows) {
    const line = lines.at(-1) ?? "";
    const word = name.toUpperCase();
    const isFull = line.length + 1 + word.length > LINE_LENGTH_MAX;
    if (isFull) lines.push(word);
    else lines[lines.length - 1] = line.length <= 1 ? line + word : `${line} ${word}`;
  }
  return `${lines.join("\n")}\``;
}

Deno.test("the README lists the commands of the table", () => {
  const readme = Deno.readTextFileSync(new URL("../README.md", import.meta.url));
  const rows = COMMANDS.filter(({ group }) => group !== SESSION_GROUP);
  for (const wanted of [rows.filter(isForData), rows.filter((row) => !isForData(row))]) {
    const text = paragraph(wanted);
    assert(readme.includes(text), `the README must contain this paragraph:\n${text}`);
  }
});
