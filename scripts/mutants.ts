/**
 * Puts known bugs into a copy of the code, one at a time, and shows that the simulation or the tests
 * notice each of them. The exit code is 1 when one is not noticed.
 *
 * deno task mutants [--only NAME] [--seeds N]
 */
import { integer, parseFlags, text } from "../src/cli/flags.ts";
import { allMutants } from "../tests/mutants/all_mutants.ts";
import { hunt } from "../tests/mutants/hunt.ts";
import { survivorsOf, verdictTable } from "../tests/mutants/verdict_table.ts";

const flags = {
  only: text("NAME", { help: "Mutants whose name contains this", fallback: "" }),
  seeds: integer("N", {
    help: "Seeds of the simulation, at most, for each mutant of the core",
    fallback: 300,
    min: 1,
    max: 100_000,
  }),
};

async function main(): Promise<void> {
  const { only, seeds } = parseFlags(flags, Deno.args, () => undefined);
  const mutants = allMutants.filter(({ name }) => name.includes(only));
  if (mutants.length === 0) throw new RangeError(`Cannot find a mutant: current value is ${only}`);
  const sinceMs = performance.now();
  const root = new URL("..", import.meta.url).pathname;
  const verdicts = await hunt({ root, mutants, seedCount: seeds, say: console.log });
  if (verdicts === null) Deno.exit(1);
  console.log(`\n${verdictTable(verdicts)}`);
  console.log(`${((performance.now() - sinceMs) / 60_000).toFixed(1)} minutes`);
  if (survivorsOf(verdicts).length > 0) Deno.exitCode = 1;
}

await main();
