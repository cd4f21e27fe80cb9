import type { Logger } from "../base/logger.ts";
import { PROXY } from "../commands/session_rows.ts";
import { encodeArguments, encodeCount } from "../resp/encode.ts";
import { SERIAL_WINDOW } from "../store/once_sessions.ts";

/** Number of places for serials that are not released: no two within the window share one. */
const PLACES = 2 * SERIAL_WINDOW;
/** Number of arguments below which the beginning of a stamped request is cached. */
const HEADS_MAX = 64;
/** Number of arguments that a stamp adds: `ONCE`, the session and the serial. */
export const STAMP_ARGUMENTS = 3;

/**
 * A session of the replicated state machine that this proxy has opened. It gives out serials in
 * order, and knows up to which serial all are released.
 */
export class LeasedSession {
  readonly id: string;
  /** When it was last used, by the proxy's clock. */
  usedMs: number;
  /** The highest serial given out. */
  #highest = 0;
  /** All serials up to this one are released. */
  #acked = 0;
  /** How stamped requests begin, by the number of their own arguments. */
  readonly #heads: string[] = [];
  /** Which of the serials above `#acked` are released. */
  readonly #isReleased = new Uint8Array(PLACES);

  constructor(id: string, nowMs: number) {
    this.id = id;
    this.usedMs = nowMs;
  }

  /** Number of serials after `acked` up to the highest one given out. */
  get span(): number {
    return this.#highest - this.#acked;
  }

  get isDrained(): boolean {
    return this.span === 0;
  }

  get acked(): number {
    return this.#acked;
  }

  /** Gives out the next serial. `span` must be below the state machine's `SERIAL_WINDOW`. */
  nextSerial(nowMs: number): number {
    this.usedMs = nowMs;
    this.#highest++;
    return this.#highest;
  }

  /**
   * The beginning of a stamped request with `count` arguments of its own. It also acknowledges all
   * serials up to `acked`, so that the nodes forget their replies.
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

  /**
   * Releases the serial: its request is answered, or will not be sent again. Called once for each.
   */
  release(serial: number): void {
    this.#isReleased[serial % PLACES] = 1;
    for (let next = this.#acked + 1; this.#isReleased[next % PLACES] === 1; next++) {
      this.#isReleased[next % PLACES] = 0;
      this.#acked = next;
    }
  }
}

/** Time in ms after which the state machine drops an unused session. */
const TTL_MS = 10 * 60 * 1000;
/**
 * Time in ms without use after which a session is not used again. It is shorter than the TTL, since
 * clocks differ and log time may be ahead.
 */
const UNUSED_MS_MAX = TTL_MS / 2;
/** Span at which the next session is opened, so that it is open in time. */
const SPAN_OPENING = SERIAL_WINDOW / 4;
/** Span at which new writes get the next session. */
const SPAN_MAX = SERIAL_WINDOW / 2;
/** Pause in ms after a temporary refusal, such as during an election. */
const RETRY_MS = 20;
/** Pause in ms after any other refusal. Until then writes are sent without a session. */
const WITHOUT_MS = 5_000;

/** The way to the leader for commands about sessions. */
export interface SessionLink {
  /** Whether a leader can be asked now. */
  readonly isOpen: boolean;
  /** @param answered gets the reply as RESP2, perhaps before this returns */
  ask(args: readonly string[], answered: (text: string) => void): void;
}

export interface WriteSessionsOptions {
  readonly link: SessionLink;
  readonly logger: Logger;
  /** Called when writes that waited for a session can be sent. */
  readonly opened: () => void;
}

/**
 * The sessions with which this proxy stamps its clients' writes, so that a write whose answer was
 * lost can be sent again. One session is in use at a time. When its oldest unreleased serial lags
 * far behind the newest, as with a write that waits for a new leader while others proceed, the next
 * session takes over. The old one is closed once all its serials are released.
 */
