import { type Damage, type Service, serviceAt, type Shape } from "./reach.ts";

/** A request of a proxy's client, judged by the times at which it was sent and answered. */
export interface Asked {
  readonly client: string;
  readonly proxy: string;
  readonly what: string;
  readonly sentMs: number;
  /** When it was answered, or the client gave up. */
  readonly endedMs: number;
  /** The error; `null` if it was answered. */
  readonly error: string | null;
}

export interface AvailabilityOptions extends Shape {
  /** Maximum duration of an answer without a fault. */
  readonly answerMsMax: number;
  /** Maximum duration of an answer while some packets are lost. */
  readonly slowAnswerMsMax: number;
}

interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

/** An active fault. */
export interface Begun {
  /** Ends the fault. Its end has the settle time of its beginning, unless another is given. */
  at(nowMs: number, settleEndMs?: number): void;
  /** Another leader was elected, though nothing was done to the nodes. */
  elected(): void;
}

interface Fault extends Damage {
  readonly name: string;
  readonly beginMs: number;
  readonly settleMs: number;
  leader?: string | undefined;
  endMs: number;
  /** The settle time after its end. */
  settleEndMs: number;
}

/** Further violations are only counted. */
const TOLD_MAX = 20;

/**
 * Judges whether clients were served whenever service was owed. Each beginning and each end of a
 * fault gives the cluster a time to settle, in which answers may be late. Outside of these times no
 * answer may be late, and no request that had enough time may fail.
 */
export class Availability {
  readonly #options: AvailabilityOptions;
  readonly #faults: Fault[] = [];
  readonly #forgiven: Interval[] = [];
  readonly #delays: (Interval & { readonly lateMs: number })[] = [];
  readonly #asked: Asked[] = [];

  constructor(options: AvailabilityOptions) {
    this.#options = options;
  }

  /** Begins a fault. @param settleMs maximum time for which its beginning may be felt */
  begin(name: string, damage: Damage, settleMs: number, nowMs: number): Begun {
    const fault: Fault = {
      ...damage,
      name,
      beginMs: nowMs,
      settleMs,
      endMs: Infinity,
      settleEndMs: settleMs,
    };
    this.#faults.push(fault);
    return {
      at(endMs, settleEndMs = settleMs) {
        fault.endMs = endMs;
        fault.settleEndMs = settleEndMs;
      },
      elected() {
        fault.leader = undefined;
      },
    };
  }

  /** The machine itself stalled: nothing is owed meanwhile and shortly after. */
  forgive(fromMs: number, toMs: number): void {
    const last = this.#forgiven.at(-1);
    if (last !== undefined && fromMs <= last.toMs) {
      this.#forgiven[this.#forgiven.length - 1] = { fromMs: last.fromMs, toMs };
    } else this.#forgiven.push({ fromMs, toMs });
  }

  /**
   * The machine itself was late by this much within this period. Answers may take longer by as
   * much.
   */
  delayed(fromMs: number, toMs: number, lateMs: number): void {
    this.#delays.push({ fromMs, toMs, lateMs });
  }

  note(asked: Asked): void {
    this.#asked.push(asked);
  }

