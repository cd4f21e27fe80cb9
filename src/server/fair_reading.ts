import type net from "node:net";

/** Above so much, what arrives in one turn of the event loop may be a flood. */
const WATCHED_BYTES = 64 * 1024;
/** What all sockets together may deliver in one turn. */
const TURN_BYTES_MAX = 256 * 1024;

/** A socket as far as its reading can be interrupted. */
export interface PausableSocket {
  pause(): unknown;
  resume(): unknown;
}

/**
 * Sees to it that every socket gets its turn. In Deno 2.9 a socket that always has more to read is
 * read again and again, 2 MiB at a time, while the others wait for as long as it lasts: seconds have
 * been measured, in which a node that is well seems dead. So after a fair share of bytes, whoever
 * delivers more pauses until the event loop has looked at all sockets.
 */
export class FairReading {
  readonly #later: (run: () => void) => unknown;
  readonly #paused = new Map<PausableSocket, () => boolean>();
  #bytes = 0;
  #isWatched = false;

  /** @param later runs a function in the next turn of the event loop */
  constructor(later: (run: () => void) => unknown) {
    this.#later = later;
  }

  /**
   * A socket has delivered so many bytes.
   *
   * @param isWanted whether its owner, too, wants it to be read on when its turn comes again
   */
  received(bytes: number, socket: PausableSocket, isWanted: () => boolean): void {
    this.#bytes += bytes;
    if (this.#bytes < WATCHED_BYTES) return;
    if (this.#bytes < TURN_BYTES_MAX) return this.#watch();
    socket.pause();
    this.#paused.set(socket, isWanted);
    // The next turn may begin with the timers, before any socket has been looked at.
    if (this.#paused.size === 1) this.#later(() => this.#later(() => this.#goOn()));
  }

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#later(() => {
      this.#isWatched = false;
      if (this.#paused.size === 0) this.#bytes = 0;
    });
  }

  #goOn(): void {
    this.#bytes = 0;
    const paused = [...this.#paused];
    this.#paused.clear();
    for (const [socket, isWanted] of paused) if (isWanted()) socket.resume();
  }
}

/**
 * Hands over what a socket receives, as `socket.on("data")` does, and lets the other sockets have
 * their turn.
 *
 * @param fairness among which sockets
 * @param isWanted false while the owner itself has paused the socket
 */
export function readFairly(
  socket: net.Socket,
  received: (chunk: Uint8Array) => void,
  fairness: FairReading,
  isWanted: () => boolean = () => true,
): void {
  socket.on("data", (chunk: Uint8Array) => {
    received(chunk);
    fairness.received(chunk.length, socket, isWanted);
  });
}
