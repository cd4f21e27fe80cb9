import type { Cancel, Clock } from "../platform/clock.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

/** What `CLIENT PAUSE` holds: all requests, or writes and the requests that follow them. */
export type PauseMode = "all" | "write";

/** The connection of a request that is held. */
export type PausedConnection = Pick<Connection, "isClosed" | "prepare">;

interface HeldRequest {
  readonly connection: PausedConnection;
  readonly reply: PendingReply;
  /** Whether requests before it, which may change protocol and muting, were held as well. */
  readonly isAfterHeld: boolean;
  /** Serves the request as if it had just been read. */
  readonly serve: () => void;
}

/**
 * `CLIENT PAUSE` of one process. Requests of all its clients are held until the time is up or a
 * client ends the pause, and are then served in order of arrival. A client's held requests are
 * bounded by what its connection reads ahead.
 */
export class ClientPause {
  readonly #clock: Clock;
  #mode: PauseMode | null = null;
  #untilMs = -Infinity;
  /** When the last pause ended, by the monotonic clock. */
  #endedMs = -Infinity;
  #cancel: Cancel | null = null;
  #held: HeldRequest[] = [];
  /** Clients with held requests, whose later requests must not overtake these. */
  readonly #holding = new Set<PausedConnection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOn(): boolean {
    return this.#mode !== null;
  }

  /** Since when a request has waited that was read at this time: a pause does not count. */
  waitsSince(readMs: number): number {
    return Math.max(readMs, this.#endedMs);
  }

  /** As in Redis, a second pause can make the first one longer and stricter, never the opposite. */
  begin(mode: PauseMode, durationMs: number): void {
    if (durationMs === 0 && !this.isOn) return;
    if (this.#mode !== "all") this.#mode = mode;
    this.#untilMs = Math.max(this.#untilMs, this.#clock.monotonicMs() + durationMs);
    this.#await();
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#mode = null;
    this.#untilMs = -Infinity;
    this.#endedMs = this.#clock.monotonicMs();
    const held = this.#held;
    this.#held = [];
    this.#holding.clear();
    for (const { connection, reply, isAfterHeld, serve } of held) {
      if (connection.isClosed) continue;
      // The first one was prepared on arrival. Its `CLIENT REPLY SKIP` is used up.
      if (isAfterHeld) connection.prepare(reply);
      reply.guard(serve);
    }
  }

  /** Holds the request if it has to wait. @returns whether it does */
  holds(
    connection: PausedConnection,
    reply: PendingReply,
    isWrite: boolean,
    serve: () => void,
  ): boolean {
    const mustWait = this.#mode === "all" || (this.#mode === "write" && isWrite) ||
      this.#holding.has(connection);
    if (!mustWait) return false;
    this.#held.push({ connection, reply, isAfterHeld: this.#holding.has(connection), serve });
    this.#holding.add(connection);
    return true;
  }

  /** Drops the held requests of a client that is gone: they are not executed. */
  forget(connection: PausedConnection): void {
    if (!this.#holding.delete(connection)) return;
    this.#held = this.#held.filter((request) => request.connection !== connection);
  }

  /** Waits until the pause is over. A long pause needs several timers: each has a maximum time. */
  #await(): void {
    this.#cancel?.();
    const leftMs = this.#untilMs - this.#clock.monotonicMs();
    this.#cancel = this.#clock.after(Math.min(leftMs, TIMER_MS_MAX), () => {
      if (this.#clock.monotonicMs() < this.#untilMs) this.#await();
      else this.end();
    });
  }
}

/** Maximum time in ms of a single timer. */
const TIMER_MS_MAX = 60 * 60 * 1000;
