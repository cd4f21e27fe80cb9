/**
 * Puts known bugs into a copy of the code, one at a time, and shows whether the simulation or the
 * tests notice each of them. The exit code is 1 if one is not noticed.
 *
 * deno task mutants [--only NAME] [--seeds N]
 */
import { UserError } from "../src/base/errors.ts";
import { integer, text, type Values } from "../src/cli/flags.ts";
import { allMutants } from "../tests/mutants/all_mutants.ts";
import { hunt } from "../tests/mutants/hunt.ts";
import { survivorsOf, verdictTable } from "../tests/mutants/verdict_table.ts";
import { runTask } from "./run_task.ts";

const flags = {
  only: text("NAME", {
    help: "Run only mutants whose name contains this; by default all",
    defaultValue: "",
  }),
  seeds: integer("N", {
    help: "Maximum number of simulation seeds for each mutant that the simulation runs",
    defaultValue: 300,
    min: 1,
    max: 100_000,
  }),
};

async function run({ only, seeds }: Values<typeof flags>): Promise<number> {
  const mutants = allMutants.filter(({ name }) => name.includes(only));
  if (mutants.length === 0) throw new UserError(`Cannot find a mutant: no name contains ${only}`);
  const sinceMs = performance.now();
  const root = new URL("..", import.meta.url).pathname;
  const verdicts = await hunt({ root, mutants, seedCount: seeds, say: console.log });
  if (verdicts === null) return 1;
  console.log(`\n${verdictTable(verdicts)}`);
  console.log(`${((performance.now() - sinceMs) / 60_000).toFixed(1)} minutes`);
  return survivorsOf(verdicts).length > 0 ? 1 : 0;
}

await runTask({
  name: "mutants",
  about: "Puts known bugs into a copy of the code, and shows which tests notice them.",
  flags,
  run,
});
