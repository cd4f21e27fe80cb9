import type { Reply } from "../resp/reply.ts";
import type { Expiring } from "./expiry_heap.ts";
import { KeptReplies } from "./kept_replies.ts";

/** One client's session: which of its serials have been executed, and what they were answered. */
export class Session implements Expiring {
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
  /** The last view that needs nothing of it any more. */
  viewId = 0;

  constructor(key: string, ttlMs: number, deadlineMs: number) {
    this.key = key;
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
  /** In the order of their serials. */
  readonly replies: readonly (readonly [number, Reply])[];
}

/** Takes time in proportion to the number of replies, a few thousand at most. */
export function imageOf(session: Session): SessionImage {
  const { key, ttlMs, deadlineMs, floor, highest, replies } = session;
  return { key, ttlMs, deadlineMs, floor, highest, replies: replies.entries() };
}
