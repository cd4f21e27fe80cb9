import { simulate, type SimulationResult } from "./simulation.ts";

/** One seed in N is run twice, to check that the simulation is deterministic. */
const REPEATED_EVERY = 100;

export interface RunOptions {
  readonly firstSeed: number;
  /** Maximum number of seeds. */
  readonly seedsMax: number;
  /** Real time in milliseconds after which no further seed starts. */
  readonly untilMs: number;
  readonly nodeCount: number | null;
  readonly onFailure: (result: SimulationResult) => void;
  readonly onProgress?: (totals: Totals) => void;
}

export class Totals {
  seeds = 0;
  failures = 0;
  repeated = 0;
  simulatedMs = 0;
  realMs = 0;
  operations = 0;
  faults = 0;
  entries = 0;
  elections = 0;
  snapshots = 0;
  installs = 0;
  changes = 0;

  add(result: SimulationResult): void {
    this.seeds++;
    if (result.failure !== null) this.failures++;
    this.simulatedMs += result.simulatedMs;
    this.operations += result.operations;
    this.faults += result.faults;
    this.entries += result.entries;
    this.elections += result.elections;
    this.snapshots += result.snapshots;
    this.installs += result.installs;
    this.changes += result.changes;
  }

  /** A summary on one line. */
  toString(): string {
    const minutes = this.realMs / 60_000;
    const rate = (count: number) => Math.round(count / minutes);
    const simulatedS = this.simulatedMs / 1000;
    return `${this.seeds} seeds, ${this.failures} failed, ${this.repeated} run twice; ` +
      `${Math.round(simulatedS)} s simulated, ${this.operations} operations, ` +
      `${this.entries} entries, ${this.elections} terms led, ${this.faults} faults, ` +
      `${this.snapshots} snapshots taken, ${this.installs} installed, ` +
      `${this.changes} changes of members; ` +
      `${rate(this.seeds)} seeds and ${rate(simulatedS)} simulated s a minute`;
  }
}

/** Runs seeds one after the other. */
export async function runSeeds(options: RunOptions): Promise<Totals> {
  const totals = new Totals();
  const startMs = performance.now();
  for (let count = 0; count < options.seedsMax; count++) {
    if (performance.now() - startMs >= options.untilMs) break;
    const seed = options.firstSeed + count;
    let result = await simulate(seed, options);
    if (count % REPEATED_EVERY === 0 && result.failure === null) {
      totals.repeated++;
      result = await repeat(result, options);
    }
    totals.add(result);
    totals.realMs = performance.now() - startMs;
    if (result.failure !== null) options.onFailure(result);
    options.onProgress?.(totals);
  }
  return totals;
}

async function repeat(first: SimulationResult, options: RunOptions): Promise<SimulationResult> {
  const second = await simulate(first.seed, options);
  if (second.traceHash === first.traceHash) return first;
  const failure = `not deterministic: the traces are ${first.traceHash} and ${second.traceHash}`;
  return { ...first, failure };
}

/** The report of a failing seed. */
export function failureText({ seed, failure, report }: SimulationResult, nodes: number | null) {
  const flag = nodes === null ? "" : ` --nodes ${nodes}`;
  return [
    ...report,
    `seed ${seed} failed: ${failure}`,
    `again: deno task sim --seed ${seed}${flag}`,
  ].join("\n");
}
