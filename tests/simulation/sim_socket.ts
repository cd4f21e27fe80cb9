import { type ByteString, textOf } from "../../src/base/byte_string.ts";
import { latin1Bytes } from "../../src/base/bytes.ts";
import type { ConnectionSource } from "../../src/platform/acceptor.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Address, Stream } from "../../src/platform/network.ts";
import type { AnswerWatch, ConnectionWatch } from "./answer_watch.ts";

type Callback = (...args: unknown[]) => void;

class Emitter {
  readonly #callbacks = new Map<string, Callback[]>();

  on(event: string, callback: Callback): this {
    const callbacks = this.#callbacks.get(event);
    if (callbacks === undefined) this.#callbacks.set(event, [callback]);
    else callbacks.push(callback);
    return this;
  }

  once(event: string, callback: Callback): this {
    return this.on(event, callback);
  }

  emit(event: string, ...args: unknown[]): void {
    for (const callback of this.#callbacks.get(event) ?? []) callback(...args);
  }
}

/** The part of a `net.Socket` that a client's `Connection` uses, over a simulated stream. */
class SimSocket extends Emitter {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #watch: ConnectionWatch;
  readonly #held: Uint8Array[] = [];
  #isPaused = false;
  #isDestroyed = false;
  #hasEnded = false;

  constructor(stream: Stream, local: Address, clock: Clock, watch: ConnectionWatch) {
    super();
    const colon = stream.remote.lastIndexOf(":");
    this.remoteAddress = stream.remote.slice(0, colon);
    this.remotePort = Number(stream.remote.slice(colon + 1));
    this.localAddress = local.host;
    this.localPort = local.port;
    this.#stream = stream;
    this.#clock = clock;
    this.#watch = watch;
    stream.handle({
      onOpen() {},
      onData: (bytes) => this.#received(bytes),
      onClose: () => this.#closed(),
    });
  }

  get writableLength(): number {
    return this.#stream.pendingBytes();
  }

  /** The simulated kernel accepts everything at once. */
  readonly writableNeedDrain = false;

  write(data: ByteString): boolean {
    if (this.#isDestroyed) return true;
    const text = textOf(data);
    this.#stream.write(latin1Bytes(text));
    this.#watch.sent(text);
    return true;
  }

  pause(): this {
    this.#isPaused = true;
    return this;
  }

  resume(): this {
    this.#isPaused = false;
    this.#clock.after(0, () => this.#deliver());
    return this;
  }

  /** The simulated kernel sends no keepalives: idle connections stay. */
  setKeepAlive(): this {
    return this;
  }

  setTimeout(timeoutMs: number, callback: () => void): this {
    this.#clock.after(timeoutMs, callback);
    return this;
  }

  end(callback: () => void): this {
    this.#watch.ended();
    this.#stream.close();
    callback();
    return this;
  }

  destroy(): this {
    if (this.#isDestroyed) return this;
    this.#isDestroyed = true;
    this.#watch.ended();
    this.#stream.close();
    this.#clock.after(0, () => this.emit("close"));
    return this;
  }

  #received(bytes: Uint8Array): void {
    this.#watch.received(bytes);
    this.#held.push(bytes);
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#isPaused && !this.#isDestroyed) {
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      this.emit("data", bytes);
    }
    if (this.#hasEnded && !this.#isDestroyed && this.#held.length === 0) this.#endNow();
  }

  #closed(): void {
    this.#hasEnded = true;
    this.#watch.ended();
    // A closed socket is noticed even while reading is paused.
    if (this.#isPaused) this.#endNow();
    else this.#deliver();
  }

  #endNow(): void {
    if (this.#isDestroyed) return;
    this.emit("end");
    this.destroy();
  }
}

/** The part of a `net.Server` that `RespListener` uses. */
export class SimServer extends Emitter {
  readonly #address: Address;
  readonly #clock: Clock;
  readonly #answers: AnswerWatch;

  constructor(address: Address, clock: Clock, answers: AnswerWatch) {
    super();
    this.#answers = answers;
    this.#address = address;
    this.#clock = clock;
  }

  get asServer(): ConnectionSource {
    return this as unknown as ConnectionSource;
  }

  address(): { address: string; port: number } {
    return { address: this.#address.host, port: this.#address.port };
  }

  accept(stream: Stream): void {
    const watch = this.#answers.connected(stream.remote);
    this.emit("connection", new SimSocket(stream, this.#address, this.#clock, watch));
  }

  close(): void {}
}
