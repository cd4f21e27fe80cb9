import { formatAddress } from "../base/address.ts";
import type {
  Address,
  Listener,
  Network,
  Peer,
  Stream,
  StreamHandlers,
} from "../platform/network.ts";
import type { Faults } from "./faults.ts";

const REASON = "the node was paused on purpose";

/**
 * Wraps a network. A node that plays dead (`pause`) keeps its connections open and silent, accepts
 * new ones, and neither receives nor sends a byte. The lost bytes leave a hole in each stream. So
 * all streams are closed at the end of the pause, and both sides reconnect.
 */
export class FaultyNetwork implements Network {
  readonly #network: Network;
  readonly #faults: Faults;
  readonly #streams = new Set<FaultyStream>();

  constructor(network: Network, faults: Faults) {
    this.#network = network;
    this.#faults = faults;
    let wasPaused = faults.isPaused;
    faults.watch(() => {
      const isOver = wasPaused && !faults.isPaused;
      wasPaused = faults.isPaused;
      if (isOver) { for (const stream of [...this.#streams]) stream.break(); }
    });
  }

  listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener> {
    return this.#network.listen(address, (inner) => {
      const stream = this.#stream(inner.remote);
      stream.attach(inner);
      if (!this.#faults.isPaused) onConnection(stream);
    });
  }

  connect(address: Address, handlers: StreamHandlers, node?: string): Stream {
    const stream = this.#stream(formatAddress(address));
    stream.handle(handlers);
    // A node that plays dead connects to nobody: this stream never opens.
    if (!this.#faults.isPaused) stream.dial(this.#network, address, node);
    return stream;
  }

  #stream(remote: string): FaultyStream {
    const stream = new FaultyStream(remote, this.#faults, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    return stream;
  }
}

class FaultyStream implements Stream {
  readonly remote: string;
  readonly #faults: Faults;
  readonly #onEnd: () => void;
  #inner: Stream | null = null;
  #handlers: StreamHandlers | null = null;
  #hasEnded = false;

  constructor(remote: string, faults: Faults, onEnd: () => void) {
    this.remote = remote;
    this.#faults = faults;
    this.#onEnd = onEnd;
  }

  /** Adopts an accepted stream. */
  attach(inner: Stream): void {
    this.#inner = inner;
    inner.handle(this.#own());
  }

  get peer(): Peer | null {
    return this.#inner?.peer ?? null;
  }

  dial(network: Network, address: Address, node: string | undefined): void {
    this.#inner = network.connect(address, this.#own(), node);
  }

  handle(handlers: StreamHandlers): void {
    this.#handlers = handlers;
  }

  pendingBytes(): number {
    return this.#inner?.pendingBytes() ?? 0;
  }

  write(data: Uint8Array | string): void {
    if (!this.#faults.isPaused) this.#inner?.write(data);
  }

  close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#inner?.close();
    this.#onEnd();
  }

  /** Closes the stream and reports it to both sides. */
  break(): void {
    if (this.#hasEnded) return;
    this.close();
    this.#handlers?.onClose(REASON);
  }

  #own(): StreamHandlers {
    const isSilent = () => this.#hasEnded || this.#faults.isPaused;
    return {
      onOpen: () => {
        if (!isSilent()) this.#handlers?.onOpen();
      },
      onData: (bytes) => {
        if (!isSilent()) this.#handlers?.onData(bytes);
      },
      onClose: (reason) => {
        if (this.#hasEnded) return;
        this.#hasEnded = true;
        this.#onEnd();
        this.#handlers?.onClose(reason);
      },
    };
  }
}
