import { ConnectionLost, RespClient } from "../../src/cli/resp_client.ts";
import { ErrorReply } from "../../src/resp/reply.ts";
import { until } from "../../tests/support/until.ts";
import { OpenLoopFigures, runOpenLoop } from "./open_loop.ts";
import { Peers, type Target, TARGETS, termOf } from "./peers.ts";
import { MarkdownTable, precise, sizeName } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

/** Sizes of the large values in bytes; 0: none are written. */
const SIZES = [0, 100 * 1024, 1024 * 1024];
const SMALL = { rate: 200, connections: 1, keys: 1_000, valueBytes: 64, warmupSeconds: 1 };
const COMMANDS = ["set", "get"] as const;

const BIG_KEYS = 50;
const PATIENCE_MS = 60_000;
const PAUSE_AFTER_ERROR_MS = 10;

/** Measures the latency of small requests while another client writes large values. */
export async function measureBigAndSmall(resources: Resources, settings: Settings): Promise<void> {
  const peers = await Peers.start(resources);
  console.log(
    `\nOne client writes large values, one after the other. Two others send a small SET and a ` +
      `small GET ${SMALL.rate} times a second, ${settings.seconds} s for each row. Latencies are ` +
      "in ms, from the time at which a request was due.",
  );
  const table = new MarkdownTable(
    ...["large values", "at", "MB/s", "slowest large"],
    ...COMMANDS.flatMap((name) => ["p50", "p99", "max"].map((share) => `small ${name}, ${share}`)),
    ...["errors", "elections"],
  );
  for (const valueBytes of SIZES) {
    for (const target of TARGETS) {
      const cells = await measure(peers, target, valueBytes, settings.seconds);
      table.row(valueBytes === 0 ? "none" : sizeName(valueBytes), target, ...cells);
    }
  }
}

async function measure(
  peers: Peers,
  target: Target,
  valueBytes: number,
  seconds: number,
): Promise<(string | number)[]> {
  const port = await peers.port(target);
  const termBefore = await termOf(peers.cluster);
  const writer = valueBytes === 0 ? null : await BigWriter.start(port, valueBytes);
  const all = new OpenLoopFigures();
  const small = await Promise.all(COMMANDS.map(async (command) => {
    const report = await runOpenLoop({ ...SMALL, port, command, seconds });
    const figures = new OpenLoopFigures();
    figures.add(report);
    all.add(report);
    return [0.5, 0.99, 1].map((share) => figures.latencies.percentileMs(share).toFixed(1));
  }));
  const bytesPerSecond = await writer?.stop() ?? NaN;
  const elections = await termOf(peers.cluster) - termBefore;
  const errors = [all.errorText(), ...writer?.errors.slice(0, 1) ?? []].join(", ");
  const big = writer === null
    ? ["–", "–"]
    : [precise(bytesPerSecond / 1e6), writer.slowestMs.toFixed(0)];
  return [...big, ...small.flat(), errors, target === "redis" ? "–" : elections];
}

/** A client that writes large values, one after the other. */
class BigWriter {
  acknowledged = 0;
  slowestMs = 0;
  readonly errors: string[] = [];
  readonly #client: RespClient;
  readonly #value: string;
  readonly #startMs = performance.now();
  readonly #ended: Promise<void>;
  #isStopped = false;

  private constructor(client: RespClient, valueBytes: number) {
    this.#client = client;
    this.#value = "x".repeat(valueBytes);
    this.#ended = this.#run();
  }

  /** Resolves when some values have been written. */
  static async start(port: number, valueBytes: number): Promise<BigWriter> {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    const writer = new BigWriter(client, valueBytes);
    await until("large values are written", () => writer.acknowledged > 2, {
      timeoutMs: PATIENCE_MS,
      describe: () => writer.errors.join(", "),
    });
    return writer;
  }

  /** @returns acknowledged bytes per second since the start */
  async stop(): Promise<number> {
    this.#isStopped = true;
    await this.#ended;
    const seconds = (performance.now() - this.#startMs) / 1000;
    this.#client.close();
    return this.acknowledged * this.#value.length / seconds;
  }

  async #run(): Promise<void> {
    for (let at = 0; !this.#isStopped; at++) {
      const sentMs = performance.now();
      const error = await this.#write(`big:${at % BIG_KEYS}`);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - sentMs);
      if (error === null) {
        this.acknowledged++;
      } else {
        this.errors.push(error);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_AFTER_ERROR_MS));
      }
    }
  }

  /** @returns the error, if any */
  async #write(key: string): Promise<string | null> {
    try {
      const reply = await this.#client.request(["SET", key, this.#value], PATIENCE_MS);
      return reply instanceof ErrorReply ? reply.text : null;
    } catch (error) {
      if (error instanceof ConnectionLost) return error.message;
      throw error;
    }
  }
}
