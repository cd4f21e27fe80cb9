import { encodeArguments } from "../resp/encode.ts";
import { SERIAL_WINDOW } from "../store/sessions.ts";

/** More than the window, so that each serial that is open has a place of its own. */
const PLACES = 2 * SERIAL_WINDOW;

/**
 * A session of the replicated state machine that this proxy opened: gives out serials in order, and
 * knows up to which all have been answered.
 */
export class LeasedSession {
  readonly id: string;
  /** How each stamped request begins, behind the number of its arguments. */
  readonly prefix: string;
  /** When it was last used, by the proxy's clock. */
  usedMs: number;
  /** The state machine does not know it any more. */
  isLost = false;
  /** The highest serial given out. */
  #highest = 0;
  /** All serials up to this one are over. */
  #acked = 0;
  /** Which of the serials above are over. */
  readonly #isOver = new Uint8Array(PLACES);

  constructor(id: string, nowMs: number) {
    this.id = id;
    this.prefix = encodeArguments(["ONCE", id]);
    this.usedMs = nowMs;
  }

  /** How far the oldest serial that is not over is behind the next one. */
  get span(): number {
    return this.#highest - this.#acked;
  }

  get isDrained(): boolean {
    return this.span === 0;
  }

  get acked(): number {
    return this.#acked;
  }

  /** The next serial. The span must be within the state machine's window. */
  give(nowMs: number): number {
    this.usedMs = nowMs;
    this.#highest++;
    return this.#highest;
  }

  /** The request with this serial has been answered, or will not be sent again; once for each. */
  release(serial: number): void {
    this.#isOver[serial % PLACES] = 1;
    for (let next = this.#acked + 1; this.#isOver[next % PLACES] === 1; next++) {
      this.#isOver[next % PLACES] = 0;
      this.#acked = next;
    }
  }
}
