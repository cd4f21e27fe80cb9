import { plainHost } from "../base/address.ts";
import type { Clock } from "../platform/clock.ts";

/** Number of failed log-ins in a row, and per second after that, from one address and to one user. */
const OF_ADDRESS = { burst: 20, perSecond: 1 };
const OF_USER = { burst: 100, perSecond: 2 };
/** Number of addresses, and of users, that are remembered. */
const REMEMBERED_MAX = 10_000;
/** Number of pairs of an address and a user that have logged in and are remembered. */
const KNOWN_MAX = 1_000;

/** Failures that leak out of a bucket at a steady rate. */
interface Bucket {
  failures: number;
  /** When `failures` was computed, by the monotonic clock. */
  sinceMs: number;
}

/**
 * Limits the rate of failed log-ins, by address and by user. Who has logged in from an address
 * before is not kept out when others guess that user's password from elsewhere.
 */
export class Attempts {
  readonly #clock: Clock;
  readonly #addresses = new Map<string, Bucket>();
  readonly #users = new Map<string, Bucket>();
  readonly #known = new Set<string>();
  /** Number of passwords from each address that are being checked. */
  readonly #pending = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a log-in may be tried now. */
  mayTry(address: string, user: string): boolean {
    const group = groupOf(address);
    if (this.#failures(this.#addresses, group, OF_ADDRESS) > OF_ADDRESS.burst - 1) return false;
    if (this.#known.has(pairOf(group, user))) return true;
    return this.#failures(this.#users, user, OF_USER) <= OF_USER.burst - 1;
  }

  /**
   * Begins a check, which may turn out to be a failure: all of an address at a time are as many as
   * its failures may be.
   *
   * @returns what ends it; `null` if there are too many
   */
  begin(address: string): (() => void) | null {
    const group = groupOf(address);
    const pending = this.#pending.get(group) ?? 0;
    const failures = this.#failures(this.#addresses, group, OF_ADDRESS);
    if (failures + pending > OF_ADDRESS.burst - 1) return null;
    this.#pending.set(group, pending + 1);
    return () => {
      const left = (this.#pending.get(group) ?? 1) - 1;
      if (left > 0) this.#pending.set(group, left);
      else this.#pending.delete(group);
    };
  }

  noteFailure(address: string, user: string): void {
    this.#add(this.#addresses, groupOf(address), OF_ADDRESS);
    this.#add(this.#users, user, OF_USER);
  }

  noteSuccess(address: string, user: string): void {
    const pair = pairOf(groupOf(address), user);
    this.#known.delete(pair);
    this.#known.add(pair);
    dropOldest(this.#known, KNOWN_MAX);
  }

  #failures(buckets: Map<string, Bucket>, key: string, { perSecond }: typeof OF_ADDRESS): number {
    const bucket = buckets.get(key);
    if (bucket === undefined) return 0;
    const nowMs = this.#clock.monotonicMs();
    bucket.failures -= perSecond * (nowMs - bucket.sinceMs) / 1_000;
    bucket.sinceMs = nowMs;
    if (bucket.failures > 0) return bucket.failures;
    buckets.delete(key);
    return 0;
  }

  #add(buckets: Map<string, Bucket>, key: string, rate: typeof OF_ADDRESS): void {
    const failures = this.#failures(buckets, key, rate) + 1;
    buckets.delete(key);
    buckets.set(key, { failures, sinceMs: this.#clock.monotonicMs() });
    dropOldest(buckets, REMEMBERED_MAX);
  }
}

function dropOldest(all: Map<string, unknown> | Set<string>, max: number): void {
  if (all.size <= max) return;
  const [oldest] = all.keys();
  if (oldest !== undefined) all.delete(oldest);
}

/** An IPv6 network of 64 bits counts as one address: one machine has as many as it likes. */
function groupOf(address: string): string {
  const host = plainHost(address);
  return host.includes(":") ? host.split("::")[0]?.split(":").slice(0, 4).join(":") ?? "" : host;
}

function pairOf(group: string, user: string): string {
  return `${group} ${user}`;
}
