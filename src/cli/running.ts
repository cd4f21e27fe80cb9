import { endingSignal } from "../platform/process.ts";

/** Resolves when standard input ends, that is when the parent process is gone. */
async function endOfStandardInput(): Promise<void> {
  const buffer = new Uint8Array(1024);
  while (await Deno.stdin.read(buffer) !== null);
}

/**
 * Resolves when a long-running subcommand should end normally, and rejects when it cannot go on.
 *
 * @param stopWithStdin whether the end of standard input counts too
 */
export async function endOfService(stopWithStdin: boolean, failed: Promise<never>): Promise<void> {
  const ends: Promise<unknown>[] = [endingSignal(), failed];
  if (stopWithStdin) ends.push(endOfStandardInput());
  await Promise.race(ends);
}