  /** Owed answers that were late or failed, as readable lines. */
  violations(): string[] {
    const { answerMsMax, slowAnswerMsMax } = this.#options;
    const lines: string[] = [];
    for (const [service, boundMs] of [["owed", answerMsMax], ["slow", slowAnswerMsMax]] as const) {
      const owed = new Map<string, Interval[]>();
      for (const asked of this.#asked) {
        const intervals = owed.get(asked.proxy) ?? this.#owed(asked.proxy, service === "slow");
        owed.set(asked.proxy, intervals);
        const own = longestWithin(intervals, asked);
        const ownMs = own.toMs - own.fromMs;
        const isWhole = ownMs === asked.endedMs - asked.sentMs;
        if (
          (ownMs > boundMs && ownMs - this.#lateMs(own) > boundMs) ||
          (asked.error !== null && isWhole && service === "owed")
        ) {
          lines.push(this.#told(asked, ownMs, boundMs));
        }
      }
    }
    const more = lines.length - TOLD_MAX;
    return more > 0 ? [...lines.slice(0, TOLD_MAX), `and ${more} more like these`] : lines;
  }

  /**
   * Share of this period in which clients of the proxy had to be served within the bound, from 0 to
   * 1.
   */
  shareOwed(proxy: string, fromMs: number, toMs: number): number {
    let sumMs = 0;
    for (const interval of this.#owed(proxy, false)) {
      sumMs += Math.max(
        0,
        Math.min(interval.toMs, toMs) - Math.max(interval.fromMs, fromMs),
      );
    }
    return sumMs / (toMs - fromMs);
  }

  /** The periods in which clients of this proxy have to be served, in order. */
  #owed(proxy: string, whenSlowToo: boolean): Interval[] {
    const changes = this.#faults.flatMap(({ beginMs, endMs }) => [beginMs, endMs]);
    const instants = [...new Set([-Infinity, ...changes, Infinity])].sort((a, b) => a - b);
    const states: readonly Service[] = whenSlowToo ? ["owed", "owed, but slow"] : ["owed"];
    let owed: Interval[] = [];
    instants.forEach((fromMs, at) => {
      const toMs = instants[at + 1];
      if (toMs === undefined) return;
      const active = this.#faults.filter(({ beginMs, endMs }) =>
        beginMs <= fromMs && fromMs < endMs
      );
      if (states.includes(serviceAt(proxy, active, this.#options))) owed.push({ fromMs, toMs });
    });
    const settling = this.#faults.flatMap(({ beginMs, endMs, settleMs, settleEndMs }) => [
      { fromMs: beginMs, toMs: beginMs + settleMs },
      { fromMs: endMs, toMs: endMs + settleEndMs },
    ]);
    for (const interval of [...settling, ...this.#forgiven]) owed = without(owed, interval);
    return joined(owed);
  }

  /** How late the machine was within this period. */
  #lateMs({ fromMs, toMs }: Interval): number {
    let sumMs = 0;
    for (const delay of this.#delays) {
      if (fromMs < delay.toMs && delay.fromMs < toMs) sumMs += delay.lateMs;
    }
    return sumMs;
  }

  #told({ client, proxy, what, sentMs, endedMs, error }: Asked, ownMs: number, boundMs: number) {
    const near = this.#faults.filter(({ beginMs, endMs, settleEndMs }) =>
      beginMs <= endedMs && sentMs <= endMs + settleEndMs
    ).map(({ name, beginMs, endMs }) =>
      `${name} from ${Math.round(beginMs)} to ${Math.round(endMs)} ms`
    );
    const outcome = error === null ? "was answered" : `was told ${JSON.stringify(error)}`;
    return `${client} at ${proxy} ${outcome} after ${
      Math.round(endedMs - sentMs)
    } ms on ${what}, ` +
      `sent at ${Math.round(sentMs)} ms, though a majority could be reached for ` +
      `${Math.round(ownMs)} ms of it, and ${boundMs} ms are enough ` +
      `(${near.length === 0 ? "no fault was active" : near.join("; ")})`;
  }
}

/** The longest part of a request's time in which service was owed. */
function longestWithin(owed: readonly Interval[], { sentMs, endedMs }: Asked): Interval {
  let longest = { fromMs: sentMs, toMs: sentMs };
  for (const interval of owed) {
    if (interval.fromMs > endedMs) break;
    const fromMs = Math.max(interval.fromMs, sentMs);
    const toMs = Math.min(interval.toMs, endedMs);
    if (toMs - fromMs > longest.toMs - longest.fromMs) longest = { fromMs, toMs };
  }
  return longest;
}

function without(intervals: readonly Interval[], hole: Interval): Interval[] {
  return intervals.flatMap(({ fromMs, toMs }) => {
    if (hole.toMs <= fromMs || toMs <= hole.fromMs) return [{ fromMs, toMs }];
    const left = { fromMs, toMs: hole.fromMs };
    const right = { fromMs: hole.toMs, toMs };
    return [left, right].filter((rest) => rest.fromMs < rest.toMs);
  });
}

/** Sorted intervals, in which those that touch are merged. */
function joined(intervals: readonly Interval[]): Interval[] {
  const all: Interval[] = [];
  for (const next of [...intervals].sort((a, b) => a.fromMs - b.fromMs)) {
    const last = all.at(-1);
    if (last !== undefined && next.fromMs <= last.toMs) {
      all[all.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, next.toMs) };
    } else all.push(next);
  }
  return all;
}
