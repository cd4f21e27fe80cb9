import { assert } from "../base/errors.ts";
import type { Reply } from "../resp/reply.ts";
import { EXPIRED_PER_STEP_MAX, type Expiring, ExpiryHeap } from "./deadlines.ts";
import { KeptReplies, replyBytes } from "./kept_replies.ts";

/**
 * Who opened a session, as stated by the leader that received the request. A session counts towards
 * the limits of its owner.
 */
export interface SessionOwner {
  /** The name of a connection, unique in the life of the cluster. */
  readonly name: string;
  /** Whether a proxy opened it, for the writes of many clients. */
  readonly isProxy: boolean;
}

/** The owner of sessions whose owner is not known. */
export const NO_OWNER: SessionOwner = { name: "", isProxy: false };

/**
 * A client's exactly-once session: the serials that were executed, with their replies. `ONCE` in
 * `commands/session_rows.ts` decides by it whether a write is executed or gets its reply again.
 */
export class OnceSession implements Expiring {
  /** Its id, `number-time`: the number of the session and the log's time when it was opened. */
  readonly key: string;
  readonly ttlMs: number;
  deadlineMs: number;
  heapIndex = -1;
  /** The replies to serials up to this one are forgotten. */
  floor = 0;
  /** The highest serial seen; 0 before the first. */
  highest = 0;
  /** The kept replies by serial. */
  readonly replies = new KeptReplies();
  /** Estimated memory of the replies, in bytes. */
  repliesBytes = 0;
  readonly owner: SessionOwner;
  /** The id of the last view that has read the session, or has its image. */
  viewId = 0;

  constructor(key: string, ttlMs: number, deadlineMs: number, owner: SessionOwner) {
    this.key = key;
    this.owner = owner;
    this.ttlMs = ttlMs;
    this.deadlineMs = deadlineMs;
  }
}

/** A session as it was when a view began. */
export interface SessionImage {
  readonly key: string;
  readonly ttlMs: number;
  readonly deadlineMs: number;
  readonly floor: number;
  readonly highest: number;
  readonly owner: SessionOwner;
  /** The replies in the order of their serials. */
  readonly replies: readonly (readonly [number, Reply])[];
}

/** The image of a session. Takes time in proportion to its replies, a few thousand at most. */
function imageOf(session: OnceSession): SessionImage {
  const { key, ttlMs, deadlineMs, floor, highest, owner, replies } = session;
  return { key, ttlMs, deadlineMs, floor, highest, owner, replies: replies.entries() };
}

/**
 * All sessions as they were when the view began. The image of a session that was not read yet is
 * stored before the session changes.
 */
export class OnceSessionsView {
  readonly #id: number;
  #sessions: readonly OnceSession[];
  readonly #images = new Map<OnceSession, SessionImage>();
  #next = 0;

  /** @param id higher than the id of every view before */
  constructor(id: number, sessions: readonly OnceSession[]) {
    this.#id = id;
    this.#sessions = sessions;
  }

  get size(): number {
    return this.#sessions.length;
  }

  /** To be called before a session changes. */
  keep(session: OnceSession): void {
    if (session.viewId === this.#id) return;
    session.viewId = this.#id;
    this.#images.set(session, imageOf(session));
  }

  /** The next session in the order of opening; `null` after the last. */
  read(): SessionImage | null {
    const session = this.#sessions[this.#next];
    if (session === undefined) return null;
    this.#next++;
    const image = this.#images.get(session) ?? imageOf(session);
    this.#images.delete(session);
    session.viewId = this.#id;
    return image;
  }
}

/** A session keeps replies to serials that are at most this far below its highest one. */
export const SERIAL_WINDOW = 4096;

/** Memory of a session without its replies, in bytes. */
const SESSION_BYTES = 500;
/** Memory that a kept reply takes beside the reply itself, in bytes. */
const KEPT_REPLY_BYTES = 80;

/** Maximum time to live of an unused session, in milliseconds. */
export const SESSION_TTL_MS_MAX = 24 * 60 * 60 * 1000;

/** Limits of the sessions of clients, or of those of proxies. */
export interface SessionShareLimits {
  /** Maximum number of open sessions. */
  readonly sessionsMax: number;
  /**
   * Memory in bytes that each session may always use for its replies, whatever the others use.
   * Replies beyond it are forgotten when all sessions together use more than `sessionsMax` times
   * this.
   */
  readonly repliesBytesMin: number;
}

/** Limits that decide the results of writes, so that they are the same on all nodes. */
export interface SessionLimits {
  readonly clients: SessionShareLimits;
  readonly proxies: SessionShareLimits;
  /** Maximum number of open sessions of one owner. */
  readonly sessionsPerOwnerMax: number;
}

const NO_SHARE_LIMITS: SessionShareLimits = { sessionsMax: Infinity, repliesBytesMin: Infinity };
const NO_LIMITS: SessionLimits = {
  clients: NO_SHARE_LIMITS,
  proxies: NO_SHARE_LIMITS,
  sessionsPerOwnerMax: Infinity,
};

/** While there is room, the replies of one session may use up to 1/16 of the share. */
const PARTS_OF_SHARE = 16;

/** What the sessions of clients, or those of proxies, use together. */
interface Share {
  sessions: number;
  repliesBytes: number;
}

/** Which limit prevents that a session is opened: that of its owner, or that of all. */
export type SessionRefusal = "owner" | "all";

/**
 * The exactly-once sessions of the replicated state machine. Each keeps its last replies, so that a
 * request that is sent again is answered and not executed again.
 *
 * A serial of a session is in one of three states: kept (it was executed and its reply is here),
 * forgotten (it is at or below the floor, which only rises, and may have been executed or not), or
 * new.
 *
 * As with keys, sessions expire by the log's time, a session that is due counts as absent, and
 * equal calls in equal order give equal states.
 */
export class OnceSessions {
  limits: SessionLimits;
  readonly #sessions = new Map<string, OnceSession>();
  readonly #expiries = new ExpiryHeap<OnceSession>();
  #timeMs = 0;
  #openedCount = 0;
  #repliesBytes = 0;
  readonly #shares = {
    clients: { sessions: 0, repliesBytes: 0 },
    proxies: { sessions: 0, repliesBytes: 0 },
  };
  /** Number of sessions by the name of the owner. */
  readonly #byOwner = new Map<string, number>();
  #view: OnceSessionsView | null = null;
  #lastViewId = 0;

