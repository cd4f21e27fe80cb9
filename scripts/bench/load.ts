import net from "node:net";
import { messageOf } from "../../src/base/errors.ts";
import { randomInteger } from "../../src/base/random.ts";
import { encodeRequest } from "../../src/resp/encode.ts";
import { ReplyScanner } from "../../src/resp/reply_scanner.ts";

const BATCH_REQUESTS_MAX = 1_000;
const BATCH_BYTES_MAX = 2 ** 20;

export type LoadCommand = "set" | "get";

export interface LoadRequestsOptions {
  readonly command: LoadCommand;
  /** Number of keys. */
  readonly keys: number;
  readonly valueBytes: number;
}

/** The key of a number, 16 bytes long and the same as that of `redis-benchmark`. */
function loadKey(at: number): string {
  return `key:${String(at).padStart(12, "0")}`;
}

/** Encodes requests cheaply: only the key differs from one to the next. */
export class LoadRequests {
  readonly #before: string;
  readonly #after: string;
  readonly #keys: number;

  constructor({ command, keys, valueBytes }: LoadRequestsOptions) {
    const key = loadKey(0);
    const request = command === "set"
      ? encodeRequest(["SET", key, "x".repeat(valueBytes)])
      : encodeRequest(["GET", key]);
    const at = request.indexOf(key);
    this.#before = request.slice(0, at);
    this.#after = request.slice(at + key.length);
    this.#keys = keys;
  }

  /** A request on a random key. */
  random(): string {
    return this.of(randomInteger(Math.random, this.#keys));
  }

  of(key: number): string {
    return this.#before + loadKey(key) + this.#after;
  }
}

export interface LoadConnectionOptions {
  readonly port: number;
  /** @param text the reply as it arrived, one character for each byte */
  readonly onReply: (text: string) => void;
  /** @default nothing */
  readonly onEnd?: () => void;
}

/**
 * A connection of a load generator. It sends bytes unchanged and returns each reply. It ends when
 * the other side closes it, or sends invalid RESP.
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

export interface FillOptions {
  readonly port: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** Writes each key once. @throws if a write is refused, or the connection ends */
export async function fill({ port, keys, valueBytes }: FillOptions): Promise<void> {
  const requests = new LoadRequests({ command: "set", keys, valueBytes });
  const batch = Math.max(1, Math.min(BATCH_REQUESTS_MAX, Math.floor(BATCH_BYTES_MAX / valueBytes)));
  let missing = 0;
  let answered = Promise.withResolvers<void>();
  const connection = await LoadConnection.connect({
    port,
    onReply(text) {
      if (text !== "+OK\r\n") answered.reject(new Error(`Cannot fill: the answer is ${text}`));
      if (--missing === 0) answered.resolve();
    },
    onEnd: () => answered.reject(new Error("Cannot fill: the connection was closed")),
  });
  try {
    for (let from = 0; from < keys; from += batch) {
      answered = Promise.withResolvers<void>();
      const count = Math.min(batch, keys - from);
      missing = count;
      let text = "";
      for (let at = 0; at < count; at++) text += requests.of(from + at);
      connection.send(text);
      await answered.promise;
    }
  } finally {
    answered.promise.catch(() => {}); // closing rejects it even if nobody waits for it
    connection.close();
  }
}
