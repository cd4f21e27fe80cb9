const MIB = 1024 * 1024;

/** How fast and how patiently files are repaired. Times are in milliseconds. */
export interface HealerLimits {
  /** Bytes a second that this node fetches from others in order to repair. */
  readonly repairBytesPerSecond: number;
  /** Number of blobs that it fetches at the same time. */
  readonly pullsMax: number;
  /** Bytes a second that the scrub reads. */
  readonly scrubBytesPerSecond: number;
  /** Shortest time from the start of one round of the scrub to the next. */
  readonly scrubRoundMs: number;
  /** Of silence, after which the leader has other nodes take a node's place. */
  readonly outGraceMs: number;
  /** For which a node may be missing from Raft's configuration before it leaves the layout. */
  readonly forgetMs: number;
  /** For which the content of a deleted or replaced file stays on the disk. */
  readonly deadGraceMs: number;
  /**
   * For which a content stays on the disk that the log does not know. It must be longer than the
   * deadline of a commit: until then it may become visible.
   */
  readonly orphanGraceMs: number;
  /** For which a copy may be on the disk that the log knows of, but not that this node has it. */
  readonly unrecordedGraceMs: number;
  /** For which a copy may be missing before this node fetches it: it may be on its way. */
  readonly pullGraceMs: number;
  /** Between two looks at what there is to do. */
  readonly sweepMs: number;
  /** The pause after a sweep is at least as many times as long as the sweep took. */
  readonly sweepFactor: number;
  /** After which it sweeps although it knows of no change. */
  readonly idleSweepMs: number;
  /** Between two comparisons of the disk with the log. */
  readonly scanMs: number;
}

export const HEALER_LIMITS: HealerLimits = {
  repairBytesPerSecond: 64 * MIB,
  pullsMax: 2,
  scrubBytesPerSecond: 8 * MIB,
  scrubRoundMs: 60_000,
  outGraceMs: 300_000,
  forgetMs: 10_000,
  deadGraceMs: 60_000,
  orphanGraceMs: 3_600_000,
  unrecordedGraceMs: 120_000,
  pullGraceMs: 2_000,
  sweepMs: 500,
  sweepFactor: 20,
  idleSweepMs: 30_000,
  scanMs: 60_000,
};
