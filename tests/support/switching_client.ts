import { Redis } from "ioredis";
import { messageOf } from "../../src/base/errors.ts";

/** How long the client waits before it tries the next address. */
const RETRY_MS = 50;

/**
 * An `ioredis` client that knows several proxies, and connects to the next one when its own is
 * gone. The library resends unanswered requests, so the client counts in a session of its own.
 */
export class SwitchingClient {
  isStopping = false;
  /** Number of answers about the counter. */
  count = 0;
  readonly errors: string[] = [];
  readonly violations: string[] = [];
  readonly key: string;
  readonly #redis: Redis;

  /** @param ports the proxies' ports, the client's own proxy first */
  constructor(id: number, ports: readonly number[]) {
    this.key = `switching:${id}`;
    const redis = new Redis({
      host: "127.0.0.1",
      port: ports[0] ?? 0,
      retryStrategy: (attempt) => {
        redis.options.port = ports[attempt % ports.length] ?? 0;
        return RETRY_MS;
      },
    });
    redis.on("error", () => {}); // it reconnects by itself
    this.#redis = redis;
  }

  async run(): Promise<void> {
    try {
      const session = String(await this.#redis.call("SESSION", "OPEN"));
      while (!this.isStopping) await this.#countUp(session);
    } catch (error) {
      if (!this.isStopping) this.errors.push(messageOf(error));
    }
    this.close();
  }

  close(): void {
    this.isStopping = true;
    this.#redis.disconnect();
  }

  async #countUp(session: string): Promise<void> {
    const serial = `${this.count + 1}/${this.count}`;
    const reply = await this.#redis.call("ONCE", session, serial, "INCR", this.key);
    const read = await this.#redis.get(this.key);
    this.count++;
    if (reply !== this.count || read !== String(this.count)) {
      this.violations.push(`${this.key}: INCR gave ${reply}, GET ${read}, not ${this.count}`);
    }
  }
}
