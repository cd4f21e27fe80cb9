import { setImmediate } from "node:timers";
import { formatAddress, plainHost } from "../base/address.ts";
import { messageOf } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { Acceptor, FairReading, readFairly } from "./acceptor.ts";
import { systemClock } from "./clock.ts";
import type { Address, Listener, Network, Peer, Stream, StreamHandlers } from "./network.ts";
import { hasNoFreeDescriptors } from "./process.ts";
import { type Connect, type ConnectionGate, connectPlain, type Socket } from "./sockets.ts";
import { peerOf } from "./tls/peer_of.ts";

/**
 * Links between nodes, and from a proxy to nodes, take turns among themselves. Their turns are short.
 * With the timers of `systemClock.after`, one link reads 0.6 to 0.8 GB/s instead of 1.1 to 1.4.
 */
const fairness = new FairReading((run) => setImmediate(run));

/** How a network makes and takes connections. */
export interface TcpNetworkOptions {
  /** @default without TLS */
  readonly connect?: Connect;
  /** What accepted connections go through first. @default nothing */
  readonly gate?: () => ConnectionGate | null;
}

/** TCP through `node:net`, which is faster here than `Deno.listen` and `Deno.connect`. */
export class TcpNetwork implements Network {
  readonly #connect: Connect;
  readonly #gate: () => ConnectionGate | null;

  constructor({ connect = connectPlain, gate = () => null }: TcpNetworkOptions = {}) {
    this.#connect = connect;
    this.#gate = gate;
  }

  async listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener> {
    const sockets = new Set<Socket>();
    const acceptor = await Acceptor.open({
      address,
      allowHalfOpen: false,
      hasNoFreeDescriptors,
      checksEachConnection: true,
      gate: this.#gate(),
      clock: systemClock,
      logger: silentLogger, // the listener for clients logs the same events
    });
    acceptor.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      onConnection(new TcpStream(socket, remoteOf(socket)));
    });
    const bound = acceptor.address();
    return {
      address: { host: bound.address, port: bound.port },
      close() {
        acceptor.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  connect(address: Address, handlers: StreamHandlers, node?: string): Stream {
    let opened = () => {};
    const socket = this.#connect(address, () => opened(), node);
    const stream = new TcpStream(socket, formatAddress(address));
    stream.handle(handlers);
    opened = () => handlers.onOpen();
    return stream;
  }
}

/** Without TLS. */
export const tcpNetwork: Network = new TcpNetwork();

/**
 * Maximum number of bytes that a socket buffers. It converts buffered text in one go, at 2 ms per
 * MiB.
 */
const SOCKET_BYTES_MAX = 1024 * 1024;
/** Maximum number of characters handed to a socket at once. */
const SLICE_BYTES = 512 * 1024;

/**
 * Idle time in milliseconds after which TCP keep-alive probes whether the other machine is there.
 */
const KEEP_ALIVE_MS = 60_000;

class TcpStream implements Stream {
  readonly remote: string;
  readonly peer: Peer | null;
  readonly #socket: Socket;
  #reason = "closed by the other side";
  #ended = false;
  /** Data that the socket has no room for. The first piece is already sent up to `#from`. */
  #waiting: (Uint8Array | string)[] = [];
  #from = 0;
  #waitingBytes = 0;

  constructor(socket: Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
    this.peer = peerOf(socket);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("drain", () => this.#writeWaiting());
    socket.on("error", (error) => this.#reason = messageOf(error));
  }

  handle(handlers: StreamHandlers): void {
    const received = (chunk: Uint8Array) => {
      if (!this.#ended) handlers.onData(chunk);
    };
    readFairly(this.#socket, received, fairness);
    this.#socket.once("close", () => {
      if (this.#ended) return;
      this.#ended = true;
      handlers.onClose(this.#reason);
    });
  }

  pendingBytes(): number {
    return this.#waitingBytes + this.#socket.writableLength;
  }

  write(data: Uint8Array | string): void {
    if (this.#socket.destroyed || data.length === 0) return;
    const isLong = typeof data === "string" && data.length > SLICE_BYTES;
    if (!isLong && this.#waitingBytes === 0) {
      this.#socket.write(data, "latin1");
      return;
    }
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#writeWaiting();
  }

  #writeWaiting(): void {
    while (this.#waitingBytes > 0 && this.#socket.writableLength < SOCKET_BYTES_MAX) {
      const [first = ""] = this.#waiting;
      const to = typeof first === "string" ? this.#from + SLICE_BYTES : first.length;
      const piece = typeof first === "string" ? first.slice(this.#from, to) : first;
      if (to < first.length) this.#from = to;
      else {
        this.#waiting.shift();
        this.#from = 0;
      }
      this.#waitingBytes -= piece.length;
      this.#socket.write(piece, "latin1");
    }
  }

  close(): void {
    this.#ended = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#socket.destroy();
  }
}

function remoteOf(socket: Socket): string {
  return formatAddress({
    host: plainHost(socket.remoteAddress ?? "?"),
    port: socket.remotePort ?? 0,
  });
}
