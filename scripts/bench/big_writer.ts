import { ConnectionLost, RespClient } from "../../src/cli/resp_client.ts";
import { ErrorReply } from "../../src/resp/reply.ts";
import { until } from "../../tests/support/until.ts";

const KEYS = 50;
const PATIENCE_MS = 60_000;
const PAUSE_AFTER_ERROR_MS = 10;

/** A client that writes large values, one after the other. */
export class BigWriter {
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

  /** Resolves when it is under way. */
  static async start(port: number, valueBytes: number): Promise<BigWriter> {
    const client = await RespClient.connect({ host: "127.0.0.1", port });
    const writer = new BigWriter(client, valueBytes);
    await until("large values are written", () => writer.acknowledged > 2, {
      timeoutMs: PATIENCE_MS,
      describe: () => writer.errors.join(", "),
    });
    return writer;
  }

  /** @returns bytes acknowledged in a second, over all its time */
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
      const error = await this.#write(`big:${at % KEYS}`);
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
