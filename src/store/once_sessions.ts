import type { Reply } from "../resp/reply.ts";
import { type Expiring, ExpiryHeap } from "./deadlines.ts";
import { KeptReplies, replyBytes } from "./kept_replies.ts";
import { assert } from "../base/errors.ts";
import { EXPIRED_PER_STEP_MAX } from "./keyspace.ts";

/**
 * Who opened a session, as the leader that took the request tells it: a session counts against the
 * bounds of its owner.
 */
export interface SessionOwner {
  /** Of one connection, and of no other in the life of the cluster. */
  readonly name: string;
  /** Opened by a proxy, for the writes of many clients. */
  readonly isProxy: boolean;
}

/** Of sessions whose owner is not known. */
export const NO_OWNER: SessionOwner = { name: "", isProxy: false };

/** One client's session: which of its serials have been executed, and what they were answered. */
export class OnceSession implements Expiring {
  /** `counter-time`: the number of the session, and the log's time at which it was opened. */
  readonly key: string;
  readonly ttlMs: number;
  deadlineMs: number;
  heapIndex = -1;
  /** Serials up to this one are forgotten. */
  floor = 0;
  /** The highest serial seen; 0 before the first. */
  highest = 0;
  /** What was answered, by serial. */
  readonly replies = new KeptReplies();
  /** About what the replies cost. */
  repliesBytes = 0;
  readonly owner: SessionOwner;
  /** The last view that needs nothing of it any more. */
  viewId = 0;

  constructor(key: string, ttlMs: number, deadlineMs: number, owner: SessionOwner) {
    this.key = key;
    this.owner = owner;
    this.ttlMs = ttlMs;
    this.deadlineMs = deadlineMs;
  }
}

/** A session as it was at a point in time. */
export interface SessionImage {
  readonly key: string;
  readonly ttlMs: number;
  readonly deadlineMs: number;
  readonly floor: number;
  readonly highest: number;
  readonly owner: SessionOwner;
  /** In the order of their serials. */
  readonly replies: readonly (readonly [number, Reply])[];
}

/** Takes time in proportion to the number of replies, a few thousand at most. */
export function imageOf(session: OnceSession): SessionImage {
  const { key, ttlMs, deadlineMs, floor, highest, owner, replies } = session;
  return { key, ttlMs, deadlineMs, floor, highest, owner, replies: replies.entries() };
}

/**
 * All sessions as they were when the view began. A session that is about to change is copied first,
 * unless it has been read by then.
 */
export class OnceSessionsView {
  readonly #id: number;
  #sessions: readonly OnceSession[];
  readonly #images = new Map<OnceSession, SessionImage>();
  #next = 0;

  /** @param id higher than that of each view before */
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

  /** The next session, in the order in which they were opened; `null` after the last. */
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

/** Serials that are further than this behind the highest one of their session are forgotten. */
export const SERIAL_WINDOW = 4096;

/** What a session costs beside its replies. */
export const SESSION_BYTES = 500;
/** What a kept reply costs beside itself. */
export const KEPT_REPLY_BYTES = 80;

/** The longest time without use that a session can be opened for. */
export const SESSION_TTL_MS_MAX = 24 * 60 * 60 * 1000;

/** What the sessions of clients, or those of proxies, may take. */
export interface SessionShareLimits {
  /** So many can be open at once. */
  readonly sessionsMax: number;
  /**
   * The replies that one session keeps may always take so many bytes, whatever the others keep. What
   * it keeps beyond is forgotten once all together have more than this for each of `sessionsMax`.
   */
  readonly repliesBytesMin: number;
}

/** Limits that decide what happens: the same on all nodes. */
export interface SessionLimits {
  readonly clients: SessionShareLimits;
  readonly proxies: SessionShareLimits;
  /** So many sessions one owner can have open at once. */
  readonly sessionsPerOwnerMax: number;
}

const NO_SHARE_LIMITS: SessionShareLimits = { sessionsMax: Infinity, repliesBytesMin: Infinity };
const NO_LIMITS: SessionLimits = {
  clients: NO_SHARE_LIMITS,
  proxies: NO_SHARE_LIMITS,
  sessionsPerOwnerMax: Infinity,
};

/** While there is room, the replies of one session take one part of so many of its share. */
const PARTS_OF_SHARE = 16;

/** What the sessions of clients or those of proxies take together. */
interface Share {
  sessions: number;
  repliesBytes: number;
}

/** Why a session is not opened. */
export type SessionRefusal = "owner" | "all";

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
  /** Number of sessions by the name of their owner. */
  readonly #byOwner = new Map<string, number>();
  #view: OnceSessionsView | null = null;
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
    this.#removeSomeDue();
  }

  #removeSomeDue(): void {
    for (let removed = 0; removed < EXPIRED_PER_STEP_MAX; removed++) {
      if (!this.#removeEarliestDue()) return;
    }
  }

  /** When the next session ends; `null` when there is none. */
  nextDeadlineMs(): number | null {
    const earliest = this.#expiries.earliest();
    return earliest?.deadlineMs ?? null;
  }

  /**
   * Opens a session that ends when it is not used for so long; or tells of whom there are too many.
   * Clients cannot take the part that is for proxies, nor those the clients'.
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

  /** The session of that id, if it is there and its time has not come. */
  find(id: string): OnceSession | undefined {
    const session = this.#sessions.get(id);
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
   * Keeps what a new serial was answered, and forgets what falls out of the session's window by it.
   * `use` has been called.
   */
  keep(session: OnceSession, serial: number, reply: Reply): void {
    assert(serial > session.floor, "Cannot keep a reply: its serial is forgotten");
    this.#view?.keep(session);
    this.#store(session, serial, reply);
    if (serial > session.highest) session.highest = serial;
    this.#forget(session, session.highest - SERIAL_WINDOW - 1);
    // Whoever keeps more than its part makes room, and nobody for it: the newest reply always stays.
    const bytesMax = this.#repliesBytesMaxOf(session);
    while (session.repliesBytes > bytesMax && session.floor < serial - 1) {
      this.#forget(session, session.floor + 1);
    }
  }

  /**
   * What the replies of one session may take: as long as there is much room, a good part of it; when
   * there is little, what each session has that can be open.
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

  /** A view of all sessions as they are now; one at a time. It costs little until sessions change. */
  beginView(): OnceSessionsView {
    assert(this.#view === null, "Cannot begin a view: current one has not ended");
    this.#view = new OnceSessionsView(++this.#lastViewId, [...this.#sessions.values()]);
    return this.#view;
  }

  endView(view: OnceSessionsView): void {
    if (this.#view === view) this.#view = null;
  }

  /** Puts back what a snapshot holds of all sessions together, before the sessions themselves. */
  restore(timeMs: number, openedCount: number): void {
    this.#timeMs = timeMs;
    this.#openedCount = openedCount;
  }

  /** Puts a session back, without replies; ids come in the order in which they were opened. */
  restoreSession(image: Omit<SessionImage, "replies">): OnceSession {
    const session = new OnceSession(image.key, image.ttlMs, image.deadlineMs, image.owner);
    session.floor = image.floor;
    session.highest = image.highest;
    this.#add(session);
    return session;
  }

  /** Puts a reply of a session back. */
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

  /** Raises the floor. Takes as many steps as there are replies or serials, whichever is less. */
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
    // A view may read it later: a removed session does not change any more.
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
