type End = () => void | Promise<void>;

/** The things that a measurement has started, each with a function that ends it. */
export class Resources {
  readonly #ends: End[] = [];

  /** @param end called once. The last one added is called first. */
  add(end: End): void {
    this.#ends.push(end);
  }

  /** A new directory, which is removed at the end. */
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
 * Runs a measurement and ends everything that it has started, also after a failure. Ctrl-C does the
 * same and then ends this process. A second Ctrl-C ends the process at once.
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
    // After Ctrl-C, wait for the exit: a failure caused by it must not be reported.
    if (isInterrupted) await new Promise(() => {});
    await resources.end();
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupt);
  }
}
