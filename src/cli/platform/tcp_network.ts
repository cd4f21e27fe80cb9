import net from "node:net";
import { setImmediate } from "node:timers";
import type { Listener, Network, Stream, StreamHandlers } from "../../node/network.ts";
import { FairReading, readFairly } from "../../server/fair_reading.ts";
import { cannotListen, messageOf } from "../../base/errors.ts";

/** The connections between nodes, and from a proxy to them, have their turns among themselves. */
const fairness = new FairReading((run) => setImmediate(run));

/** TCP by `node:net`, which is faster here than `Deno.listen` and `Deno.connect`. */
export const tcpNetwork: Network = {
  listen(address, onConnection) {
    return new Promise<Listener>((resolve, reject) => {
      const server = net.createServer({ noDelay: true });
      const sockets = new Set<net.Socket>();
      server.on("connection", (socket) => {
        sockets.add(socket);
        socket.once("close", () => sockets.delete(socket));
        onConnection(new TcpStream(socket, remoteOf(socket)));
      });
      const fail = (error: Error) => reject(cannotListen(address, error));
      server.once("error", fail);
      server.listen({ host: address.host, port: address.port }, () => {
        server.off("error", fail);
        server.on("error", () => {});
        const bound = server.address() as net.AddressInfo;
        resolve({
          address: { host: bound.address, port: bound.port },
          close() {
            server.close();
            for (const socket of sockets) socket.destroy();
          },
        });
      });
    });
  },

  connect(address, handlers) {
    const socket = net.connect({ host: address.host, port: address.port, noDelay: true });
    const stream = new TcpStream(socket, `${address.host}:${address.port}`);
    stream.handle(handlers);
    socket.once("connect", () => handlers.onOpen());
    return stream;
  },
};

class TcpStream implements Stream {
  readonly remote: string;
  readonly #socket: net.Socket;
  #reason = "closed by the other side";
  #ended = false;

  constructor(socket: net.Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
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
    return this.#socket.writableLength;
  }

  write(data: Uint8Array | string): void {
    if (!this.#socket.destroyed) this.#socket.write(data, "latin1");
  }

  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }
}

function remoteOf(socket: net.Socket): string {
  return `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? "?"}`;
}
