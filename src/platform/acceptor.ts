import type net from "node:net";
import { cannotListen } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type Cancel, type Clock, noteSocketRead } from "./clock.ts";
import type { Address } from "./network.ts";
import {
  type ConnectionGate,
  listeningSocket,
  type ListenSocketOptions,
  type Socket,
} from "./sockets.ts";

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
    noteSocketRead();
    received(chunk);
    fairness.received(chunk.length, socket, isWanted);
  });
}

/** Interval in milliseconds between checks for free file descriptors. */
const LOOK_MS = 1_000;
/**
 * Maximum number of connections that wait to be accepted. The kernel lowers it to its own limit
 * (`net.core.somaxconn`). Deno 2.6 takes it for the number of connections that a server may accept in
 * its whole life.
 */
const BACKLOG = 2 ** 29;

export interface AcceptorOptions {
  readonly address: Address;
  readonly allowHalfOpen: boolean;
  /** Whether the limit of open files is reached; `null` disables the check. */
  readonly hasNoFreeDescriptors: (() => boolean) | null;
  /** Whether to check on each connection as well. That is affordable where connections are rare. */
  readonly checksEachConnection: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What a connection goes through first. It is closed with the acceptor. @default nothing */
  readonly gate?: ConnectionGate | null;
  /** Creates a server socket that does not listen yet. @default one of `node:net` */
  readonly createServer?: (options: ListenSocketOptions) => ServerSocket;
}

/** The part of `net.Server` that an acceptor needs. */
export interface ServerSocket {
  /** `null` unless the socket listens. */
  address(): net.AddressInfo | string | null;
  listen(options: Address & { readonly backlog: number }, listening: () => void): unknown;
  on(event: "connection", accepted: (socket: Socket) => void): unknown;
  on(event: "error", failed: (error: Error) => void): unknown;
  once(event: "error", failed: (error: Error) => void): unknown;
  removeAllListeners(event: "error"): unknown;
  close(): unknown;
}

/** A source of connections: the part of `net.Server` that is used here. */
export interface ConnectionSource {
  address(): { readonly port: number };
  on(event: "connection", accepted: (socket: Socket) => void): unknown;
  close(): unknown;
  /** @see Acceptor.suspect */
  suspect?(): void;
}

/**
 * Counts how often this process may have run out of descriptors, which may stop any of its
 * acceptors, in whichever thread.
 */
let suspicions = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** What another thread of this process passes to `shareSuspicion`. */
export function sharedSuspicion(): SharedArrayBuffer {
  return suspicions.buffer;
}

/**
 * Marks all acceptors of this process for reopening. Call it when descriptors have run out, or may
 * have for a moment since so many connections arrived at once.
 */
export function suspectAcceptors(): void {
  Atomics.add(suspicions, 0, 1);
}

/** Has this thread know what another one suspects. Call it before anything listens. */
export function shareSuspicion(shared: SharedArrayBuffer): void {
  suspicions = new Int32Array(shared);
}

/**
 * A listening socket that survives running out of file descriptors. When there are none left,
 * Deno's `node:net` stops accepting, reports nothing and never resumes. The acceptor notices that,
 * and reopens the listening socket once descriptors are free. Established connections stay open.
 */
export class Acceptor implements ConnectionSource {
  readonly #options: AcceptorOptions;
  /** The address of the first server. Later ones get the same. */
  readonly #address: net.AddressInfo;
  /** `null` while no server listens. */
  #server: ServerSocket | null = null;
  #cancelLook: Cancel | null = null;
  /** No server listens although one should. */
  #isDown = false;
  /** The suspicions after which the server was opened. */
  #suspicions = Atomics.load(suspicions, 0);
  #isReopening = false;
  /** Whether it was logged that nobody can connect, and not yet that connections are accepted. */
  #isOutOfDescriptors = false;
  #isClosed = false;
  #accepted: (socket: Socket) => void = (socket) => socket.destroy();
  readonly #pass = (socket: Socket) => {
    const { hasNoFreeDescriptors, checksEachConnection } = this.#options;
    if (checksEachConnection && hasNoFreeDescriptors?.() === true) this.suspect();
    const { gate } = this.#options;
    if (gate) gate.take(socket, (taken) => this.#handOver(taken));
    else this.#accepted(socket);
  };

