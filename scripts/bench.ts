/**
 * Measures Regent and, where a comparison makes sense, a Redis that syncs every write. The two take
 * turns within one run. Prints Markdown. Results on shared machines drift, so compare only the
 * ratios within one run.
 *
 * deno task bench [--only PART,…] [--help]
 */
import { messageOf, UserError } from "../src/base/errors.ts";
import { flagName, type Values } from "../src/cli/flags.ts";
import { onlyFlag, type Part, PARTS } from "./bench/parts.ts";
import { withResources } from "./bench/resources.ts";
import { settingFlags } from "./bench/settings.ts";
import { runTask } from "./run_task.ts";

const flags = { only: onlyFlag, ...settingFlags };

async function run({ only, ...settings }: Values<typeof flags>): Promise<number> {
  const isWanted = ({ needs }: Part) => needs === undefined || settings[needs] > 0;
  const missing = only?.find((part) => !isWanted(part));
  if (missing?.needs !== undefined) {
    const flag = flagName(missing.needs);
    throw new UserError(`Cannot measure ${missing.name}: current value of --${flag} is 0`);
  }
  console.log(`${navigator.hardwareConcurrency} processors, Deno ${Deno.version.deno}.`);
  console.log(
    `Medians of ${settings.rounds} rounds. In each round, all targets take turns. A warm-up ` +
      "round before them is not counted.",
  );
  let exitCode = 0;
  for (const part of (only ?? PARTS).filter(isWanted)) {
    console.log(`\n## ${part.name}`);
    try {
      await withResources((resources) => part.measure(resources, settings));
    } catch (error) {
      console.log(`\nCannot finish ${part.name}: ${messageOf(error)}`);
      exitCode = 1;
    }
  }
  return exitCode;
}

const partLines = PARTS.map(({ name, about }) => `  ${name.padEnd(13)}  ${about}`);

await runTask({
  name: "bench",
  about: [
    "Measures Regent and, for comparison, a Redis that syncs every write. Prints Markdown. Parts:",
    "",
    ...partLines,
  ].join("\n"),
  flags,
  run,
});
