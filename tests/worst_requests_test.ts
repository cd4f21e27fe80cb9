import { assert, assertEquals } from "@std/assert";
import { REFILL, WORST_REQUESTS } from "../scripts/bench/worst_requests.ts";
import { checkRequest, COMMANDS, hasRightArity } from "../src/commands/table.ts";

/**
 * A container such as CLIENT does nothing by itself, unless it may be called alone, as COMMAND may.
 */
const ROWS = COMMANDS.flatMap((command) => {
  const { subcommands } = command;
  if (subcommands === undefined) return [command];
  return hasRightArity(command, 1) ? [command, ...subcommands] : subcommands;
}).map(({ name }) => name);

/** Every HELP returns a list of short lines from the table. */
const isExempt = (name: string) => name.endsWith("|help");

Deno.test("each row of the table has a worst request, and no other exists", () => {
  assert(ROWS.includes("client|kill") && !ROWS.includes("client") && ROWS.includes("command"));
  assertEquals(
    Object.keys(WORST_REQUESTS).sort(),
    ROWS.filter((name) => !isExempt(name)).sort(),
    "add the worst request of the command or subcommand to scripts/bench/worst_requests.ts",
  );
});

Deno.test("worst requests are of their row, and have the right number of arguments", () => {
  for (const [name, worst] of Object.entries(WORST_REQUESTS)) {
    for (const { title, before = [], requests } of worst({ keys: 1_000, largeBytes: 10 })) {
      if (title === REFILL || requests.length === 0) continue;
      const isInline = requests[0]?.length === 1 && requests[0][0]?.includes(" ");
      const rows = requests.map((request) =>
        checkRequest(isInline ? (request[0] ?? "").split(" ") : request)
      );
      before.forEach(checkRequest);
      const isAbout = rows.some((row) => row.name === name);
      assert(isAbout || title.startsWith("and then"), `${name}: ${title}`);
    }
  }
});
