import { latin1Bytes } from "../../../src/base/bytes.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type {
  Address,
  Listener,
  Network,
  Stream,
  StreamHandlers,
} from "../../../src/platform/network.ts";

const NO_HANDLERS: StreamHandlers = { onOpen() {}, onData() {}, onClose() {} };

const keyOf = ({ host, port }: Address): string => `${host}:${port}`;

/**
 * Streams within one process. They keep the order and have a delay, unless a test cuts the line.
 */
export class MemoryNetwork implements Network {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #listeners = new Map<string, (stream: Stream) => void>();
  readonly #cut = new Set<number>();

  constructor(clock: Clock, options: { readonly delayMs?: number } = {}) {
    this.#clock = clock;
    this.#delayMs = options.delayMs ?? 1;
  }

  /** Silently drops everything that is sent from or to this port from now on. */
  isolate(port: number): void {
    this.#cut.add(port);
  }

  heal(): void {
    this.#cut.clear();
  }

  listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener> {
    this.#listeners.set(keyOf(address), onConnection);
    return Promise.resolve({ address, close: () => this.#listeners.delete(keyOf(address)) });
  }

  connect(address: Address, handlers: StreamHandlers): Stream {
    return this.connectFrom(0, address, handlers);
  }

  /** The network as seen by the node that listens on this port. */
  of(port: number): Network {
    return {
      listen: (address, onConnection) => this.listen(address, onConnection),
      connect: (address, handlers) => this.connectFrom(port, address, handlers),
    };
  }

  connectFrom(fromPort: number, address: Address, handlers: StreamHandlers): Stream {
    const isCut = () => this.#cut.has(fromPort) || this.#cut.has(address.port);
    const near = new MemoryStream(keyOf(address), this.#clock, this.#delayMs, isCut);
    const far = new MemoryStream(`port ${fromPort}`, this.#clock, this.#delayMs, isCut);
    near.other = far;
    far.other = near;
    near.handle(handlers);
    this.#clock.after(this.#delayMs, () => {
      const onConnection = this.#listeners.get(keyOf(address));
      if (near.isClosed) return;
      if (isCut() || onConnection === undefined) return near.end("connection refused");
      onConnection(far);
      handlers.onOpen();
    });
    return near;
  }
}

class MemoryStream implements Stream {
  readonly remote: string;
  other: MemoryStream | null = null;
  isClosed = false;
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #isCut: () => boolean;
  #handlers = NO_HANDLERS;

  constructor(remote: string, clock: Clock, delayMs: number, isCut: () => boolean) {
    this.remote = remote;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#isCut = isCut;
  }

  handle(handlers: StreamHandlers): void {
    this.#handlers = handlers;
  }

  pendingBytes(): number {
    return 0;
  }

  write(data: Uint8Array | string): void {
    if (this.isClosed || this.#isCut()) return;
    const copy = typeof data === "string" ? latin1Bytes(data) : data.slice();
    this.#clock.after(this.#delayMs, () => {
      const other = this.other;
      if (other !== null && !other.isClosed && !this.#isCut()) other.#handlers.onData(copy);
    });
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#clock.after(this.#delayMs, () => this.other?.end("closed by the other side"));
  }

  end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers.onClose(reason);
  }
}
