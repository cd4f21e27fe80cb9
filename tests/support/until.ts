/**
 * Twenty times as long as anything here takes on a quiet machine. Only a failure waits this long.
 */
const PATIENCE_MS = 60_000;

const INTERVAL_MS_MIN = 10;
const INTERVAL_MS_MAX = 200;
/** The pause before the next look, as a share of the time waited: a long wait is cheap. */
const INTERVAL_SHARE = 0.05;

export interface UntilOptions {
  /** @default 60,000 */
  readonly timeoutMs?: number;
  /**
   * Maximum pause between two looks, for conditions that themselves bring the end nearer.
   *
   * @default 200
   */
  readonly intervalMsMax?: number;
  /** For the message of a failure. */
  readonly describe?: () => string;
}

/**
 * Polls until the condition holds. The longer it waits, the longer it pauses: looks at processes cost
 * them time, too.
 *
 * @throws if it does not hold in time; the message includes what `describe` returns
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  options: UntilOptions = {},
): Promise<void> {
  const { timeoutMs = PATIENCE_MS, intervalMsMax = INTERVAL_MS_MAX, describe = () => "" } = options;
  const startMs = performance.now();
  while (!(await holds())) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs > timeoutMs) {
      throw new Error(`Gave up waiting after ${timeoutMs} ms: ${what}. ${describe()}`);
    }
    const pauseMs = Math.min(Math.max(INTERVAL_MS_MIN, waitedMs * INTERVAL_SHARE), intervalMsMax);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
