import type net from "node:net";
import { cannotListen } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "./clock.ts";
import type { Address } from "./network.ts";
import { listeningSocket, type Socket } from "./sockets.ts";

/**
 * Bytes received at which the count is reset in the next turn of the event loop. Fewer need no
 * timer.
 */
const WATCHED_BYTES = 64 * 1024;
/** Maximum number of bytes that all sockets together deliver in one turn of the event loop. */
const TURN_BYTES_MAX = 256 * 1024;

/** The part of a socket that `FairReading` needs. */
export interface PausableSocket {
  pause(): unknown;
  resume(): unknown;
}

/**
 * Gives every socket its turn. Deno 2.9 reads a socket that always has more data again and again, 2
 * MiB at a time, and all other sockets wait. Waits of seconds were measured, long enough to make a
 * healthy node look dead. So once the sockets together have delivered `TURN_BYTES_MAX`, each socket
 * that delivers more pauses until the event loop has polled all of them.
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
   * Counts bytes that a socket delivered, and pauses the socket if the limit of the turn is
   * reached.
   *
   * @param isWanted whether the owner still wants to read when the socket's turn comes again
   */
  received(bytes: number, socket: PausableSocket, isWanted: () => boolean): void {
    this.#bytes += bytes;
    if (this.#bytes < WATCHED_BYTES) return;
    if (this.#bytes < TURN_BYTES_MAX) return this.#watch();
    socket.pause();
    this.#paused.set(socket, isWanted);
    // The next turn may start with the timers, before it polls any socket. So wait for two turns.
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
 * Hands over what a socket receives, as `socket.on("data")` does, without starving other sockets.
 *
 * @param fairness the group of sockets that take turns
 * @param isWanted false while the owner itself has paused the socket
 */
export function readFairly(
  socket: Socket,
  received: (chunk: Uint8Array) => void,
  fairness: FairReading,
  isWanted: () => boolean = () => true,
): void {
  socket.on("data", (chunk: Uint8Array) => {
    received(chunk);
    fairness.received(chunk.length, socket, isWanted);
  });
}

/** Interval in milliseconds between checks for free file descriptors. */
const LOOK_MS = 1_000;
/** Maximum number of connections that the kernel queues until they are accepted. */
const BACKLOG = 1024;

export interface AcceptorOptions {
  readonly address: Address;
  readonly allowHalfOpen: boolean;
  /** Whether the limit of open files is reached; `null` disables the check. */
  readonly hasNoFreeDescriptors: (() => boolean) | null;
  /** Whether to check on each connection as well. That is affordable where connections are rare. */
  readonly checksEachConnection: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A source of connections: the part of `net.Server` that is used here. */
export interface ConnectionSource {
  address(): { readonly port: number };
  on(event: "connection", accepted: (socket: Socket) => void): unknown;
  close(): unknown;
  /** @see Acceptor.suspect */
  suspect?(): void;
}

/** All acceptors of this process. Running out of descriptors may stop any of them. */
const acceptors = new Set<Acceptor>();

/**
 * A listening socket that survives running out of file descriptors. When there are none left,
 * Deno's `node:net` stops accepting, reports nothing and never resumes. The acceptor notices that,
 * and reopens the listening socket once descriptors are free. Established connections stay open.
 */
export class Acceptor implements ConnectionSource {
  readonly #options: AcceptorOptions;
  #server: net.Server;
  #cancelLook: Cancel | null = null;
  /** The server may have stopped accepting. */
  #isSuspect = false;
  #isOutOfDescriptors = false;
  #isClosed = false;
  #accepted: (socket: Socket) => void = (socket) => socket.destroy();
  readonly #pass = (socket: Socket) => {
    const { hasNoFreeDescriptors, checksEachConnection } = this.#options;
    if (checksEachConnection && hasNoFreeDescriptors?.() === true) this.suspect();
    this.#accepted(socket);
  };

  private constructor(server: net.Server, options: AcceptorOptions) {
    this.#server = server;
    this.#options = options;
    acceptors.add(this);
    server.on("connection", this.#pass);
    if (options.hasNoFreeDescriptors !== null) this.#lookLater();
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: AcceptorOptions): Promise<Acceptor> {
    return new Acceptor(await listenAgain(options.address, options), options);
  }

  address(): net.AddressInfo {
    return this.#server.address() as net.AddressInfo;
  }

  on(_event: "connection", accepted: (socket: Socket) => void): void {
    this.#accepted = accepted;
  }

  /**
   * Marks all acceptors of this process for reopening. Call it when so many connections arrived at
   * once that descriptors may have run out for a moment.
   */
  suspect(): void {
    for (const acceptor of acceptors) acceptor.#isSuspect = true;
  }

  /** Stops accepting. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    acceptors.delete(this);
    this.#cancelLook?.();
    noteClosed(this.address(), this.#options);
    this.#server.close();
  }

  #lookLater(): void {
    this.#cancelLook = this.#options.clock.after(LOOK_MS, () => {
      this.#look();
      if (!this.#isClosed) this.#lookLater();
    });
  }

  #look(): void {
    const { hasNoFreeDescriptors, logger } = this.#options;
    const wasOut = this.#isOutOfDescriptors;
    this.#isOutOfDescriptors = hasNoFreeDescriptors?.() ?? false;
    if (this.#isOutOfDescriptors) {
      if (!wasOut) logger.warn("out of file descriptors (ulimit -n): nobody can connect for now");
      this.suspect();
    } else if (this.#isSuspect) {
      this.#isSuspect = false;
      this.#reopen(wasOut);
    }
  }

  #reopen(isLogged: boolean): void {
    const { address, logger } = this.#options;
    const { port } = this.address();
    noteClosed(this.address(), this.#options);
    this.#server.close();
    listenAgain({ host: address.host, port }, this.#options).then((server) => {
      this.#server = server;
      server.on("connection", this.#pass);
      if (this.#isClosed) server.close();
      else if (isLogged) logger.info("file descriptors are free again: connections are accepted");
    }, (error) => {
      logger.warn(`${error.message}, trying again`);
      this.#isSuspect = true;
    });
  }
}

/** By port: when this process last closed a listening socket, in monotonic milliseconds. */
const closedMs = new Map<number, number>();
/**
 * A closed socket may hold its port for this many milliseconds, until the runtime has released it.
 */
const CLOSING_MS_MAX = 2_000;
/** Interval in milliseconds between attempts to listen. */
const TRY_AGAIN_MS = 10;

/** @param address `null` when the server was no longer listening */
function noteClosed(address: net.AddressInfo | null, { clock }: AcceptorOptions): void {
  if (address !== null) closedMs.set(address.port, clock.monotonicMs());
}

/** Listens, and retries while this process itself held the port a moment ago. */
async function listenAgain(address: Address, options: AcceptorOptions): Promise<net.Server> {
  const { clock } = options;
  for (;;) {
    try {
      return await listen(address, options);
    } catch (error) {
      const isOver = clock.monotonicMs() - (closedMs.get(address.port) ?? -Infinity) >
        CLOSING_MS_MAX;
      if (isOver) throw error;
      await new Promise<void>((resolve) => clock.after(TRY_AGAIN_MS, resolve));
    }
  }
}

function listen(address: Address, options: AcceptorOptions): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const { logger } = options;
    const server = listeningSocket(options);
    server.once("error", (error: Error) => reject(cannotListen(address, error)));
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => logger.warn(`accepting a connection: ${error.message}`));
      resolve(server);
    });
  });
}
