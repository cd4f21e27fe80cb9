import { type Killer, Killers, reasonOf, simulation, testFile } from "./killer.ts";
import type { Mutant } from "./mutant.ts";
import { checkTypes } from "./type_check.ts";
import { share, withWorkspaces, type Workspace } from "./workspace.ts";

const WORKER_COUNT = 2;

export interface HuntOptions {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** Number of seeds that the simulation tries on each mutant of the core. */
  readonly seedCount: number;
  readonly say: (line: string) => void;
}

/** The result for a mutant. */
export interface Verdict {
  readonly mutant: Mutant;
  /** Who noticed the bug, with the reason and the time taken, in the order of trying. */
  readonly kills: readonly {
    readonly by: string;
    readonly reason: string;
    readonly seconds: number;
  }[];
  /** Who should have noticed and did not, if anyone. */
  readonly survived: string | null;
}

/**
 * Checks that the code without mutants passes everything that may kill one, and then applies one
 * mutant after the other.
 *
 * @returns the verdicts in the order of the mutants; `null` if the code without mutants fails
 */
export async function hunt(options: HuntOptions): Promise<readonly Verdict[] | null> {
  return await withWorkspaces(
    options.root,
    WORKER_COUNT,
    (workspaces) => new Hunt(options, workspaces).run(),
  );
}

class Hunt {
  readonly #options: HuntOptions;
  readonly #workspaces: readonly Workspace[];
  readonly #killers = new Killers();

  constructor(options: HuntOptions, workspaces: readonly Workspace[]) {
    this.#options = options;
    this.#workspaces = workspaces;
  }

  async run(): Promise<readonly Verdict[] | null> {
    const { mutants } = this.#options;
    if (!await this.#checkTypes() || !await this.#calibrate()) return null;
    return await share(
      mutants,
      this.#workspaces,
      (mutant, workspace) => this.#judge(mutant, workspace),
    );
  }

  async #checkTypes(): Promise<boolean> {
    const { mutants, say } = this.#options;
    const [workspace] = this.#workspaces;
    if (workspace === undefined) throw new RangeError("Cannot hunt: there is no workspace");
    const complaint = await checkTypes(mutants, workspace);
    if (complaint !== null) say(`a mutant is not valid TypeScript:\n${complaint}`);
    return complaint === null;
  }

  async #calibrate(): Promise<boolean> {
    const { mutants, say } = this.#options;
    const paths = new Set(mutants.flatMap(({ killers }) => killers));
    const killers = [...paths].map(testFile);
    if (mutants.some((mutant) => mutant.simulation)) {
      killers.unshift(simulation(this.#options.seedCount));
    }
    say(`without a mutant, ${killers.length} ways to kill one:`);
    const results = await share(killers, this.#workspaces, async (killer, workspace) => {
      const { ending, seconds, output } = await this.#killers.calibrate(killer, workspace);
      say(`  ${ending} ${killer.name}, ${seconds.toFixed(1)} s`);
      if (ending !== "passed") say(output);
      return ending === "passed";
    });
    return results.every((isPassed) => isPassed);
  }

  async #judge(mutant: Mutant, workspace: Workspace): Promise<Verdict> {
    const { killers, simulation: isForSimulation = false, firstSeed } = mutant;
    const verdict = await workspace.with([mutant], async () => {
      const kills = [];
      if (isForSimulation) {
        const histories = simulation(this.#options.seedCount, firstSeed);
        kills.push(await this.#try([histories], workspace));
      }
      if (killers.length > 0) kills.push(await this.#try(killers.map(testFile), workspace));
      const isSurvivor = kills.some((kill) => kill === null) || kills.length === 0;
      const who = isForSimulation && kills[0] === null ? "the simulation" : "the tests";
      return {
        mutant,
        kills: kills.filter((kill) => kill !== null),
        survived: isSurvivor ? who : null,
      };
    });
    this.#tell(verdict);
    return verdict;
  }

  /** Tries one killer after the other until one notices. */
  async #try(
    killers: readonly Killer[],
    workspace: Workspace,
  ): Promise<Verdict["kills"][number] | null> {
    let seconds = 0;
    for (const killer of killers) {
      const result = await this.#killers.run(killer, workspace);
      seconds += result.seconds;
      if (result.ending !== "passed") {
        return { by: killer.name, reason: reasonOf(result), seconds };
      }
    }
    return null;
  }

  #tell({ mutant, kills, survived }: Verdict): void {
    const { say } = this.#options;
    for (const { by, reason, seconds } of kills) {
      say(`killed ${mutant.name} by ${by}, ${seconds.toFixed(1)} s: ${reason}`);
    }
    if (survived !== null) say(`SURVIVED ${survived}: ${mutant.name}`);
  }
}
