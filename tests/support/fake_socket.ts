import { EventEmitter } from "node:events";
import { type ByteString, textOf } from "../../src/base/byte_string.ts";

/** Minimum size of a write that is followed by `drain`. */
const HIGH_WATER_MARK = 16 * 1024;

export interface FakeSocketOptions {
  /** Whether the system takes every write at once, so that no `drain` follows. @default false */
  readonly isQuick?: boolean;
  /** Whether the client leaves the connection open after it was ended. @default false */
  readonly staysOpen?: boolean;
}

/** The part of a socket that a connection uses. Written bytes arrive at once. */
export class FakeSocket extends EventEmitter {
  readonly remoteAddress = "127.0.0.1";
  readonly remotePort = 50_000;
  readonly localAddress = "127.0.0.1";
  readonly localPort = 7001;
  /** Bytes that the client has not taken, as far as a test says so. */
  writableLength = 0;
  received = "";
  isEnded = false;
  isPaused = false;
  /** Destroys the socket, once it is silent for as long as was asked for. */
  timeout: { readonly ms: number; readonly run: () => void } | null = null;
  readonly #options: FakeSocketOptions;
  #needsDrain = false;
  #waiting: Uint8Array[] = [];

  constructor(options: FakeSocketOptions = {}) {
    super();
    this.#options = options;
  }

  send(bytes: Uint8Array): void {
    if (this.isEnded) return;
    if (this.isPaused) this.#waiting.push(bytes);
    else this.emit("data", bytes);
  }

  get writableNeedDrain(): boolean {
    return this.#needsDrain;
  }

  write(data: ByteString): boolean {
    this.received += textOf(data);
    if (data.length >= HIGH_WATER_MARK && !this.#options.isQuick) this.#needsDrain = true;
    return !this.#needsDrain;
  }

  /** Emits `drain` after large writes, as a stream does. */
  drain(): void {
    if (!this.#needsDrain) return;
    this.#needsDrain = false;
    this.emit("drain");
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    for (const bytes of this.#waiting.splice(0)) this.send(bytes);
  }

  setTimeout(ms: number, run: () => void): void {
    this.timeout = { ms, run };
  }

  setKeepAlive(): void {}

  end(): void {
    if (!this.#options.staysOpen) this.destroy();
  }

  destroy(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.emit("close");
  }
}
