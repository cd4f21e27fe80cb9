import { formatAddress } from "../base/address.ts";
import type {
  Address,
  Listener,
  Network,
  Peer,
  Stream,
  StreamHandlers,
} from "../platform/network.ts";

const REASON = "the node was silent on purpose";

/** Says which connections are silent at the moment. */
export interface Silence {
  /** @param remote address of the other side, `host:port` */
  isSilent(remote: string): boolean;
  /** Calls `changed` after each change. */
  watch(changed: () => void): void;
}

/**
 * Wraps a network. A node that plays dead (`pause`), or is cut off from the other side, keeps its
 * connections open and silent, accepts new ones, and neither receives nor sends a byte. The lost
 * bytes leave a hole in each stream. So these streams are closed at the end, and both sides
 * reconnect.
 */
export class FaultyNetwork implements Network {
  readonly #network: Network;
  readonly #silence: Silence;
  readonly #streams = new Set<FaultyStream>();

  constructor(network: Network, silence: Silence) {
    this.#network = network;
    this.#silence = silence;
    silence.watch(() => {
      for (const stream of [...this.#streams]) stream.breakIfOver();
    });
  }

  listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener> {
    return this.#network.listen(address, (inner) => {
      const stream = this.#stream(inner.remote);
      stream.attach(inner);
      if (!stream.isSilent) onConnection(stream);
    });
  }

  connect(address: Address, handlers: StreamHandlers, node?: string): Stream {
    const stream = this.#stream(formatAddress(address));
    stream.handle(handlers);
    // A node that plays dead connects to nobody: this stream never opens.
    if (!stream.isSilent) stream.dial(this.#network, address, node);
    return stream;
  }

  #stream(remote: string): FaultyStream {
    const stream = new FaultyStream(remote, this.#silence, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    return stream;
  }
}

class FaultyStream implements Stream {
  readonly remote: string;
  readonly #silence: Silence;
  readonly #onEnd: () => void;
  #wasSilent: boolean;
  #inner: Stream | null = null;
  #handlers: StreamHandlers | null = null;
  #hasEnded = false;

  constructor(remote: string, silence: Silence, onEnd: () => void) {
    this.remote = remote;
    this.#silence = silence;
    this.#onEnd = onEnd;
    this.#wasSilent = this.isSilent;
  }

  get isSilent(): boolean {
    return this.#silence.isSilent(this.remote);
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
    if (!this.isSilent) this.#inner?.write(data);
  }

  close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#inner?.close();
    this.#onEnd();
  }

  /** When its silence is over, closes the stream and reports it to both sides. */
  breakIfOver(): void {
    const isOver = this.#wasSilent && !this.isSilent;
    this.#wasSilent = this.isSilent;
    if (!isOver || this.#hasEnded) return;
    this.close();
    this.#handlers?.onClose(REASON);
  }

  #own(): StreamHandlers {
    const isSilent = () => this.#hasEnded || this.isSilent;
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
