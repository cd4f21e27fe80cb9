/** Requests a second of each command, by Redis's own load generator. */
export type Throughput = ReadonlyMap<string, number>;

export interface LoadOptions {
  readonly port: number;
  readonly tests: readonly string[];
  /** Requests sent before an answer is awaited, on each connection. */
  readonly pipeline: number;
  readonly requests: number;
  /** @default 50 */
  readonly clients?: number;
  /** @default 64 */
  readonly valueBytes?: number;
}

/** Runs `redis-benchmark`. @throws when it reports no figures */
export async function redisBenchmark(options: LoadOptions): Promise<Throughput> {
  const { port, tests, pipeline, requests, clients = 50, valueBytes = 64 } = options;
  const args = [
    ...["-p", String(port), "-c", String(clients), "-d", String(valueBytes), "-r", "100000"],
    ...["-n", String(requests), "-P", String(pipeline), "-t", tests.join(","), "--csv"],
  ];
  const output = await new Deno.Command("redis-benchmark", { args }).output();
  const text = new TextDecoder().decode(output.stdout);
  const figures = new Map<string, number>();
  for (const [, name, rate] of text.matchAll(/^"([A-Z]+)[^"]*","([0-9.]+)"/gm)) {
    figures.set(String(name).toLowerCase(), Number(rate));
  }
  if (figures.size < tests.length) {
    throw new Error(`redis-benchmark failed: ${text}${new TextDecoder().decode(output.stderr)}`);
  }
  return figures;
}
