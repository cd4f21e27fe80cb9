import { assert } from "../base/assert.ts";
import type { Reply } from "../resp/reply.ts";
import { ExpiryHeap } from "./expiry_heap.ts";
import { EXPIRED_PER_STEP_MAX } from "./keyspace.ts";
import { replyBytes } from "./reply_bytes.ts";
import { Session, type SessionImage } from "./session.ts";
import { SessionsView } from "./sessions_view.ts";

/** Serials that are further than this behind the highest one of their session are forgotten. */
export const SERIAL_WINDOW = 4096;

/** What a session costs beside its replies. */
export const SESSION_BYTES = 500;
/** What a kept reply costs beside itself. */
export const KEPT_REPLY_BYTES = 80;

/** The longest time without use that a session can be opened for. */
export const SESSION_TTL_MS_MAX = 24 * 60 * 60 * 1000;

/** Limits that decide what happens: the same on all nodes. */
export interface SessionLimits {
  /** So many sessions can be open at once. */
  readonly sessionsMax: number;
  /** Kept replies take about so many bytes at most; beyond, a session forgets its oldest. */
  readonly repliesBytesMax: number;
}

const NO_LIMITS: SessionLimits = { sessionsMax: Infinity, repliesBytesMax: Infinity };

/**
 * The sessions of the replicated state machine: for each the last replies, so that a request that
 * is sent again is answered and not executed again.
 *
 * A serial of a session is in one of three states: kept (executed, its reply is here), forgotten
 * (at or below the session's floor, which only rises; it may have been executed or not), or new.
 *
 * As with keys, time is the log's, a session that is due counts as absent, and equal calls in equal
 * order give equal states.
 */
export class Sessions {
  limits: SessionLimits;
  readonly #sessions = new Map<string, Session>();
  readonly #expiries = new ExpiryHeap<Session>();
  #timeMs = 0;
  #openedCount = 0;
  #repliesBytes = 0;
  /** The session that was asked for last: most requests in a row are of the same one. */
  #found: Session | null = null;
  #view: SessionsView | null = null;
  #lastViewId = 0;

  constructor(limits: SessionLimits = NO_LIMITS) {
    this.limits = limits;
  }

  /** Number of sessions in memory, due or not. */
  get storedSize(): number {
    return this.#sessions.size;
  }

  /** Number of sessions, without those that are due. */
  get size(): number {
    return this.#sessions.size - this.#expiries.countDue(this.#timeMs);
  }

  /** How many sessions have ever been opened. */
  get openedCount(): number {
    return this.#openedCount;
  }

  /** About how much memory sessions and their replies take. */
  get usedBytes(): number {
    return this.#sessions.size * SESSION_BYTES + this.#repliesBytes;
  }

