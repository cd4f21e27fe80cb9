import type { Cancel, Clock } from "../platform/clock.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

/** What `CLIENT PAUSE` holds: all requests, or writes and what follows them. */
export type PauseMode = "all" | "write";

interface HeldRequest {
  readonly connection: Connection;
  readonly reply: PendingReply;
  /** Serves the request as if it had just been read. */
  readonly serve: () => void;
}

/**
 * `CLIENT PAUSE` of one process: requests of all its clients are held until the time is up or a
 * client ends it, and are then served in the order in which they came. How many a client may have
 * waiting is bounded, as always, by what its connection reads ahead.
 */
export class ClientPause {
  readonly #clock: Clock;
  #mode: PauseMode | null = null;
  #untilMs = -Infinity;
  #cancel: Cancel | null = null;
  #held: HeldRequest[] = [];
  /** Whose requests are held: what they send next must not overtake. */
  readonly #holding = new Set<Connection>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOn(): boolean {
    return this.#mode !== null;
  }

  /** As in Redis, a second pause makes the first one longer and stricter, never the opposite. */
  begin(mode: PauseMode, durationMs: number): void {
    if (this.#mode !== "all") this.#mode = mode;
    this.#untilMs = Math.max(this.#untilMs, this.#clock.monotonicMs() + durationMs);
    this.#await();
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#mode = null;
    this.#untilMs = -Infinity;
    const held = this.#held;
    this.#held = [];
    this.#holding.clear();
    for (const { connection, reply, serve } of held) {
      if (connection.isClosed) continue;
      connection.prepare(reply);
      serve();
    }
  }

  /** Keeps a request for later, if it has to wait. @returns whether it does */
  holds(
    connection: Connection,
    reply: PendingReply,
    isWrite: boolean,
    serve: () => void,
  ): boolean {
    const mustWait = this.#mode === "all" || (this.#mode === "write" && isWrite) ||
      this.#holding.has(connection);
    if (!mustWait) return false;
    this.#held.push({ connection, reply, serve });
    this.#holding.add(connection);
    return true;
  }

  /** Nobody waits any more for what this client asked: it is not carried out. */
  forget(connection: Connection): void {
    if (!this.#holding.delete(connection)) return;
    this.#held = this.#held.filter((request) => request.connection !== connection);
  }

  /** Timers have a longest time; a pause has not. */
  #await(): void {
    this.#cancel?.();
    const leftMs = this.#untilMs - this.#clock.monotonicMs();
    this.#cancel = this.#clock.after(Math.min(leftMs, TIMER_MS_MAX), () => {
      if (this.#clock.monotonicMs() < this.#untilMs) this.#await();
      else this.end();
    });
  }
}

const TIMER_MS_MAX = 60 * 60 * 1000;
