import { type Random, randomInteger } from "../../base/random.ts";
import type { Clock } from "../../platform/clock.ts";
import { majority, type NodeId } from "../../raft/mod.ts";
import type { ClockQuestion, ClockReply } from "../peers/peer_message.ts";

/** A member whose clock is known is asked again after this time. */
const ASK_MS = 1_000;
/** A member whose clock is not known is asked again after this time. */
const ASK_AGAIN_MS = 50;
/** An answer that took longer says too little: it may be wrong by half of this. */
const ROUND_TRIP_MS_MAX = 1_000;
/** A member that has not answered for so long counts as unknown. */
const KNOWN_MS_MAX = 5_000;
/** A wall clock that moves by so much against the monotonic one within moments has been set. */
const JUMP_MS = 500;

export interface MemberClocksOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  /** A clock that differs by more from the median is wrong. */
  readonly clockOffsetMsMax: number;
}

/** What a member's clock showed when this node's monotonic clock showed 0, or would have shown it. */
interface Known {
  readonly originMs: number;
  /** How long question and answer took: so exact is it. */
  readonly tripMs: number;
  /** When it was last confirmed, by the monotonic clock. */
  readonly atMs: number;
}

interface Asked {
  readonly serial: number;
  readonly atMs: number;
}

/**
 * The clocks of the other members, as this node measures them: it asks each once a second, and takes
 * the answer for the time in the middle between question and answer. They are kept relative to this
 * node's monotonic clock, so that a jump of its own wall clock shows at once.
 */
export class MemberClocks {
  readonly #options: MemberClocksOptions;
  readonly #known = new Map<NodeId, Known>();
  /** What is not answered yet and the newest that is, the oldest first. */
  readonly #asked = new Map<NodeId, readonly Asked[]>();
  #isAskedAnew = false;
  /** Begins anywhere: an answer to a question from before a restart must not pass for a new one. */
  #serial: number;
  /** This node's wall clock when its monotonic clock showed 0, as it was last looked at. */
  #ownOriginMs: number;
  /** When that last changed by more than a clock drifts. */
  #jumpedMs = -Infinity;

  constructor(options: MemberClocksOptions) {
    this.#options = options;
    this.#ownOriginMs = options.clock.nowMs() - options.clock.monotonicMs();
    this.#serial = randomInteger(options.random, 2 ** 32);
  }

  /** The questions that are due, and forgets whoever is not among these members. */
  questions(members: readonly NodeId[]): ClockQuestion[] {
    const { id: from, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const map of [this.#known, this.#asked]) {
      for (const id of map.keys()) if (!members.includes(id)) map.delete(id);
    }
    this.#noteJump(nowMs);
    const questions: ClockQuestion[] = [];
    for (const to of members) {
      const asked = this.#asked.get(to) ?? [];
      const isKnown = this.#isKnown(to, nowMs) && this.#isSince(to, this.#jumpedMs);
      const everyMs = isKnown ? ASK_MS : ASK_AGAIN_MS;
      const dueMs = this.#isAskedAnew ? -Infinity : (asked.at(-1)?.atMs ?? -Infinity) + everyMs;
      if (to === from || nowMs < dueMs) continue;
      const serial = ++this.#serial;
      const open = asked.filter(({ atMs }) => nowMs - atMs <= ROUND_TRIP_MS_MAX);
      this.#asked.set(to, [...open, { serial, atMs: nowMs }]);
      questions.push({ type: "clock", from, to, serial });
    }
    this.#isAskedAnew = false;
    return questions;
  }

  /** Lets the next questions go to all, whenever they were asked last. */
  askAnew(): void {
    this.#isAskedAnew = true;
  }

  /** @param logTimeMs what the asker may go on from */
  reply({ from, to, serial }: ClockQuestion, logTimeMs: number | null): ClockReply {
    const timeMs = this.#options.clock.nowMs();
    return { type: "clockReply", from: to, to: from, serial, timeMs, logTimeMs };
  }

  /**
   * A member has answered.
   *
   * @returns how many milliseconds ago it was asked this; `null` when the answer does not count: it
   *   took too long, or a newer question has been answered
   */
  answered({ from, serial, timeMs }: ClockReply): number | null {
    const asked = this.#asked.get(from) ?? [];
    const at = asked.findIndex((one) => one.serial === serial);
    const nowMs = this.#options.clock.monotonicMs();
    const tripMs = nowMs - (asked[at]?.atMs ?? -Infinity);
    if (tripMs > ROUND_TRIP_MS_MAX) return null;
    this.#asked.set(from, asked.slice(at));
    const originMs = timeMs + tripMs / 2 - nowMs;
    const known = this.#known.get(from);
    // What was measured more exactly is kept for as long as it may be right.
    const isKept = known !== undefined && known.tripMs < tripMs &&
      Math.abs(known.originMs - originMs) <= tripMs / 2;
    this.#known.set(from, { ...(isKept ? known : { originMs, tripMs }), atMs: nowMs });
    return tripMs;
  }

  /**
   * The latest time that the clocks of a majority of the voters have reached; `null` while not so
   * many are known. A minority cannot move it beyond what the clocks of the others show. After a jump
   * of this node's clock the others are asked first: perhaps theirs were put right at the same time.
   */
  majorityMs(voters: readonly NodeId[]): number | null {
    const nowMs = this.#options.clock.monotonicMs();
    this.#noteJump(nowMs);
    const times = this.#knownTimes(voters, nowMs, this.#jumpedMs);
    return times.at(-majority(voters.length)) ?? null;
  }

  /**
   * How far a member's clock, by default this node's, is ahead of the median of all that are known;
   * negative: behind. `null` while not a majority of the voters is known.
   */
  offsetMs(voters: readonly NodeId[], id = this.#options.id): number | null {
    const nowMs = this.#options.clock.monotonicMs();
    const own = this.#timeOf(id, nowMs);
    const times = this.#knownTimes(voters, nowMs);
    if (own === null || times.length === 0 || times.length < majority(voters.length)) return null;
    return own - medianOf(times);
  }

  /**
   * Whether a member's clock is certain to be wrong: those of a majority of the voters agree, and it
   * is far from them. Where no majority agrees, nobody can tell, and somebody has to lead. After a
   * jump of this node's clock it is judged by what the others say then: perhaps theirs were put right
   * at the same time.
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

  /** After a jump of this node's clock all are asked at once. */
  #noteJump(nowMs: number): void {
    const originMs = this.#options.clock.nowMs() - nowMs;
    const isJump = Math.abs(originMs - this.#ownOriginMs) > JUMP_MS;
    this.#ownOriginMs = originMs;
    if (!isJump) return;
    this.#jumpedMs = nowMs;
    this.#asked.clear();
  }

  /** What the clocks show that were measured since then, and this node's own; ascending. */
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

  /** Whether a clock was measured then or later; this node's own needs no measuring. */
  #isSince(id: NodeId, sinceMs: number): boolean {
    return (this.#known.get(id)?.atMs ?? Infinity) >= sinceMs;
  }

  #isKnown(id: NodeId, nowMs: number): boolean {
    return nowMs - (this.#known.get(id)?.atMs ?? -Infinity) < KNOWN_MS_MAX;
  }
}

/** @param times ascending, at least one */
function medianOf(times: readonly number[]): number {
  const lower = times[Math.floor((times.length - 1) / 2)] ?? NaN;
  const upper = times[Math.floor(times.length / 2)] ?? NaN;
  return (lower + upper) / 2;
}
