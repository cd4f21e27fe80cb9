import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";

/** The connection of a request that is held. */
export type HeldConnection = Pick<Connection, "isClosed" | "prepare" | "account">;

interface HeldRequest {
  readonly reply: PendingReply;
  /** Serves the request as if it had just been read. */
  readonly serve: () => void;
}

/** What a connection waits for: a number of things, and the requests that came meanwhile. */
interface Wait {
  reasons: number;
  readonly held: HeldRequest[];
}

/**
 * Holds the requests of connections whose last one is not decided yet: a log-in, or a change that
 * later requests must see. They are bounded by what a connection reads ahead.
 */
export class RequestHold {
  readonly #waits = new Map<HeldConnection, Wait>();

  /** Whether any connection's requests are held: read with each request, so that it is a field. */
  isAny = false;

  /** Holds the requests of a connection that come from now on, until as many calls of `end`. */
  begin(connection: HeldConnection): void {
    const wait = this.#waits.get(connection);
    if (wait === undefined) this.#waits.set(connection, { reasons: 1, held: [] });
    else wait.reasons++;
    this.isAny = true;
  }

  /** Holds the request if it has to wait. @returns whether it does */
  holds(connection: HeldConnection, reply: PendingReply, serve: () => void): boolean {
    const wait = this.#waits.get(connection);
    if (wait === undefined) return false;
    wait.held.push({ reply, serve });
    return true;
  }

  /** Serves what was held, up to a request that begins to hold the next ones. */
  end(connection: HeldConnection): void {
    const wait = this.#waits.get(connection);
    if (wait === undefined || --wait.reasons > 0) return;
    this.forget(connection);
    for (const [at, { reply, serve }] of wait.held.entries()) {
      if (connection.isClosed) return;
      if (connection.account.isDeleted) return drop(wait.held.slice(at));
      // The request before it may have changed protocol and muting.
      connection.prepare(reply);
      reply.guard(serve);
      const next = this.#waits.get(connection);
      if (next === undefined) continue;
      next.held.push(...wait.held.slice(at + 1));
      return;
    }
  }

  /** Drops the held requests of a client that is gone: they are not executed. */
  forget(connection: HeldConnection): void {
    this.#waits.delete(connection);
    this.isAny = this.#waits.size > 0;
  }
}

/** The connection ends, and does not wait for these replies. */
function drop(held: readonly HeldRequest[]): void {
  for (const { reply } of held) {
    reply.isMuted = true;
    reply.settle(null);
  }
}
