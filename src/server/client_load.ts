import type { Cancel, Clock } from "../platform/clock.ts";

/** So much each client may have under way, however much the others have. */
const FREE_BYTES = 16 * 1024;
/** How long a client may take to finish its request while others wait for that. */
const TURN_MS_MAX = 10_000;

/** A client's connection, as far as it is read on or not. */
export interface LoadingClient {
  /** Bytes of replies that it has not taken. */
  readonly waitingBytes: number;
  /** Reads on. */
  goOn(): void;
  /** Ends it. */
  cutOff(reason: string): void;
}

export interface ClientLoadOptions {
  readonly clock: Clock;
  /** Bytes of requests of all clients. */
  readonly requestBytesMax: number;
  /** Bytes of replies of all clients. */
  readonly outputBytesMax: number;
  /** Whatever the numbers say, no more can be taken for now. */
  readonly isFull: () => boolean;
}

/**
 * What all clients of a process have under way together. When there is too much of it, those with
 * more than a little are not read any further, until others are answered: then they are, in the order
 * in which they stopped.
 */
export class ClientLoad {
  /** Of requests that are whole and not answered. */
  unansweredBytes = 0;
  /** Of requests that have not arrived whole, and of what stands behind others. */
  partialBytes = 0;
  /** Of replies that wait for their readers. */
  outputBytes = 0;
  readonly #options: ClientLoadOptions;
  readonly #waiting = new Set<LoadingClient>();
  /** Reads on though there is too much, since nothing else would ever become less. */
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

  /** Whether a client that has so many bytes under way has to wait before it is read on. */
  mustWait(client: LoadingClient, bytes: number): boolean {
    return bytes >= FREE_BYTES && client !== this.#turn && this.#isFull;
  }

  isWaiting(client: LoadingClient): boolean {
    return this.#waiting.has(client);
  }

  /** The client is not read any further until `goOn`. */
  wait(client: LoadingClient): void {
    this.#waiting.add(client);
    this.wakeLater();
  }

  /** Something has become less, perhaps. */
  wakeLater(): void {
    if (this.#waiting.size === 0 || this.#isWaking) return;
    this.#isWaking = true;
    this.#options.clock.after(0, () => {
      this.#isWaking = false;
      this.#wake();
    });
  }

  /** The client has finished a request. */
  noteFinished(client: LoadingClient): void {
    if (client === this.#turn) this.#endTurn();
  }

  forget(client: LoadingClient): void {
    this.#waiting.delete(client);
    this.noteFinished(client);
    this.wakeLater();
  }

  /** Replies are waiting: who has the most of them goes, if it is too much for all together. */
  checkOutput(clients: Iterable<LoadingClient>): void {
    if (this.outputBytes <= this.#options.outputBytesMax) return;
    let greediest: LoadingClient | null = null;
    for (const client of clients) {
      if (greediest === null || client.waitingBytes > greediest.waitingBytes) greediest = client;
    }
    greediest?.cutOff("has the most unread replies of all clients (--all-output-bytes-max)");
  }

  #wake(): void {
    // Each of them once: who has to wait again stands behind the others.
    for (let left = this.#waiting.size; left > 0; left--) {
      const isFull = this.#isFull;
      if (isFull && !this.#mayTakeTurn) return;
      const [client] = this.#waiting;
      if (client === undefined) return;
      this.#waiting.delete(client);
      if (isFull) this.#beginTurn(client);
      client.goOn();
    }
  }

  /** Nothing that will be answered holds the others up, only what has not arrived. */
  get #mayTakeTurn(): boolean {
    return this.#turn === null && !this.#options.isFull() &&
      this.unansweredBytes < this.#options.requestBytesMax / 2;
  }

  #beginTurn(client: LoadingClient): void {
    this.#turn = client;
    this.#cancelTurn = this.#options.clock.after(TURN_MS_MAX, () => {
      client.cutOff("does not finish its request while others wait (--in-flight-bytes-max)");
    });
  }

  #endTurn(): void {
    this.#turn = null;
    this.#cancelTurn?.();
    this.#cancelTurn = null;
    this.wakeLater();
  }
}

/** Requests from this size on keep the event loop busy for long when they are read and carried out. */
const LARGE_BYTES = 2 * 1024 * 1024;

/** What a size belongs to: a client whose request is arriving, or the reply that a request waits for. */
type Owner = object | { readonly connection: object };

/**
 * The large requests of all clients, each from shortly before it has arrived until it is answered.
 * Whoever has to be told before the event loop stands still is told of the largest.
 */
export class LargeRequests {
  readonly #sizes = new Map<Owner, number>();
  readonly #changed: (largestBytes: number) => void;
  #largest = 0;

  /** @param changed gets the size of the largest; 0: there is none */
  constructor(changed: (largestBytes: number) => void) {
    this.#changed = changed;
  }

  /** @param bytes 0: it is over */
  note(owner: Owner, bytes: number): void {
    if (bytes >= LARGE_BYTES) this.#sizes.set(owner, bytes);
    else if (this.#sizes.size === 0 || !this.#sizes.delete(owner)) return;
    this.#report();
  }

  /** Nobody waits any more for what this client sent. */
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
