/** Twenty times what anything here takes on a quiet machine. Only a failure waits this long. */
const PATIENCE_MS = 60_000;

/**
 * Resolves when the condition holds; asks again and again.
 *
 * @throws when it does not hold in time; `describe` tells what is so instead
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