  constructor(limits: SessionLimits = NO_LIMITS) {
    this.limits = limits;
  }

  /** Number of sessions in memory, including those that are due. */
  get storedSize(): number {
    return this.#sessions.size;
  }

  /** Number of sessions that are not due. */
  get size(): number {
    return this.#sessions.size - this.#expiries.countDue(this.#timeMs);
  }

  /** Number of sessions that were ever opened. */
  get openedCount(): number {
    return this.#openedCount;
  }

  /** Estimated memory of sessions and their replies, in bytes. */
  get usedBytes(): number {
    return this.#sessions.size * SESSION_BYTES + this.#repliesBytes;
  }

  /**
   * Advances the log's time, which never goes back, and removes some of the sessions that are due.
   */
  advanceTime(timeMs: number): void {
    if (timeMs > this.#timeMs) this.#timeMs = timeMs;
    this.#removeSomeDue();
  }

  #removeSomeDue(): void {
    for (let removed = 0; removed < EXPIRED_PER_STEP_MAX; removed++) {
      if (!this.#removeEarliestDue()) return;
    }
  }

  /** The earliest deadline of a session; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#expiries.earliest();
    return earliest?.deadlineMs ?? null;
  }

  /**
   * Opens a session that expires when it is not used for `ttlMs`, unless a limit prevents it.
   * Clients and proxies have limits of their own.
   */
  open(ttlMs: number, owner: SessionOwner = NO_OWNER): OnceSession | SessionRefusal {
    if (this.#isShareFull(owner)) this.#removeSomeDue();
    if (this.#isShareFull(owner)) return "all";
    const { sessionsPerOwnerMax } = this.limits;
    if (owner.name !== "" && (this.#byOwner.get(owner.name) ?? 0) >= sessionsPerOwnerMax) {
      return "owner";
    }
    this.#openedCount++;
    const session = new OnceSession(
      `${this.#openedCount}-${this.#timeMs}`,
      ttlMs,
      this.#timeMs + ttlMs,
      owner,
    );
    session.viewId = this.#lastViewId;
    this.#add(session);
    return session;
  }

  /** The session with that id, if it exists. */
  find(id: string): OnceSession | undefined {
    const session = this.#sessions.get(id);
    return session !== undefined && session.deadlineMs > this.#timeMs ? session : undefined;
  }

  /** Closes a session. Returns whether it existed. */
  close(id: string): boolean {
    const session = this.#sessions.get(id);
    if (session === undefined) return false;
    const existed = session.deadlineMs > this.#timeMs;
    this.#remove(session);
    return existed;
  }

  /**
   * Extends the deadline of a session that is used, and forgets the replies to serials up to
   * `acked`, which its client has received.
   */
  use(session: OnceSession, acked: number): void {
    this.#view?.keep(session);
    const deadlineMs = this.#timeMs + session.ttlMs;
    if (session.deadlineMs !== deadlineMs) {
      session.deadlineMs = deadlineMs;
      this.#expiries.moved(session);
    }
    this.#forget(session, acked);
  }

  /**
   * Keeps the reply to a new serial, and forgets the replies that fall out of the session's window.
   * To be called after `use`.
   */
  keep(session: OnceSession, serial: number, reply: Reply): void {
    assert(serial > session.floor, "Cannot keep a reply: its serial is forgotten");
    this.#view?.keep(session);
    this.#store(session, serial, reply);
    if (serial > session.highest) session.highest = serial;
    this.#forget(session, session.highest - SERIAL_WINDOW - 1);
    // A session that uses too much forgets its own replies, never those of others, nor its newest
    // one.
    const bytesMax = this.#repliesBytesMaxOf(session);
    while (session.repliesBytes > bytesMax && session.floor < serial - 1) {
      this.#forget(session, session.floor + 1);
    }
  }

  /**
   * Maximum memory of the replies of one session, in bytes: a part of the share while there is
   * room, and else the amount that each session may always use.
   */
  #repliesBytesMaxOf({ owner }: OnceSession): number {
    const { sessionsMax, repliesBytesMin } = this.#limitsOf(owner);
    const bytesMax = sessionsMax * repliesBytesMin;
    const isScarce = this.#shareOf(owner).repliesBytes > bytesMax;
    return isScarce ? repliesBytesMin : Math.max(repliesBytesMin, bytesMax / PARTS_OF_SHARE);
  }

  #isShareFull(owner: SessionOwner): boolean {
    return this.#shareOf(owner).sessions >= this.#limitsOf(owner).sessionsMax;
  }

  #limitsOf({ isProxy }: SessionOwner): SessionShareLimits {
    return isProxy ? this.limits.proxies : this.limits.clients;
  }

  #shareOf({ isProxy }: SessionOwner): Share {
    return isProxy ? this.#shares.proxies : this.#shares.clients;
  }

