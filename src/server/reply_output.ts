import { type ByteString, writeByteString } from "../base/byte_string.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Socket } from "../platform/sockets.ts";

/** Time in ms after which a client with too many unread bytes is disconnected if it reads none. */
const STALL_MS = 5_000;

/** Multiple of the bound of unread bytes above which a client is disconnected even if it reads. */
const HARD_FACTOR = 4;

export interface SlowReaderOptions {
  readonly clock: Clock;
  readonly outputBytesMax: number;
  /** Bytes of replies that the client has not read. */
  readonly waitingBytes: () => number;
  /** The bound of these bytes at present, above which the client is watched. */
  readonly waitingBytesMax: () => number;
  readonly disconnect: () => void;
}

/**
 * Bounds the replies that are held for a client. A client that reads slowly gets time, one that does
 * not read is disconnected.
 */
export class SlowReader {
  readonly #options: SlowReaderOptions;
  /** Number of times that the client has taken all bytes of its socket. */
  #drains = 0;
  #cancel: Cancel | null = null;

  constructor(options: SlowReaderOptions) {
    this.#options = options;
  }

  /** Notes that the client has taken all bytes of its socket. */
  noteDrain(): void {
    this.#drains++;
  }

  /** Disconnects the client, or watches it, if too many bytes wait. To be called on each change. */
  check(): void {
    const { outputBytesMax, waitingBytes, disconnect } = this.#options;
    if (waitingBytes() > HARD_FACTOR * outputBytesMax) disconnect();
    else if (this.#cancel === null && this.#isBehind) this.#watch();
  }

  get #isBehind(): boolean {
    const { waitingBytes, waitingBytesMax } = this.#options;
    return waitingBytes() > waitingBytesMax();
  }

  /** Checks again every `STALL_MS` for as long as too many bytes wait. */
  #watch(): void {
    const { clock, disconnect } = this.#options;
    const drains = this.#drains;
    this.#cancel = clock.after(STALL_MS, () => {
      this.#cancel = null;
      if (!this.#isBehind) return;
      if (this.#drains === drains) disconnect();
      else this.#watch();
    });
  }

  stop(): void {
    this.#cancel?.();
  }
}

/** Maximum bytes in the socket. The rest waits here, sharing its memory with the values. */
const SOCKET_BYTES_MAX = 1024 * 1024;

/** What replies are handed to. */
export interface OutputSocket extends Pick<Socket, "writableLength" | "writableNeedDrain"> {
  write(data: Uint8Array): unknown;
  write(data: string, encoding: "latin1"): unknown;
}

/**
 * Maximum bytes of pieces that are copied into one write. It raised the rate of GET of 100 KiB by 7 %
 * at the leader, and by 15 % through the proxy, over three writes for each reply.
 */
const JOINED_BYTES_MAX = 128 * 1024;

/**
 * Memory to join pieces in, shared by all outputs. A socket that has handed everything to the system
 * when `write` returns has no more use for it; one that has not keeps it.
 */
let joined: Uint8Array | null = null;

/**
 * The replies to one client, handed to the socket in pieces as the client takes them. Long texts are
 * never joined: together they may be longer than a string can be.
 */
export class ReplyOutput {
  readonly #socket: OutputSocket;
  /** The next piece begins at `#from` of the first one. */
  #waiting: ByteString[] = [];
  #from = 0;
  /** The text after all waiting pieces. */
  #last = "";
  #bytes = 0;

  constructor(socket: OutputSocket) {
    this.#socket = socket;
  }

  /** Bytes that the client has not taken. */
  get waitingBytes(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Bytes that may be added now. The socket's `drain` reports new room, if it `willDrain`. */
  get room(): number {
    return SOCKET_BYTES_MAX - this.waitingBytes;
  }

  /** Whether the socket has all bytes. */
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

  /**
   * Whether the socket will emit `drain`. It does not after it has handed everything, or all but a
   * little, to the system during `send`.
   */
  get willDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /**
   * Fills the socket up to its bound, in as few writes as possible. One call sends no more than that
   * bound, even to a socket that takes everything at once: the event loop has others to serve.
   */
  send(): void {
    let room = SOCKET_BYTES_MAX;
    while (this.#bytes > 0 && room > 0 && this.#socket.writableLength < SOCKET_BYTES_MAX) {
      const next = this.#join() ?? this.#next();
      this.#bytes -= next.length;
      room -= next.length;
      if (typeof next === "string") this.#socket.write(next, "latin1");
      else this.#socket.write(next);
      if (this.#socket.writableLength > 0) joined = null;
    }
  }

  clear(): void {
    this.#waiting = [];
    this.#from = 0;
    this.#last = "";
    this.#bytes = 0;
  }

  /** As many of the next pieces as one write may join; `null` if they are fewer than two. */
  #join(): Uint8Array | null {
    // A socket that holds bytes writes later, and would keep the memory of each write.
    if (this.#waiting.length === 0 || this.#socket.writableLength > 0) return null;
    let count = 0;
    let bytes = -this.#from;
    for (const piece of this.#waiting) {
      if (bytes + piece.length > JOINED_BYTES_MAX) break;
      bytes += piece.length;
      count++;
    }
    const takesLast = count === this.#waiting.length &&
      bytes + this.#last.length <= JOINED_BYTES_MAX;
    if (count + (takesLast ? 1 : 0) < 2) return null;
    joined ??= new Uint8Array(JOINED_BYTES_MAX);
    let at = 0;
    for (const piece of this.#waiting.splice(0, count)) {
      at = writeByteString(joined, at, this.#from === 0 ? piece : partOf(piece, this.#from));
      this.#from = 0;
    }
    if (takesLast) {
      at = writeByteString(joined, at, this.#last);
      this.#last = "";
    }
    return joined.subarray(0, at);
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
    return partOf(first, from, to);
  }
}

/** A part of a piece, which shares its memory. */
function partOf(piece: ByteString, from: number, to = piece.length): ByteString {
  return typeof piece === "string" ? piece.slice(from, to) : piece.subarray(from, to);
}
