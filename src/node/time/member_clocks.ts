import { type Random, randomInteger } from "../../base/random.ts";
import type { Clock } from "../../platform/clock.ts";
import { majority, type NodeId } from "../../raft/mod.ts";
import type { ClockReply, ClockRequest } from "../peers/peer_message.ts";

/** Interval in milliseconds between requests to a member whose clock is known. */
const ASK_MS = 1_000;
/** The same for a member whose clock is unknown. */
const ASK_AGAIN_MS = 50;
/** Maximum round trip in milliseconds of an answer that counts. The error may be half of it. */
const ROUND_TRIP_MS_MAX = 1_000;
/** Time in milliseconds without an answer after which a member's clock counts as unknown. */
const KNOWN_MS_MAX = 5_000;
/**
 * A wall clock that moves by more than this many milliseconds against the monotonic clock was set.
 */
const JUMP_MS = 500;

export interface MemberClocksOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  /** Maximum offset from the median in milliseconds, above which a clock is wrong. */
  readonly clockOffsetMsMax: number;
}

/** A measured clock. */
interface Known {
  /** The member's wall clock at the time when this node's monotonic clock showed 0. */
  readonly originMs: number;
  /** Round trip of request and answer, which bounds the error. */
  readonly tripMs: number;
  /** Monotonic time of the last confirmation. */
  readonly atMs: number;
}

interface Asked {
  readonly serial: number;
  readonly atMs: number;
}

/**
 * Measures the clocks of the other members. It asks each member once a second, and assumes that the
 * answer was given halfway through the round trip. Clocks are stored relative to this node's
 * monotonic clock, so that a jump of its own wall clock shows at once.
 */
export class MemberClocks {
  readonly #options: MemberClocksOptions;
  readonly #known = new Map<NodeId, Known>();
  /** Per member: the newest answered request and the unanswered ones after it, oldest first. */
  readonly #asked = new Map<NodeId, readonly Asked[]>();
  #isAskedAnew = false;
  /**
   * Starts at a random number, so that an answer from before a restart does not match a new
   * request.
   */
  #serial: number;
  /** This node's wall clock at the time when its monotonic clock showed 0, as last read. */
  #ownOriginMs: number;
  /** Monotonic time of the last jump of the wall clock. */
  #jumpedMs = -Infinity;

  constructor(options: MemberClocksOptions) {
    this.#options = options;
    this.#ownOriginMs = options.clock.nowMs() - options.clock.monotonicMs();
    this.#serial = randomInteger(options.random, 2 ** 32);
  }

