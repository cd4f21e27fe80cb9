/**
 * Twenty times as long as anything here takes on a quiet machine. Only a failure waits this long.
 */
const PATIENCE_MS = 60_000;

/**
 * Polls until the condition holds.
 *
 * @throws if it does not hold in time; the message includes what `describe` returns
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  options: { readonly timeoutMs?: number; readonly describe?: () => string } = {},
): Promise<void> {
  const { timeoutMs = PATIENCE_MS, describe = () => "" } = options;
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`Gave up waiting after ${timeoutMs} ms: ${what}. ${describe()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
