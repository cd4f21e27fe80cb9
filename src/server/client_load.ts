import type { Cancel, Clock } from "../platform/clock.ts";

/** Bytes of requests in flight below which a client is read however many the others have. */
const FREE_BYTES = 16 * 1024;
/** How long in ms a client may take to finish its request while others wait for it. */
const TURN_MS_MAX = 10_000;

/** A client's connection, as far as the load decides whether it is read. */
export interface LoadingClient {
  /** Bytes of replies that it has not taken. */
  readonly waitingBytes: number;
  /** Resumes reading. */
  resume(): void;
  /** Disconnects the client. */
  disconnect(reason: string): void;
}

export interface ClientLoadOptions {
  readonly clock: Clock;
  /** Maximum bytes of requests of all clients. */
  readonly requestBytesMax: number;
  /** Maximum bytes of replies of all clients. */
  readonly outputBytesMax: number;
  /** Whether no further request is accepted for now, whatever the numbers are. */
  readonly isFull: () => boolean;
}

/**
 * Back-pressure of all clients of a process together: counts the bytes of their requests in flight
 * and of their unread replies. When the requests exceed their bound, clients with more than a few
 * bytes in flight are not read until others are answered. They resume in the order in which they
 * stopped.
 */
export class ClientLoad {
  /** Bytes of complete requests that are not answered. */
  unansweredBytes = 0;
  /** Bytes received and not decoded yet: of incomplete requests, and of complete ones that wait. */
  partialBytes = 0;
  /** Bytes of replies that clients have not taken. */
  outputBytes = 0;
  readonly #options: ClientLoadOptions;
  readonly #waiting = new Set<LoadingClient>();
  /**
   * The client that is read although the bound is exceeded, since otherwise nothing would proceed.
   */
  #turn: LoadingClient | null = null;
  #cancelTurn: Cancel | null = null;
  #isWaking = false;

  constructor(options: ClientLoadOptions) {
    this.#options = options;
  }

  get #isFull(): boolean {
    const { requestBytesMax, isFull } = this.#options;
    return this.unansweredBytes + this.partialBytes >= requestBytesMax || isFull();
  }

  /** Whether a client with this many bytes in flight has to wait before it is read. */
  mustWait(client: LoadingClient, bytes: number): boolean {
    return bytes >= FREE_BYTES && client !== this.#turn && this.#isFull;
  }

  isWaiting(client: LoadingClient): boolean {
    return this.#waiting.has(client);
  }

  /** Queues a client that is not read until its `resume` is called. */
  wait(client: LoadingClient): void {
    this.#waiting.add(client);
    this.wakeLater();
  }

  /** Resumes clients after this turn, as far as there is room. */
  wakeLater(): void {
    if (this.#waiting.size === 0 || this.#isWaking) return;
    this.#isWaking = true;
    this.#options.clock.after(0, () => {
      this.#isWaking = false;
      this.#wake();
    });
  }

  /** Notes that the client has sent a complete request. */
  noteFinished(client: LoadingClient): void {
    if (client === this.#turn) this.#endTurn();
  }

  forget(client: LoadingClient): void {
    this.#waiting.delete(client);
    this.noteFinished(client);
    this.wakeLater();
  }

  /** Disconnects the client with the most unread replies if all together exceed their bound. */
  checkOutput(clients: Iterable<LoadingClient>): void {
    if (this.outputBytes <= this.#options.outputBytesMax) return;
    let greediest: LoadingClient | null = null;
    for (const client of clients) {
      if (greediest === null || client.waitingBytes > greediest.waitingBytes) greediest = client;
    }
    greediest?.disconnect("has the most unread replies of all clients (--all-output-bytes-max)");
  }

  #wake(): void {
    // Each client is tried once: one that has to wait again is queued after the others.
    for (let left = this.#waiting.size; left > 0; left--) {
      const isFull = this.#isFull;
      if (isFull && !this.#mayTakeTurn) return;
      const [client] = this.#waiting;
      if (client === undefined) return;
      this.#waiting.delete(client);
      if (isFull) this.#beginTurn(client);
      client.resume();
    }
  }

  /**
   * Whether mostly incomplete requests fill the bound, so that one client must finish its own.
   */
  get #mayTakeTurn(): boolean {
    return this.#turn === null && !this.#options.isFull() &&
      this.unansweredBytes < this.#options.requestBytesMax / 2;
  }

  #beginTurn(client: LoadingClient): void {
    this.#turn = client;
    this.#cancelTurn = this.#options.clock.after(TURN_MS_MAX, () => {
      client.disconnect("does not finish its request while others wait (--in-flight-bytes-max)");
    });
  }

  #endTurn(): void {
    this.#turn = null;
    this.#cancelTurn?.();
    this.#cancelTurn = null;
    this.wakeLater();
  }
}

/** Bytes from which on reading and executing a request keeps the event loop busy for long. */
const LARGE_BYTES = 2 * 1024 * 1024;

/**
 * What a size belongs to: a client whose request is arriving, or the reply of a complete request.
 */
type Owner = object | { readonly connection: object };

/**
 * The large requests of all clients, each from shortly before it is complete until it is answered.
 * Reports the largest before the event loop is busy with it.
 */
export class LargeRequests {
  readonly #sizes = new Map<Owner, number>();
  readonly #changed: (largestBytes: number) => void;
  #largest = 0;

  /** @param changed gets the bytes of the largest; 0 when there is none */
  constructor(changed: (largestBytes: number) => void) {
    this.#changed = changed;
  }

  /** @param bytes size of the request; 0 when it is answered */
  note(owner: Owner, bytes: number): void {
    if (bytes >= LARGE_BYTES) this.#sizes.set(owner, bytes);
    else if (this.#sizes.size === 0 || !this.#sizes.delete(owner)) return;
    this.#report();
  }

  /** Drops all sizes of a client that is gone. */
  forget(connection: object): void {
    if (this.#sizes.size === 0) return;
    for (const owner of this.#sizes.keys()) {
      const isOfClient = "connection" in owner && owner.connection === connection;
      if (owner === connection || isOfClient) this.#sizes.delete(owner);
    }
    this.#report();
  }

  #report(): void {
    const largest = Math.max(0, ...this.#sizes.values());
    if (largest === this.#largest) return;
    this.#largest = largest;
    this.#changed(largest);
  }
}
