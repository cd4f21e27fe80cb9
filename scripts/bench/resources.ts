type End = () => void | Promise<void>;

/** What a measurement has started, and how each of it is ended. */
export class Resources {
  readonly #ends: End[] = [];

  /** @param end called once, before those that were added earlier */
  add(end: End): void {
    this.#ends.push(end);
  }

  /** A new directory, removed at the end. */
  temporaryDirectory(): string {
    const dir = Deno.makeTempDirSync({ prefix: "regent_bench_" });
    this.add(() => Deno.remove(dir, { recursive: true }));
    return dir;
  }

  async end(): Promise<void> {
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Runs a measurement and ends what it has started, also when it fails and on Ctrl-C, which then ends
 * this process. A second Ctrl-C ends it at once.
 */
export async function withResources(
  work: (resources: Resources) => Promise<void>,
): Promise<void> {
  const resources = new Resources();
  let isInterrupted = false;
  const interrupt = () => {
    if (isInterrupted) Deno.exit(130);
    isInterrupted = true;
    void resources.end().finally(() => Deno.exit(130));
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupt);
  try {
    await work(resources);
  } finally {
    // What fails because its processes were just ended is not worth telling, and nothing goes on.
    if (isInterrupted) await new Promise(() => {});
    await resources.end();
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupt);
  }
}
