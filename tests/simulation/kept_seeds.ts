/** A seed that is always run again, and why. */
export interface KeptSeed {
  readonly seed: number;
  readonly nodeCount: number | null;
  /** The bug that it showed. */
  readonly showed: string;
}

/** How a seed unfolds changes with the simulation. So each bug has a test of its own as well. */
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
  {
    seed: 903839223,
    nodeCount: null,
    showed: "an entry of an older term is committed where a node has proposed in a newer one",
  },
  {
    seed: 903924703,
    nodeCount: null,
    showed: "a founder's peers talk to the listener that it has closed when the cluster began",
  },
  {
    seed: 919216578,
    nodeCount: null,
    showed: "a write that waits for the next leader beyond --wait-ms",
  },
  {
    seed: 5117,
    nodeCount: null,
    showed: "a founder's disk is emptied, and it is refused only when the faults are over",
  },
  {
    seed: 104,
    nodeCount: null,
    showed: "a founder's disk is damaged before the others know that the cluster has begun",
  },
  {
    seed: 30111,
    nodeCount: null,
    showed: "a peer misses its leader whose connection for heartbeats alone is not open yet",
  },
  {
    seed: 30190,
    nodeCount: null,
    showed: "an old node that was removed ends with an error about the version raised behind that",
  },
  {
    seed: 35884,
    nodeCount: null,
    showed: "a read sees a later write of its own connection that was given up on",
  },
  {
    seed: 40045,
    nodeCount: null,
    showed: "a new leader goes by what the clocks showed before they were put right",
  },
  {
    seed: 63236,
    nodeCount: null,
    showed: "a read at a follower sees a key that ended seconds ago, while nobody led",
  },
  {
    seed: 63755,
    nodeCount: null,
    showed: "a new leader that drops an outdated word drops the time since the last entry with it",
  },
  {
    seed: 64643,
    nodeCount: null,
    showed:
      "two of three wait for 5 s, since the newest entries are on a wrong clock, and then go on",
  },
  {
    seed: 65286,
    nodeCount: null,
    showed: "a snapshot is begun in the turn in which its last entry, a no-op, is committed",
  },
  {
    seed: 66366,
    nodeCount: null,
    showed: "a key ends that was asked for before the log's time was known, in place of another",
  },
];
