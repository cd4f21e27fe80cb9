/** A seed that is always run again, and why. */
export interface KeptSeed {
  readonly seed: number;
  readonly nodeCount: number | null;
  /** What it showed. */
  readonly showed: string;
}

/** How a seed unfolds changes with the simulation, so each keeps its place only as a good mixture. */
export const KEPT_SEEDS: readonly KeptSeed[] = [
  { seed: 1, nodeCount: null, showed: "nothing yet; a run with elections and disk faults" },
];
