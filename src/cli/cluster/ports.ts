import { UserError } from "../../base/errors.ts";

const WAIT_MS_MAX = 1_000;
const RETRY_MS = 50;

/**
 * Finds out beforehand that a port is taken: by the time a child says so, whoever has the port may
 * have been taken for the child. Waits a moment, so that a cluster that has just been killed may
 * finish dying.
 *
 * @throws {UserError} that names the port
 */
export async function untilPortsFree(hostname: string, ports: readonly number[]): Promise<void> {
  for (let waitedMs = 0;; waitedMs += RETRY_MS) {
    const taken = ports.find((port) => isTaken(hostname, port));
    if (taken === undefined) return;
    if (waitedMs >= WAIT_MS_MAX) {
      throw new UserError(
        `Cannot listen on ${hostname}:${taken}: the port is in use; choose others by --port`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

function isTaken(hostname: string, port: number): boolean {
  try {
    Deno.listen({ hostname, port }).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return true;
    throw error;
  }
}
