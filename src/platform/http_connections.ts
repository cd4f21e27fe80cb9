import type { Logger } from "../base/logger.ts";
import type { Clock } from "./clock.ts";

/**
 * Maximum number of connections beyond the limit that are open until their request has been
 * refused. More are closed at once.
 */
const REFUSED_MAX = 8;
/** Minimum time in milliseconds between two lines in the log about the limit. */
const WARN_MS = 60_000;

/** A connection that can be ended. */
export interface Endable {
  destroy(): void;
}

export interface HttpConnectionsOptions {
  readonly connectionsMax: number;
  /** What sets it, for the log. */
  readonly connectionsFlag: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The connections of an HTTP server, kept to a number. At the limit, a new connection takes the
 * place of the one that has been without a request for longest. If all have one, it is refused.
 */
export class HttpConnections {
  readonly #options: HttpConnectionsOptions;
  readonly #served = new Set<Endable>();
  /** Those without a request, longest first. */
  readonly #idle = new Set<Endable>();
  readonly #refused = new Set<Endable>();
  #warnedMs = -Infinity;

  constructor(options: HttpConnectionsOptions) {
    this.#options = options;
  }

  /** Number of connections that are served. */
  get count(): number {
    return this.#served.size;
  }

  /** Finds a place for a connection: its requests are to be served or refused, or it be closed. */
  accepted(connection: Endable): "served" | "refused" | "closed" {
    if (this.#served.size >= this.#options.connectionsMax && !this.#makeRoom()) {
      return this.#refuse(connection);
    }
    this.#served.add(connection);
    this.#idle.add(connection);
    return "served";
  }

  /** Notes the begin of a request. */
  begin(connection: Endable): void {
    this.#idle.delete(connection);
  }

  /** Notes that a request is answered. */
  end(connection: Endable): void {
    if (this.#served.has(connection)) this.#idle.add(connection);
  }

  /** Notes that a connection has ended. */
  remove(connection: Endable): void {
    this.#served.delete(connection);
    this.#idle.delete(connection);
    this.#refused.delete(connection);
  }

  #makeRoom(): boolean {
    const [longest] = this.#idle;
    if (longest === undefined) return false;
    this.remove(longest);
    longest.destroy();
    return true;
  }

  #refuse(connection: Endable): "refused" | "closed" {
    const { connectionsMax, connectionsFlag, clock, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#warnedMs >= WARN_MS) {
      this.#warnedMs = nowMs;
      logger.warn(
        `refuses connections for HTTP: all ${connectionsMax} have requests (${connectionsFlag})`,
      );
    }
    if (this.#refused.size >= REFUSED_MAX) return "closed";
    this.#refused.add(connection);
    return "refused";
  }
}
