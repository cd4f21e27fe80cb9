import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import { wait } from "./waits.ts";

export interface LoopOptions {
  /** For messages, such as "repair". */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Does the next piece of work, and returns the time in milliseconds until the one after. It ends
   * soon after the signal is aborted.
   */
  readonly work: (signal: AbortSignal) => Promise<number>;
  /** Time in milliseconds until the next try after an error. @default 1,000 */
  readonly retryMs?: number;
}

/** Work that is done again and again until it is stopped. An error is logged, and ends nothing. */
export class Loop {
  readonly #options: LoopOptions;
  #stopping: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  #pause: AbortController | null = null;
  #isWoken = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#stopping !== null) return;
    this.#stopping = new AbortController();
    this.#running = this.#run(this.#stopping.signal);
  }

  /** Has the next piece of work begin now, or right after the one in progress. */
  wake(): void {
    this.#isWoken = true;
    this.#pause?.abort();
  }

  /** Resolves when nothing is in progress any more. */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    this.#pause?.abort();
    await this.#running;
    this.#stopping = null;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#isWoken = false;
      const delayMs = await this.#work(signal);
      if (signal.aborted) return;
      if (this.#isWoken) continue;
      this.#pause = new AbortController();
      await wait(this.#options.clock, delayMs, this.#pause.signal);
      this.#pause = null;
    }
  }

  async #work(signal: AbortSignal): Promise<number> {
    const { name, logger, work, retryMs = 1_000 } = this.#options;
    try {
      return await work(signal);
    } catch (error) {
      if (!signal.aborted) logger.warn(`${name}: ${messageOf(error)}`);
      return retryMs;
    }
  }
}
