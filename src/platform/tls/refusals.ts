import type { Logger } from "../../base/logger.ts";
import type { Clock } from "../clock.ts";

/** Interval in milliseconds in which the same refusal of the same host is logged once. */
const REPEATED_MS = 10_000;
/** Maximum number of lines in that interval. */
const LINES_MAX = 20;

/**
 * Logs why connections are refused: one line for each reason and host in ten seconds, and few in
 * all. The next line says how many were left out.
 */
export class RefusalLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What was logged in the current interval. */
  readonly #logged = new Set<string>();
  #sinceMs = -Infinity;
  #omitted = 0;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param kind what repeated refusals have in common */
  refuse(host: string, kind: string, line: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#sinceMs >= REPEATED_MS) {
      this.#sinceMs = nowMs;
      this.#logged.clear();
    }
    const key = `${host} ${kind}`;
    if (this.#logged.has(key) || this.#logged.size >= LINES_MAX) {
      this.#omitted++;
      return;
    }
    this.#logged.add(key);
    const omitted = this.#omitted === 0 ? "" : ` (and ${this.#omitted} others since the last line)`;
    this.#omitted = 0;
    this.#logger.warn(line + omitted);
  }
}
