import net from "node:net";
import { messageOf } from "../../src/base/errors.ts";
import { ReplyScanner } from "../../src/resp/reply_scanner.ts";

export interface LoadConnectionOptions {
  readonly port: number;
  /** @param text the reply as it came, one character for each byte */
  readonly onReply: (text: string) => void;
  /** @default nothing is done */
  readonly onEnd?: () => void;
}

/**
 * A connection of a load generator: sends bytes as they are, and hands over each reply. It ends when
 * the other side ends it, or speaks something else.
 */
export class LoadConnection {
  readonly #socket: net.Socket;

  private constructor(socket: net.Socket, { onReply, onEnd = () => {} }: LoadConnectionOptions) {
    this.#socket = socket;
    const scanner = new ReplyScanner();
    socket.on("data", (chunk: Uint8Array) => {
      scanner.push(chunk);
      for (let scanned = scanner.next(); scanned.kind !== "incomplete"; scanned = scanner.next()) {
        if (scanned.kind === "invalid") {
          socket.destroy();
          return;
        }
        onReply(scanned.text);
      }
    });
    socket.on("error", () => {}); // "close" follows
    socket.once("close", onEnd);
  }

  static connect(options: LoadConnectionOptions): Promise<LoadConnection> {
    const { port } = options;
    return new Promise((resolve, reject) => {
      const socket = net.connect({ host: "127.0.0.1", port, noDelay: true });
      const fail = (error: Error) =>
        reject(new Error(`Cannot connect to port ${port}: ${messageOf(error)}`));
      socket.once("error", fail);
      socket.once("connect", () => {
        socket.off("error", fail);
        resolve(new LoadConnection(socket, options));
      });
    });
  }

  /** @param requests one character for each byte */
  send(requests: string): void {
    this.#socket.write(requests, "latin1");
  }

  close(): void {
    this.#socket.destroy();
  }
}
