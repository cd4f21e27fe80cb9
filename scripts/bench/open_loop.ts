import { until } from "../../tests/support/until.ts";
import { LoadConnection, LoadRequests, type LoadRequestsOptions } from "./load.ts";
import { Metronome } from "./metronome.ts";
import { endWithStdin, spawnScript } from "./processes.ts";

const DIGITS = 4;

/** The number of requests with each latency in microseconds, rounded to four digits. */
export type LatencyCounts = readonly (readonly [us: number, count: number])[];

/** A histogram of latencies, of bounded size. */
export class LatencyHistogram {
  readonly #counts: Map<number, number>;

  constructor(counts: LatencyCounts = []) {
    this.#counts = new Map(counts);
  }

  record(latencyMs: number): void {
    const us = Math.max(0, latencyMs * 1000);
    const step = us < 10 ** DIGITS ? 1 : 10 ** (Math.floor(Math.log10(us)) + 1 - DIGITS);
    this.#add(Math.round(us / step) * step, 1);
  }

  merge(other: LatencyHistogram): void {
    for (const [us, count] of other.#counts) this.#add(us, count);
  }

  /** @param share of the requests that were at least as fast, such as 0.99; 1 gives the slowest */
  percentileMs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (const [us, count] of this.toJSON()) {
      seen += count;
      if (seen >= rank) return us / 1000;
    }
    return NaN;
  }

  get count(): number {
    return this.#counts.values().reduce((sum, count) => sum + count, 0);
  }

  toJSON(): LatencyCounts {
    return [...this.#counts].sort(([a], [b]) => a - b);
  }

  #add(us: number, count: number): void {
    this.#counts.set(us, (this.#counts.get(us) ?? 0) + count);
  }
}

export interface OpenLoopOptions extends LoadRequestsOptions {
  readonly port: number;
  /** Requests per second over all connections, whether answers arrive or not. */
  readonly rate: number;
  readonly connections: number;
  readonly seconds: number;
  /** Time before `seconds` whose requests are not counted. */
  readonly warmupSeconds: number;
}

/** The results of a load, as JSON. */
export interface OpenLoopReport {
  /** Time from the moment at which a request was due to its answer. */
  readonly latencies: LatencyCounts;
  /**
   * Time from the moment at which a request was due until it was sent. It is the generator's part
   * of the latency.
   */
  readonly lateness: LatencyCounts;
  /** The number of error replies of each kind, and of requests without an answer. */
  readonly errors: readonly (readonly [error: string, count: number])[];
}

const MS_PER_SECOND = 1000;
const PATIENCE_MS = 10_000;
const ERROR_CODE = 0x2d;

/** The results of one or several loads. */
export class OpenLoopFigures {
  readonly latencies = new LatencyHistogram();
  readonly lateness = new LatencyHistogram();
  readonly errors = new Map<string, number>();

  add({ latencies, lateness, errors }: OpenLoopReport): void {
    this.latencies.merge(new LatencyHistogram(latencies));
    this.lateness.merge(new LatencyHistogram(lateness));
    for (const [error, count] of errors) {
      this.errors.set(error, (this.errors.get(error) ?? 0) + count);
    }
  }

  /** `0`, or the number of each kind. */
  errorText(): string {
    return [...this.errors].map(([error, count]) => `${count} × ${error}`).join(", ") || "0";
  }
}

/** Runs a load in a separate process, so that other work does not delay its requests. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopReport> {
  const process = spawnScript("open_loop.ts", [JSON.stringify(options)], { stderr: "piped" });
  const { success, stdout, stderr } = await process.output();
  await process.stdin.close().catch(() => {});
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`Cannot run the load: ${text(stderr)}`);
  return JSON.parse(text(stdout));
}

/**
 * Sends requests at a fixed rate. Each is due at a tick of a millisecond, and its latency counts
 * from there, even if it is sent late or waits for others. So a stalled server adds to the latency
 * of all requests that were due meanwhile, and not just of one on each connection.
 */
async function openLoop(options: OpenLoopOptions): Promise<OpenLoopReport> {
  const loop = new OpenLoop(options);
  await loop.connect();
  await loop.run();
  return loop.report();
}

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #requests: LoadRequests;
  readonly #lanes: Lane[] = [];
  readonly #latencies = new LatencyHistogram();
  readonly #lateness = new LatencyHistogram();
  readonly #errors = new Map<string, number>();
  #countedFromMs = Infinity;
  #sent = 0;

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    this.#requests = new LoadRequests(options);
  }

  async connect(): Promise<void> {
    for (let at = 0; at < this.#options.connections; at++) {
      const due: number[] = [];
      const connection = await LoadConnection.connect({
        port: this.#options.port,
        onReply: (text) => this.#replied(due.shift() ?? NaN, text),
      });
      this.#lanes.push({ connection, due });
    }
  }

  async run(): Promise<void> {
    const { rate, seconds, warmupSeconds } = this.#options;
    const metronome = await Metronome.start();
    const ticks = (warmupSeconds + seconds) * MS_PER_SECOND;
    let tick = 0;
    await metronome.run(ticks, (dueMs) => {
      if (tick === warmupSeconds * MS_PER_SECOND) this.#countedFromMs = dueMs;
      tick++;
      while (this.#sent < rate * tick / MS_PER_SECOND) this.#send(dueMs);
    });
    metronome.stop();
    await this.#untilAnswered();
  }

  report(): OpenLoopReport {
    return {
      latencies: this.#latencies.toJSON(),
      lateness: this.#lateness.toJSON(),
      errors: [...this.#errors],
    };
  }

  #send(dueMs: number): void {
    const lane = this.#lanes[this.#sent++ % this.#lanes.length];
    if (lane === undefined) return;
    lane.due.push(dueMs);
    lane.connection.send(this.#requests.random());
    if (dueMs >= this.#countedFromMs) this.#lateness.record(performance.now() - dueMs);
  }

  #replied(dueMs: number, text: string): void {
    if (text.charCodeAt(0) === ERROR_CODE) this.#failed(text.trim(), 1);
    else if (dueMs >= this.#countedFromMs) this.#latencies.record(performance.now() - dueMs);
  }

  async #untilAnswered(): Promise<void> {
    const unanswered = () => this.#lanes.reduce((sum, { due }) => sum + due.length, 0);
    await until("all requests are answered", () => unanswered() === 0, { timeoutMs: PATIENCE_MS })
      .catch(() => this.#failed("no answer", unanswered()));
    for (const { connection } of this.#lanes) connection.close();
  }

  #failed(error: string, count: number): void {
    this.#errors.set(error, (this.#errors.get(error) ?? 0) + count);
  }
}

interface Lane {
  readonly connection: LoadConnection;
  /** The times at which unanswered requests were due, oldest first. */
  readonly due: number[];
}

if (import.meta.main) {
  void endWithStdin();
  console.log(JSON.stringify(await openLoop(JSON.parse(Deno.args[0] ?? ""))));
  Deno.exit(0);
}
