import type { ByteString } from "../base/byte_string.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Socket } from "../platform/sockets.ts";

/** A client that has too much to read and takes nothing for so long is cut off. */
const STALL_MS = 5_000;

/** With so many times too much, a client is cut off even while it reads. */
const HARD_FACTOR = 4;

export interface SlowReaderOptions {
  readonly clock: Clock;
  readonly outputBytesMax: number;
  /** Bytes of replies that the client has not taken. */
  readonly waitingBytes: () => number;
  /** So many of them may wait now. */
  readonly waitingBytesMax: () => number;
  readonly cutOff: () => void;
}

/**
 * Bounds what a client can make us hold by not reading: tells one that reads slowly, and is waited
 * for, from one that does not read at all.
 */
export class SlowReader {
  readonly #options: SlowReaderOptions;
  /** How often the client has taken all that its socket held. */
  #drains = 0;
  #cancel: Cancel | null = null;

  constructor(options: SlowReaderOptions) {
    this.#options = options;
  }

  /** The client has taken all that its socket held. */
  drained(): void {
    this.#drains++;
  }

  /** More waits for the client, or it has taken some. */
  check(): void {
    const { outputBytesMax, waitingBytes, cutOff } = this.#options;
    if (waitingBytes() > HARD_FACTOR * outputBytesMax) cutOff();
    else if (this.#cancel === null && this.#isBehind) this.#watch();
  }

  get #isBehind(): boolean {
    const { waitingBytes, waitingBytesMax } = this.#options;
    return waitingBytes() > waitingBytesMax();
  }

  /** Looks again and again for as long as the client is behind. */
  #watch(): void {
    const { clock, cutOff } = this.#options;
    const drains = this.#drains;
    this.#cancel = clock.after(STALL_MS, () => {
      this.#cancel = null;
      if (!this.#isBehind) return;
      if (this.#drains === drains) cutOff();
      else this.#watch();
    });
  }

  stop(): void {
    this.#cancel?.();
  }
}

/** What the socket holds at most. The rest waits here, sharing its memory with the values. */
const SOCKET_BYTES_MAX = 1024 * 1024;

/**
 * Replies on their way to one client, handed to the socket in pieces as the client takes them. Long
 * texts are never joined: together they may be longer than a string can be.
 */
export class ReplyOutput {
  readonly #socket: Socket;
  /** What is handed over next begins at `#from` of the first one. */
  #waiting: ByteString[] = [];
  #from = 0;
  /** Comes behind all that waits. */
  #last = "";
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes that the client has not taken yet. */
  get waitingBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Bytes that may be added for now; the socket's `drain` tells of new room. */
  get room(): number {
    return SOCKET_BYTES_MAX - this.waitingBytes;
  }

  /** Everything is with the socket. */
  get isHandedOver(): boolean {
    return this.#bytes === 0;
  }

  add(text: ByteString): void {
    this.#bytes += text.length;
    if (typeof text !== "string") {
      if (this.#last !== "") this.#waiting.push(this.#last);
      this.#waiting.push(text);
      this.#last = "";
    } else if (this.#last === "") this.#last = text;
    else if (this.#last.length + text.length <= SOCKET_BYTES_MAX) this.#last += text;
    else {
      this.#waiting.push(this.#last);
      this.#last = text;
    }
  }

  /** Hands over as much as the socket is to hold, in as few writes as that takes. */
  send(): void {
    while (this.#bytes > 0 && this.#socket.writableLength < SOCKET_BYTES_MAX) {
      const next = this.#next();
      this.#bytes -= next.length;
      if (typeof next === "string") this.#socket.write(next, "latin1");
      else this.#socket.write(next);
    }
  }

  clear(): void {
    this.#waiting = [];
    this.#from = 0;
    this.#last = "";
    this.#bytes = 0;
  }

  #next(): ByteString {
    if (this.#waiting.length === 0) {
      const last = this.#last;
      this.#last = "";
      if (last.length <= SOCKET_BYTES_MAX) return last;
      this.#waiting.push(last);
    }
    const [first = ""] = this.#waiting;
    const from = this.#from;
    const to = Math.min(first.length, from + SOCKET_BYTES_MAX);
    if (to < first.length) this.#from = to;
    else {
      this.#waiting.shift();
      this.#from = 0;
    }
    if (from === 0 && to === first.length) return first;
    return typeof first === "string" ? first.slice(from, to) : first.subarray(from, to);
  }
}