export class WriteSessions {
  readonly #options: WriteSessionsOptions;
  #current: LeasedSession | null = null;
  #next: LeasedSession | null = null;
  /** Sessions that give out no more serials, and have some that are not released. */
  readonly #draining = new Set<LeasedSession>();
  #isOpening = false;
  #retryAtMs = -Infinity;
  /** Whether the nodes refuse to open a session, for a reason that is not temporary. */
  #isRefused = false;

  constructor(options: WriteSessionsOptions) {
    this.#options = options;
  }

  /** Whether no session is available, so that writes have to be sent without one. */
  get isUnavailable(): boolean {
    return this.#isRefused && this.#current === null;
  }

  /** The session for one more serial; `null` while there is none. */
  take(nowMs: number): LeasedSession | null {
    this.#rotate(nowMs);
    const current = this.#current;
    if (current === null || current.span >= SERIAL_WINDOW) return null;
    if (current.span >= SPAN_OPENING) this.maintain(nowMs);
    return current;
  }

  /** Drops a session that the state machine does not know: it must have expired. */
  forget(session: LeasedSession, nowMs: number): void {
    this.#draining.delete(session);
    if (this.#next === session) this.#next = null;
    if (this.#current === session) this.#current = null;
    this.maintain(nowMs);
  }

  /** Releases the serial of a write. */
  release(session: LeasedSession, serial: number): void {
    session.release(serial);
    if (this.#draining.has(session) && session.isDrained) this.#close(session);
  }

  /**
   * Opens the next session if one is wanted. To be called regularly, and when a leader is reached.
   */
  maintain(nowMs: number): void {
    this.#rotate(nowMs);
    const { link } = this.#options;
    if (this.#isOpening || this.#next !== null || !this.#isNextWanted(nowMs)) return;
    if (nowMs < this.#retryAtMs || !link.isOpen) return;
    this.#isOpening = true;
    link.ask(["SESSION", "OPEN", String(TTL_MS), PROXY], (text) => this.#answered(text, nowMs));
  }

  #isNextWanted(nowMs: number): boolean {
    const current = this.#current;
    return current === null || current.span >= SPAN_OPENING || isOld(current, nowMs);
  }

  #answered(text: string, askedMs: number): void {
    this.#isOpening = false;
    const id = /^\$\d+\r\n(.+)\r\n$/.exec(text)?.[1];
    if (id === undefined) return this.#failed(text, askedMs);
    if (this.#isRefused) this.#options.logger.info("writes have a session again");
    this.#isRefused = false;
    this.#next = new LeasedSession(id, askedMs);
    this.#rotate(askedMs);
    this.#options.opened();
  }

  #failed(text: string, askedMs: number): void {
    const isTemporary = /^-(MOVED|CLUSTERDOWN|TRYAGAIN|UNKNOWN) /.test(text);
    this.#retryAtMs = askedMs + (isTemporary ? RETRY_MS : WITHOUT_MS);
    if (isTemporary) return;
    if (!this.#isRefused) {
      const reason = text.slice(1).trimEnd();
      this.#options.logger.warn(`writes go without a session, some may end in UNKNOWN: ${reason}`);
    }
    this.#isRefused = true;
    this.#options.opened();
  }

  #rotate(nowMs: number): void {
    const current = this.#current;
    if (current !== null && isOld(current, nowMs)) this.#retire(current);
    else if (current !== null && (current.span < SPAN_MAX || this.#next === null)) return;
    else if (current !== null) this.#retire(current);
    this.#current = this.#next;
    this.#next = null;
  }

  #retire(session: LeasedSession): void {
    this.#current = null;
    if (session.isDrained) this.#close(session);
    else this.#draining.add(session);
  }

  #close(session: LeasedSession): void {
    this.#draining.delete(session);
    // Without a leader it is not closed, and expires.
    const { link } = this.#options;
    if (link.isOpen) link.ask(["SESSION", "CLOSE", session.id], () => {});
  }
}

function isOld(session: LeasedSession, nowMs: number): boolean {
  return nowMs - session.usedMs > UNUSED_MS_MAX;
}