  /** Moves the log's time on, never back, and removes some of the sessions that are due. */
  advanceTime(timeMs: number): void {
    if (timeMs > this.#timeMs) this.#timeMs = timeMs;
    for (let removed = 0; removed < EXPIRED_PER_STEP_MAX; removed++) {
      if (!this.#removeEarliestDue()) return;
    }
  }

  /** When the next session ends; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#expiries.earliest();
    return earliest?.deadlineMs ?? null;
  }

  /** Opens a session that ends when it is not used for so long; `null` when there are too many. */
  open(ttlMs: number): Session | null {
    if (this.#sessions.size >= this.limits.sessionsMax && !this.#removeEarliestDue()) return null;
    this.#openedCount++;
    const session = new Session(
      `${this.#openedCount}-${this.#timeMs}`,
      ttlMs,
      this.#timeMs + ttlMs,
    );
    session.viewId = this.#lastViewId;
    this.#add(session);
    return session;
  }

  /** The session of that id, if it is there and its time has not come. */
  find(id: string): Session | undefined {
    // The hash of an id that has just been decoded is not known yet; comparing takes less.
    const session = this.#found?.key === id ? this.#found : this.#lookUp(id);
    return session !== undefined && session.deadlineMs > this.#timeMs ? session : undefined;
  }

  /** Ends the session; tells whether it was there. */
  close(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    const existed = session.deadlineMs > this.#timeMs;
    this.#remove(session);
    return existed;
  }

  /**
   * Notes that the session is in use, and that its client has the answers to all serials up to
   * `acked`: these are forgotten.
   */
  use(session: Session, acked: number): void {
    this.#view?.keep(session);
    const deadlineMs = this.#timeMs + session.ttlMs;
    if (session.deadlineMs !== deadlineMs) {
      session.deadlineMs = deadlineMs;
      this.#expiries.moved(session);
    }
    this.#forget(session, acked);
  }

  /**
   * Keeps what a new serial was answered, and forgets what falls out of the session's window by it.
   * `use` has been called.
   */
  keep(session: Session, serial: number, reply: Reply): void {
    assert(serial > session.floor, "Cannot keep a reply: its serial is forgotten");
    this.#view?.keep(session);
    this.#store(session, serial, reply);
    if (serial > session.highest) session.highest = serial;
    this.#forget(session, session.highest - SERIAL_WINDOW - 1);
    const { repliesBytesMax } = this.limits;
    while (this.#repliesBytes > repliesBytesMax && session.floor < session.highest) {
      this.#forget(session, session.floor + 1);
    }
  }

  /** A view of all sessions as they are now; one at a time. It costs little until sessions change. */
  beginView(): SessionsView {
    assert(this.#view === null, "Cannot begin a view: current one has not ended");
    this.#view = new SessionsView(++this.#lastViewId, [...this.#sessions.values()]);
    return this.#view;
  }

  endView(view: SessionsView): void {
    if (this.#view === view) this.#view = null;
  }

  /** Puts back what a snapshot holds of all sessions together, before the sessions themselves. */
  restore(timeMs: number, openedCount: number): void {
    this.#timeMs = timeMs;
    this.#openedCount = openedCount;
  }

  /** Puts a session back, without replies; ids come in the order in which they were opened. */
  restoreSession(image: Omit<SessionImage, "replies">): Session {
    const session = new Session(image.key, image.ttlMs, image.deadlineMs);
    session.floor = image.floor;
    session.highest = image.highest;
    this.#add(session);
    return session;
  }

  /** Puts a reply of a session back. */
  restoreReply(session: Session, serial: number, reply: Reply): void {
    this.#store(session, serial, reply);
  }

  #lookUp(id: string): Session | undefined {
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#found = session;
    return session;
  }

  #add(session: Session): void {
    this.#sessions.set(session.key, session);
    this.#expiries.add(session);
  }

  #store(session: Session, serial: number, reply: Reply): void {
    session.replies.add(serial, reply);
    this.#count(session, KEPT_REPLY_BYTES + replyBytes(reply));
  }

  /** Raises the floor. Takes as many steps as there are replies or serials, whichever is less. */
  #forget(session: Session, floor: number): void {
    const before = session.floor;
    if (floor <= before) return;
    session.floor = floor;
    if (floor - before <= session.replies.size) {
      for (let serial = before + 1; serial <= floor; serial++) this.#drop(session, serial);
    } else {
      for (const [serial] of session.replies.entries()) {
        if (serial <= floor) this.#drop(session, serial);
      }
    }
  }

  #drop(session: Session, serial: number): void {
    const reply = session.replies.remove(serial);
    if (reply !== undefined) this.#count(session, -KEPT_REPLY_BYTES - replyBytes(reply));
  }

  #count(session: Session, bytes: number): void {
    session.repliesBytes += bytes;
    this.#repliesBytes += bytes;
  }

  #removeEarliestDue(): boolean {
    const earliest = this.#expiries.earliest();
    if (earliest === undefined || earliest.deadlineMs > this.#timeMs) return false;
    this.#remove(earliest);
    return true;
  }

  #remove(session: Session): void {
    // A view may read it later: a removed session does not change any more.
    this.#expiries.remove(session);
    this.#sessions.delete(session.key);
    if (this.#found === session) this.#found = null;
    this.#repliesBytes -= session.repliesBytes;
  }
}
