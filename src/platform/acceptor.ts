import net from "node:net";
import { cannotListen } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "./clock.ts";
import type { Address } from "./network.ts";

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

/** How often it is looked at whether there are file descriptors. */
const LOOK_MS = 1_000;
const BACKLOG = 1024;

export interface AcceptorOptions {
  readonly address: Address;
  readonly allowHalfOpen: boolean;
  /** Whether no file can be opened any more; `null`: that is not looked at. */
  readonly areDescriptorsOut: (() => boolean) | null;
  /** Whether that is looked at with each connection as well, where few come. */
  readonly looksEachTime: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Where connections come from, as `net.Server` has it. */
export interface ConnectionSource {
  address(): net.AddressInfo | string | null;
  on(event: "connection", accepted: (socket: net.Socket) => void): unknown;
  close(): unknown;
  /** @see Acceptor.suspect */
  suspect?(): void;
}

/** Of this process: a want of descriptors strikes whichever is to accept next. */
const acceptors = new Set<Acceptor>();

/**
 * A listening socket that survives a want of file descriptors. When there are none, the `node:net`
 * of Deno stops to accept, tells nobody, and does not begin again. So it is noticed here, and when
 * some are free the socket is opened anew; the connections stay.
 */
export class Acceptor implements ConnectionSource {
  readonly #options: AcceptorOptions;
  #server: net.Server;
  #cancelLook: Cancel | null = null;
  /** It may have stopped to accept. */
  #isSuspect = false;
  #areOut = false;
  #isClosed = false;
  #accepted: (socket: net.Socket) => void = (socket) => socket.destroy();
  readonly #pass = (socket: net.Socket) => {
    const { areDescriptorsOut, looksEachTime } = this.#options;
    if (looksEachTime && areDescriptorsOut?.() === true) this.suspect();
    this.#accepted(socket);
  };

  private constructor(server: net.Server, options: AcceptorOptions) {
    this.#server = server;
    this.#options = options;
    acceptors.add(this);
    server.on("connection", this.#pass);
    if (options.areDescriptorsOut !== null) this.#lookLater();
  }

  /** @throws {UserError} when the address cannot be listened on */
  static async open(options: AcceptorOptions): Promise<Acceptor> {
    return new Acceptor(await listenAgain(options.address, options), options);
  }

  address(): net.AddressInfo {
    return this.#server.address() as net.AddressInfo;
  }

  on(_event: "connection", accepted: (socket: net.Socket) => void): void {
    this.#accepted = accepted;
  }

  /**
   * So many connections came at once that the descriptors may have been out for a moment: any port of
   * this process may have stopped to accept.
   */
  suspect(): void {
    for (const acceptor of acceptors) acceptor.#isSuspect = true;
  }

  /** Accepts no more. */
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
    const { areDescriptorsOut, logger } = this.#options;
    const wereOut = this.#areOut;
    this.#areOut = areDescriptorsOut?.() ?? false;
    if (this.#areOut) {
      if (!wereOut) logger.warn("out of file descriptors (ulimit -n): nobody can connect for now");
      this.suspect();
    } else if (this.#isSuspect) {
      this.#isSuspect = false;
      this.#reopen(wereOut);
    }
  }

  #reopen(isTold: boolean): void {
    const { address, logger } = this.#options;
    const { port } = this.address();
    noteClosed(this.address(), this.#options);
    this.#server.close();
    listenAgain({ host: address.host, port }, this.#options).then((server) => {
      this.#server = server;
      server.on("connection", this.#pass);
      if (this.#isClosed) server.close();
      else if (isTold) logger.info("file descriptors are free again: connections are accepted");
    }, (error) => {
      logger.warn(`${error.message}, trying again`);
      this.#isSuspect = true;
    });
  }
}

/** When this process closed a listening socket last, by its port. */
const closedMs = new Map<number, number>();
/** A socket that was closed may hold its port until the runtime has come round to it. */
const CLOSING_MS_MAX = 2_000;
const TRY_AGAIN_MS = 10;

/** @param address `null` where it was not listening any more */
function noteClosed(address: net.AddressInfo | null, { clock }: AcceptorOptions): void {
  if (address !== null) closedMs.set(address.port, clock.monotonicMs());
}

/** Listens, and tries again where it was this process that had the port a moment ago. */
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
    const { allowHalfOpen, logger } = options;
    const server = net.createServer({ noDelay: true, allowHalfOpen });
    server.once("error", (error: Error) => reject(cannotListen(address, error)));
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => logger.warn(`accepting a connection: ${error.message}`));
      resolve(server);
    });
  });
}
