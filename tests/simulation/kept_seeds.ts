/** A seed that is always run again, and why. */
export interface KeptSeed {
  readonly seed: number;
  readonly nodeCount: number | null;
  /** What it showed. */
  readonly showed: string;
}

/** How a seed unfolds changes with the simulation; what it once showed has a test of its own as well. */
export const KEPT_SEEDS: readonly KeptSeed[] = [
  {
    seed: 637,
    nodeCount: null,
    showed: "reads of followers starve behind a slow way to the leader",
  },
  {
    seed: 5053,
    nodeCount: null,
    showed: "a write of unknown outcome is executed after later reads",
  },
  { seed: 7411, nodeCount: null, showed: "one sync covers entries and those that replace them" },
  {
    seed: 474,
    nodeCount: null,
    showed: "a write of unknown outcome is executed after later requests",
  },
  {
    seed: 700015,
    nodeCount: null,
    showed: "writes behind a read that could not be confirmed are executed twice",
  },
  {
    seed: 100147,
    nodeCount: null,
    showed: "a write of unknown outcome is executed after later ones of unknown outcome",
  },
  {
    seed: 20016,
    nodeCount: null,
    showed: "a follower is offered the snapshot that it has, and needs a newer one",
  },
  {
    seed: 252812906,
    nodeCount: null,
    showed: "a leader is turned away by a node whose log alone says that it was removed",
  },
];