  /** Begins a view of all sessions as they are now. Only one is open at a time. */
  beginView(): OnceSessionsView {
    assert(this.#view === null, "Cannot begin a view: current one has not ended");
    this.#view = new OnceSessionsView(++this.#lastViewId, [...this.#sessions.values()]);
    return this.#view;
  }

  endView(view: OnceSessionsView): void {
    if (this.#view === view) this.#view = null;
  }

  /**
   * Restores what a snapshot holds about all sessions. To be called before sessions are restored.
   */
  restore(timeMs: number, openedCount: number): void {
    this.#timeMs = timeMs;
    this.#openedCount = openedCount;
  }

  /** Restores a session without replies. Sessions are restored in the order of opening. */
  restoreSession(image: Omit<SessionImage, "replies">): OnceSession {
    const session = new OnceSession(image.key, image.ttlMs, image.deadlineMs, image.owner);
    session.floor = image.floor;
    session.highest = image.highest;
    this.#add(session);
    return session;
  }

  /** Restores a reply of a session. */
  restoreReply(session: OnceSession, serial: number, reply: Reply): void {
    this.#store(session, serial, reply);
  }

  #add(session: OnceSession): void {
    this.#sessions.set(session.key, session);
    this.#shareOf(session.owner).sessions++;
    const { name } = session.owner;
    this.#byOwner.set(name, (this.#byOwner.get(name) ?? 0) + 1);
    this.#expiries.add(session);
  }

  #store(session: OnceSession, serial: number, reply: Reply): void {
    session.replies.add(serial, reply);
    this.#count(session, KEPT_REPLY_BYTES + replyBytes(reply));
  }

  /**
   * Raises the floor. Takes time in proportion to the replies or the serials, whichever are fewer.
   */
  #forget(session: OnceSession, floor: number): void {
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

  #drop(session: OnceSession, serial: number): void {
    const reply = session.replies.remove(serial);
    if (reply !== undefined) this.#count(session, -KEPT_REPLY_BYTES - replyBytes(reply));
  }

  #count(session: OnceSession, bytes: number): void {
    session.repliesBytes += bytes;
    this.#repliesBytes += bytes;
    this.#shareOf(session.owner).repliesBytes += bytes;
  }

  #removeEarliestDue(): boolean {
    const earliest = this.#expiries.earliest();
    if (earliest === undefined || earliest.deadlineMs > this.#timeMs) return false;
    this.#remove(earliest);
    return true;
  }

  #remove(session: OnceSession): void {
    // An open view may still read the session, which does not change any more.
    this.#expiries.remove(session);
    this.#sessions.delete(session.key);
    this.#repliesBytes -= session.repliesBytes;
    const share = this.#shareOf(session.owner);
    share.sessions--;
    share.repliesBytes -= session.repliesBytes;
    const { name } = session.owner;
    const left = (this.#byOwner.get(name) ?? 0) - 1;
    if (left > 0) this.#byOwner.set(name, left);
    else this.#byOwner.delete(name);
  }
}