  /** The requests that are due. Also forgets everybody who is not among `members`. */
  requests(members: readonly NodeId[]): ClockRequest[] {
    const { id: from, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const map of [this.#known, this.#asked]) {
      for (const id of map.keys()) if (!members.includes(id)) map.delete(id);
    }
    this.#noteJump(nowMs);
    const requests: ClockRequest[] = [];
    for (const to of members) {
      const asked = this.#asked.get(to) ?? [];
      const isKnown = this.#isKnown(to, nowMs) && this.#isSince(to, this.#jumpedMs);
      const everyMs = isKnown ? ASK_MS : ASK_AGAIN_MS;
      const dueMs = this.#isAskedAnew ? -Infinity : (asked.at(-1)?.atMs ?? -Infinity) + everyMs;
      if (to === from || nowMs < dueMs) continue;
      const serial = ++this.#serial;
      const open = asked.filter(({ atMs }) => nowMs - atMs <= ROUND_TRIP_MS_MAX);
      this.#asked.set(to, [...open, { serial, atMs: nowMs }]);
      requests.push({ type: "clock", from, to, serial });
    }
    this.#isAskedAnew = false;
    return requests;
  }

  /** Makes the next requests go to all members at once. */
  askAnew(): void {
    this.#isAskedAnew = true;
  }

  /** @param logTimeMs the log's time, if this node leads; otherwise `null` */
  reply({ from, to, serial }: ClockRequest, logTimeMs: number | null): ClockReply {
    const timeMs = this.#options.clock.nowMs();
    return { type: "clockReply", from: to, to: from, serial, timeMs, logTimeMs };
  }

  /**
   * Takes a member's answer.
   *
   * @returns age of the request in milliseconds; `null` when the answer does not count, because it
   * took too long or a newer request has been answered
   */
  handleReply({ from, serial, timeMs }: ClockReply): number | null {
    const asked = this.#asked.get(from) ?? [];
    const at = asked.findIndex((one) => one.serial === serial);
    const nowMs = this.#options.clock.monotonicMs();
    const tripMs = nowMs - (asked[at]?.atMs ?? -Infinity);
    if (tripMs > ROUND_TRIP_MS_MAX) return null;
    this.#asked.set(from, asked.slice(at));
    const originMs = timeMs + tripMs / 2 - nowMs;
    const known = this.#known.get(from);
    // Keep a more exact measurement for as long as it may be right.
    const isKept = known !== undefined && known.tripMs < tripMs &&
      Math.abs(known.originMs - originMs) <= tripMs / 2;
    this.#known.set(from, { ...(isKept ? known : { originMs, tripMs }), atMs: nowMs });
    return tripMs;
  }

  /**
   * The latest time that the clocks of a majority of the voters have reached; `null` while fewer
   * are known. A minority cannot move it beyond the clocks of the others. After a jump of this
   * node's clock the others are measured again first, since they may have been set at the same
   * time.
   */
  majorityMs(voters: readonly NodeId[]): number | null {
    const nowMs = this.#options.clock.monotonicMs();
    this.#noteJump(nowMs);
    const times = this.#knownTimes(voters, nowMs, this.#jumpedMs);
    return times.at(-majority(voters.length)) ?? null;
  }

  /**
   * Offset of a member's clock, by default this node's, from the median of all known clocks;
   * negative means behind. `null` while fewer than a majority of the voters are known.
   */
  offsetMs(voters: readonly NodeId[], id = this.#options.id): number | null {
    const nowMs = this.#options.clock.monotonicMs();
    const own = this.#timeOf(id, nowMs);
    const times = this.#knownTimes(voters, nowMs);
    if (own === null || times.length === 0 || times.length < majority(voters.length)) return null;
    return own - medianOf(times);
  }

  /**
   * Whether a member's clock is certainly wrong: the clocks of a majority of the voters agree, and
   * this one is far from them. Where no majority agrees, nobody can tell, and somebody has to lead.
   * After a jump of this node's clock only later measurements count, since the other clocks may
   * have been set at the same time.
   */
  isWrong(voters: readonly NodeId[], id = this.#options.id): boolean {
    const { clock, clockOffsetMsMax, id: self } = this.#options;
    const nowMs = clock.monotonicMs();
    const own = this.#timeOf(id, nowMs);
    if (own === null) return false;
    this.#noteJump(nowMs);
    const count = majority(voters.length);
    const times = this.#knownTimes(voters, nowMs, id === self ? this.#jumpedMs : -Infinity);
    let isWrong = false;
    for (let first = 0; first + count <= times.length; first++) {
      const agreed = times.slice(first, first + count);
      if ((agreed.at(-1) ?? 0) - (agreed[0] ?? 0) > clockOffsetMsMax) continue;
      if (Math.abs(own - medianOf(agreed)) <= clockOffsetMsMax) return false;
      isWrong = true;
    }
    return isWrong;
  }

  /** Notices a jump of this node's wall clock, and makes all members due for a request. */
  #noteJump(nowMs: number): void {
    const originMs = this.#options.clock.nowMs() - nowMs;
    const isJump = Math.abs(originMs - this.#ownOriginMs) > JUMP_MS;
    this.#ownOriginMs = originMs;
    if (!isJump) return;
    this.#jumpedMs = nowMs;
    this.#asked.clear();
  }

  /**
   * The known clocks that were measured at or after `sinceMs`, and this node's own, in ascending
   * order.
   */
  #knownTimes(voters: readonly NodeId[], nowMs: number, sinceMs = -Infinity): number[] {
    const times: number[] = [];
    for (const id of voters) {
      const timeMs = this.#timeOf(id, nowMs);
      if (timeMs !== null && this.#isSince(id, sinceMs)) times.push(timeMs);
    }
    return times.sort((a, b) => a - b);
  }

  #timeOf(id: NodeId, nowMs: number): number | null {
    if (id === this.#options.id) return this.#options.clock.nowMs();
    const known = this.#known.get(id);
    return known !== undefined && this.#isKnown(id, nowMs) ? known.originMs + nowMs : null;
  }

  /** Whether a clock was measured at or after this time. This node's own needs no measurement. */
  #isSince(id: NodeId, sinceMs: number): boolean {
    return (this.#known.get(id)?.atMs ?? Infinity) >= sinceMs;
  }

  #isKnown(id: NodeId, nowMs: number): boolean {
    return nowMs - (this.#known.get(id)?.atMs ?? -Infinity) < KNOWN_MS_MAX;
  }
}

/** @param times ascending and not empty */
function medianOf(times: readonly number[]): number {
  const lower = times[Math.floor((times.length - 1) / 2)] ?? NaN;
  const upper = times[Math.floor(times.length / 2)] ?? NaN;
  return (lower + upper) / 2;
}
