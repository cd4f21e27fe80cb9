import { Redis } from "ioredis";
import { messageOf } from "../../src/base/errors.ts";
import { outcomeOf, type Register, UniqueWrites } from "./history.ts";

/**
 * A client's pause after each step. The load needs variety, and the cluster needs the processors.
 */
const PAUSE_MS = 2;

/** The findings that the clients of one load share. */
export interface LoadHistory {
  readonly writes: UniqueWrites;
  /** The counters of the clients. */
  readonly registers: readonly Register[];
  /** The texts of all errors that clients received. */
  readonly writeErrors: string[];
  readonly readErrors: string[];
  /** Observations that violate the system's promises. */
  readonly violations: string[];
}

interface LoadClientOptions {
  readonly id: number;
  readonly port: number;
  readonly name: string;
  readonly register: Register;
}

/** One of the clients of a load. */
export class LoadClient {
  isStopping = false;
  /** Times at which its writes and reads succeeded. */
  readonly writes: number[] = [];
  readonly reads: number[] = [];
  readonly #history: LoadHistory;
  readonly #options: LoadClientOptions;
  readonly #redis: Redis;
  /** The library drops requests when it is told to disconnect between two attempts. */
  readonly #aborted = Promise.withResolvers<never>();

  constructor(history: LoadHistory, options: LoadClientOptions) {
    this.#history = history;
    this.#options = options;
    this.#redis = new Redis({ host: "127.0.0.1", port: options.port });
    this.#redis.on("error", () => {}); // it reconnects by itself
    this.#aborted.promise.catch(() => {});
  }

  async run(): Promise<void> {
    const { id, name, register } = this.#options;
    const { registers } = this.#history;
    for (let step = 0; !this.isStopping; step++) {
      const key = `${name}:unique:${id}:${step}`;
      const isThere = await this.#writeUnique(key);
      await this.#countUp();
      await this.#readRegister(registers[(id + step) % registers.length] ?? register);
      if (isThere) await this.#readUnique(key);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#redis.disconnect();
  }

  abort(): void {
    this.isStopping = true;
    this.#redis.disconnect();
    this.#aborted.reject(new Error("the load was aborted"));
  }

  async #writeUnique(key: string): Promise<boolean> {
    const error = await this.#write(key, UniqueWrites.valueOf(key));
    this.#history.writes.ended(key, error === null ? "done" : outcomeOf(error));
    return error === null;
  }

  async #countUp(): Promise<void> {
    const { register } = this.#options;
    const value = register.nextAttempt();
    const error = await this.#write(register.key, String(value));
    if (error === null) register.acknowledged(value);
  }

  async #readRegister(register: Register): Promise<void> {
    const { floor } = register;
    await this.#read(register.key, (reply) => register.violationOf(reply, floor));
  }

  async #readUnique(key: string): Promise<void> {
    await this.#read(
      key,
      (reply) =>
        reply === UniqueWrites.valueOf(key) ? null : `${key} was acknowledged and read as ${reply}`,
    );
  }

  #unlessAborted<T>(reply: Promise<T>): Promise<T> {
    return Promise.race([reply, this.#aborted.promise]);
  }

  /** @returns the error, if any */
  async #write(key: string, value: string): Promise<string | null> {
    try {
      await this.#unlessAborted(this.#redis.set(key, value));
      this.writes.push(performance.now());
      return null;
    } catch (error) {
      const text = messageOf(error);
      this.#history.writeErrors.push(text);
      return text;
    }
  }

  async #read(key: string, check: (reply: string | null) => string | null): Promise<void> {
    try {
      const violation = check(await this.#unlessAborted(this.#redis.get(key)));
      if (violation !== null) this.#history.violations.push(violation);
      this.reads.push(performance.now());
    } catch (error) {
      this.#history.readErrors.push(messageOf(error));
    }
  }
}
