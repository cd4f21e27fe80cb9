/** Times in milliseconds. */
export interface UploadLimits {
  /** Maximum number of uploads at the same time. */
  readonly uploadsMax: number;
  /** Maximum number of file descriptors that they take together. */
  readonly descriptorsMax: number;
  /** For which one more waits for its turn. */
  readonly turnMs: number;
  /** Maximum number of bytes that wait for the slowest holder of an upload. */
  readonly bufferBytes: number;
  /** After which a holder that takes nothing is given up. */
  readonly stalledMs: number;
  /** After which an upload ends of which nothing arrives. */
  readonly bodyStalledMs: number;
  /** After which a holder that does not finish is given up. */
  readonly finishMs: number;
  /** For which an upload with a majority of its copies waits for the others. */
  readonly lateMs: number;
  /** After which the log refuses a commit. */
  readonly deadlineMs: number;
  /**
   * After which it refuses one that is sent again, since the outcome of the first is unknown. It
   * must be shorter than the grace time of dead blobs: if the first was executed and its file
   * replaced meanwhile, the second must not bring it back without its content.
   */
  readonly repeatedMs: number;
  /** For which a commit is tried. */
  readonly commitMs: number;
}

export const UPLOAD_LIMITS: UploadLimits = {
  uploadsMax: 128,
  descriptorsMax: Infinity,
  turnMs: 10_000,
  bufferBytes: 4 * 1024 * 1024,
  stalledMs: 10_000,
  bodyStalledMs: 30_000,
  finishMs: 60_000,
  lateMs: 100,
  deadlineMs: 600_000,
  repeatedMs: 45_000,
  commitMs: 15_000,
};