  private constructor(server: ServerSocket, options: AcceptorOptions) {
    this.#options = options;
    this.#address = addressOf(server);
    this.#use(server);
    if (options.hasNoFreeDescriptors !== null) this.#lookLater();
  }

  /** @throws {UserError} when the address is not available */
  static async open(options: AcceptorOptions): Promise<Acceptor> {
    return new Acceptor(await listenAgain(options.address, options), options);
  }

  address(): net.AddressInfo {
    return this.#address;
  }

  on(_event: "connection", accepted: (socket: Socket) => void): void {
    this.#accepted = accepted;
  }

  /** @see suspectAcceptors */
  suspect(): void {
    suspectAcceptors();
  }

  /** Stops accepting. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelLook?.();
    this.#stopListening();
    this.#options.gate?.close();
  }

  /** @param socket went through the gate, perhaps after the acceptor was closed */
  #handOver(socket: Socket): void {
    if (this.#isClosed) socket.destroy();
    else this.#accepted(socket);
  }

  #use(server: ServerSocket): void {
    this.#server = server;
    server.on("connection", this.#pass);
  }

  #stopListening(): void {
    if (this.#server === null) return;
    closedMs.set(this.#address.port, this.#options.clock.monotonicMs());
    this.#server.close();
    this.#server = null;
  }

  #lookLater(): void {
    this.#cancelLook = this.#options.clock.after(LOOK_MS, () => {
      this.#look();
      if (!this.#isClosed) this.#lookLater();
    });
  }

  #look(): void {
    if (this.#isReopening) return;
    const { hasNoFreeDescriptors, logger } = this.#options;
    if (hasNoFreeDescriptors?.() === true) {
      if (!this.#isOutOfDescriptors) {
        logger.warn("out of file descriptors (ulimit -n): nobody can connect for now");
      }
      this.#isOutOfDescriptors = true;
      this.suspect();
    } else if (this.#isDown || this.#suspicions !== Atomics.load(suspicions, 0)) {
      this.#isDown = false;
      this.#suspicions = Atomics.load(suspicions, 0);
      this.#reopen();
    }
  }

  #reopen(): void {
    const { address, logger } = this.#options;
    this.#isReopening = true;
    this.#stopListening();
    listenAgain({ host: address.host, port: this.#address.port }, this.#options).then((server) => {
      this.#isReopening = false;
      this.#use(server);
      if (this.#isClosed) return this.#stopListening();
      if (!this.#isOutOfDescriptors) return;
      this.#isOutOfDescriptors = false;
      logger.info("file descriptors are free again: connections are accepted");
    }, (error) => {
      this.#isReopening = false;
      this.#isDown = true;
      if (!this.#isClosed) logger.warn(`${error.message}, trying again`);
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

/** @param server listens on a TCP port */
function addressOf(server: ServerSocket): net.AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") {
    throw new Error(`Cannot accept connections: current address is ${address}`);
  }
  return address;
}

/** Listens, and retries while this process itself held the port a moment ago. */
async function listenAgain(address: Address, options: AcceptorOptions): Promise<ServerSocket> {
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

function listen(address: Address, options: AcceptorOptions): Promise<ServerSocket> {
  return new Promise((resolve, reject) => {
    const { logger, createServer = listeningSocket } = options;
    const server = createServer(options);
    server.once("error", (error: Error) => reject(cannotListen(address, error)));
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => logger.warn(`accepting a connection: ${error.message}`));
      resolve(server);
    });
  });
}
