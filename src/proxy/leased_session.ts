import { encodeArguments, encodeCount } from "../resp/encode.ts";
import { SERIAL_WINDOW } from "../store/sessions.ts";

/** More than the window, so that each serial that is open has a place of its own. */
const PLACES = 2 * SERIAL_WINDOW;
const HEADS_MAX = 64;
/** `ONCE`, the session and the serial come before a request's own arguments. */
export const STAMP_ARGUMENTS = 3;

/**
 * A session of the replicated state machine that this proxy opened: gives out serials in order, and
 * knows up to which all have been answered.
 */
export class LeasedSession {
  readonly id: string;
  /** When it was last used, by the proxy's clock. */
  usedMs: number;
  /** The state machine does not know it any more. */
  isLost = false;
  /** The highest serial given out. */
  #highest = 0;
  /** All serials up to this one are over. */
  #acked = 0;
  /** How stamped requests begin, by the number of their own arguments. */
  readonly #heads: string[] = [];
  /** Which of the serials above are over. */
  readonly #isOver = new Uint8Array(PLACES);

  constructor(id: string, nowMs: number) {
    this.id = id;
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

  /**
   * What comes before the arguments of a request, so many, under this serial, just given. It always
   * tells what is over, also because a text of digits alone, another one in each request, costs the
   * followers ten times as much: V8 keeps one copy of each short string that JSON brings, and numbers
   * collide where it looks for it.
   */
  stampText(serial: number, count: number): string {
    return this.#head(count) + encodeArguments([`${serial}/${this.#acked}`]);
  }

  #head(count: number): string {
    const known = this.#heads[count];
    if (known !== undefined) return known;
    const head = encodeCount(count + STAMP_ARGUMENTS) + encodeArguments(["ONCE", this.id]);
    if (count < HEADS_MAX) this.#heads[count] = head;
    return head;
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
