import { runDeno, type RunResult } from "./run_deno.ts";
import type { Workspace } from "./workspace.ts";

/** A run counts as hung after this many times the duration without a bug. */
const PATIENCE = 6;
const SECONDS_MIN = 20;
const FIRST_SECONDS_MAX = 600;

/** A way to notice a bug: a test file, or the simulation. */
export interface Killer {
  readonly name: string;
  /** Arguments of `deno`. Types are not checked each time: that is done once for all mutants. */
  readonly args: readonly string[];
}

/** A mutant may allocate memory without end. */
const LIMITS = "--v8-flags=--max-old-space-size=1500";

export function testFile(path: string): Killer {
  return { name: path, args: ["test", "--no-check", "--quiet", "--allow-all", LIMITS, path] };
}

/** A fixed range of seeds, so that a verdict does not depend on luck. */
export function simulation(seedCount: number, firstSeed = 1): Killer {
  const script = "tests/mutants/simulate_until_failure.ts";
  const seeds = [String(firstSeed), String(seedCount)];
  const args = ["run", "--no-check", "--quiet", "--allow-env", LIMITS, script, ...seeds];
  return { name: "simulation", args };
}

/** Runs killers, and knows how long each takes without a bug. */
export class Killers {
  readonly #seconds = new Map<string, number>();

  /** The first run, without a bug. */
  async calibrate(killer: Killer, workspace: Workspace): Promise<RunResult> {
    const result = await runDeno(workspace.path, killer.args, FIRST_SECONDS_MAX);
    this.#seconds.set(killer.name, result.seconds);
    return result;
  }

  /** A run with a bug. The bug is noticed if the run fails, or takes far longer than without. */
  run(killer: Killer, workspace: Workspace): Promise<RunResult> {
    const seconds = this.#seconds.get(killer.name);
    if (seconds === undefined) throw new RangeError(`Cannot run ${killer.name}: it is unknown`);
    return runDeno(workspace.path, killer.args, Math.max(SECONDS_MIN, PATIENCE * seconds));
  }
}

/** What the output of a failed run shows about the failure: a seed, or the name of a test. */
export function reasonOf({ ending, output }: RunResult): string {
  if (ending === "hung") return "hangs";
  const lines = output.split("\n");
  const told = lines.find((line) => /^seed \d+: /.test(line)) ??
    lines.find((line) => line.includes(" => ./"))?.replace(/ => .*/, "") ??
    lines.find((line) => /error/i.test(line)) ?? "";
  return told.slice(0, 120);
}
