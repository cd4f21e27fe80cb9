import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";

/** Number of lines at once, and per second after that. The others are counted. */
const BURST = 100;
const PER_SECOND = 10;
/** Longest text of a client in a line, in bytes. */
const TEXT_BYTES_MAX = 128;

/** Lines for log collectors about what was refused or administered. Their rate is limited. */
export class AuditLines {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #left = BURST;
  #sinceMs = 0;
  #dropped = 0;
  #cancel: Cancel | null = null;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /**
   * Writes `audit EVENT name="value" …`.
   *
   * @param fields byte strings of clients, none of them secret; they are escaped and cut off
   */
  write(event: string, fields: Readonly<Record<string, string>>): void {
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(BURST, this.#left + (nowMs - this.#sinceMs) * PER_SECOND / 1_000);
    this.#sinceMs = nowMs;
    if (this.#left < 1) return this.#drop();
    this.#left--;
    const texts = Object.entries(fields).map(([name, value]) => `${name}="${escaped(value)}"`);
    this.#logger.info(["audit", event, ...texts].join(" "));
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #drop(): void {
    this.#dropped++;
    this.#cancel ??= this.#clock.after(1_000, () => {
      this.#cancel = null;
      this.#logger.info(`audit dropped lines="${this.#dropped}"`);
      this.#dropped = 0;
    });
  }
}

/** A byte string in printable ASCII without quotes, so that no client can forge a line. */
function escaped(text: string): string {
  const cut = text.length > TEXT_BYTES_MAX ? `${text.slice(0, TEXT_BYTES_MAX)}…` : text;
  return cut.replace(
    /["\\]|[^\x20-\x7e…]/g,
    (character) =>
      /["\\]/.test(character)
        ? `\\${character}`
        : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
