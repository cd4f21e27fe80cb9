/** The results of `redis-benchmark` for one command. */
export interface LoadFigures {
  /** Requests per second. */
  readonly rate: number;
  /** The median latency. With a pipeline, it is the latency of the whole pipeline. */
  readonly medianMs: number;
}

export interface LoadOptions {
  readonly port: number;
  /** A command, in lower case. */
  readonly test: string;
  /** Requests sent on each connection before it waits for an answer. */
  readonly pipeline: number;
  readonly requests: number;
  /** @default 50 */
  readonly clients?: number;
  /** @default 64 */
  readonly valueBytes?: number;
  /** Number of keys. Each request picks one at random. @default 100000 */
  readonly keys?: number;
}

/** Thrown when `redis-benchmark` gives up because the reply to a request was an error. */
export class LoadRefused extends Error {
  override name = "LoadRefused";
}

/**
 * Runs `redis-benchmark`.
 *
 * @throws {LoadRefused} with the error reply
 * @throws if it prints no results for another reason
 */
export async function redisBenchmark(options: LoadOptions): Promise<LoadFigures> {
  const { port, test, pipeline, requests } = options;
  const { clients = 50, valueBytes = 64, keys = 100_000 } = options;
  const args = [
    ...["-p", String(port), "-c", String(clients), "-d", String(valueBytes), "-r", String(keys)],
    ...["-n", String(requests), "-P", String(pipeline), "-t", test, "--csv"],
  ];
  const output = await new Deno.Command("redis-benchmark", { args }).output();
  const text = new TextDecoder().decode(output.stdout);
  // The name of the test, requests per second, and the mean, minimum and median latency.
  const [, rate, medianMs] = /^"[A-Z]+[^"]*","([0-9.]+)","[^"]*","[^"]*","([0-9.]+)"/m.exec(text) ??
    [];
  if (rate === undefined) {
    const said = `${text}${new TextDecoder().decode(output.stderr)}`;
    const [, refusal] = /^Error from server: (.*)$/m.exec(said) ?? [];
    if (refusal !== undefined) throw new LoadRefused(refusal);
    throw new Error(`Cannot measure: redis-benchmark said ${said}`);
  }
  return { rate: Number(rate), medianMs: Number(medianMs) };
}
