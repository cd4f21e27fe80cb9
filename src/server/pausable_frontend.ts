import type { Arguments } from "../base/byte_string.ts";
import type { Faults } from "../faults/faults.ts";
import type { Connection } from "./connection.ts";
import type { RequestHandler } from "./listener.ts";
import type { PendingReply } from "./pending_reply.ts";

interface HeldRequest {
  readonly args: Arguments;
  readonly reply: PendingReply;
}

/** The listener, as far as it can be silenced. */
export interface SilentListener {
  silence(isSilent: boolean): void;
}

/**
 * Wraps the frontend of a node that can be made to look stopped (`FAULT PAUSE`). During the pause,
 * requests are held, as the kernel holds them for a stopped process, and nothing is sent. `FAULT`
 * itself is executed and answered.
 */
export class PausableFrontend implements RequestHandler {
  readonly #frontend: RequestHandler;
  readonly #faults: Faults;
  readonly #listener: () => SilentListener;
  #held = new Map<Connection, HeldRequest[]>();
  #isPaused = false;

  /** @param listener is called only once there is a fault, so that it may be created later */
  constructor(frontend: RequestHandler, faults: Faults, listener: () => SilentListener) {
    this.#frontend = frontend;
    this.#faults = faults;
    this.#listener = listener;
    faults.watch(() => this.#check());
  }

  handle(connection: Connection, args: Arguments, reply: PendingReply): void {
    const [name] = args;
    const isFault = typeof name === "string" && name.toLowerCase() === "fault";
    if (isFault) connection.ignoresSilence = true;
    if (this.#isPaused && !isFault) this.#hold(connection, { args, reply });
    else this.#frontend.handle(connection, args, reply);
  }

  noteLargest(bytes: number): void {
    this.#frontend.noteLargest?.(bytes);
  }

  /** Drops the held requests of a client that is gone: they are not executed. */
  forget(connection: Connection): void {
    this.#held.delete(connection);
    this.#frontend.forget(connection);
  }

  #hold(connection: Connection, request: HeldRequest): void {
    const held = this.#held.get(connection);
    if (held === undefined) this.#held.set(connection, [request]);
    else held.push(request);
  }

  #check(): void {
    if (this.#isPaused === this.#faults.isPaused) return;
    this.#isPaused = this.#faults.isPaused;
    this.#listener().silence(this.#isPaused);
    if (this.#isPaused) return;
    const held = this.#held;
    this.#held = new Map();
    for (const [connection, requests] of held) {
      for (const [at, { args, reply }] of requests.entries()) {
        if (connection.isClosed) break; // an earlier request may have ended it
        // The first one was prepared on arrival. Its `CLIENT REPLY SKIP` is used up.
        if (at > 0) connection.prepare(reply);
        reply.guard(() => this.#frontend.handle(connection, args, reply));
      }
    }
  }
}
