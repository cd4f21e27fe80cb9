import { latin1Bytes } from "../../base/bytes.ts";
import type { Address } from "../../platform/network.ts";
import type { Connect, Socket } from "../../platform/sockets.ts";
import { encodeReply, encodeRequest } from "../../resp/encode.ts";
import { ReplyScanner } from "../../resp/reply_scanner.ts";
import { connect as connectAsSet } from "../connect.ts";
import { logInRequest } from "../resp_client.ts";
import { reachReason } from "./client_connection.ts";

const LF = 0x0a;
const ERROR_TYPES = ["-", "!"];
const PUSH_TYPE = ">";
const REPLY_BYTES_MAX = 256 * 1024 * 1024;

export interface PipeResult {
  readonly errors: number;
  readonly replies: number;
  /** Why some requests have no reply; `null` if all have one. */
  readonly failure: string | null;
}

export interface PipeOptions {
  /** Time in milliseconds without progress before giving up; 0: never. */
  readonly timeoutMs: number;
  /** Called with the text of each error reply, without its type. */
  readonly onError: (text: string) => void;
  /** How the connection is made. @default as `setConnect` says */
  readonly connect?: Connect;
}

/**
 * Sends an input of requests, inline or RESP, without waiting for replies, and counts the replies.
 * Memory is bounded for an input of any size, which is read no faster than the server takes it.
 */
export function pipeRequests(
  input: AsyncIterable<Uint8Array>,
  address: Address,
  options: PipeOptions,
): Promise<PipeResult> {
  return new RequestPipe(address, options).run(input);
}

class RequestPipe {
  readonly #socket: Socket;
  readonly #scanner = new ReplyScanner({ replyBytesMax: REPLY_BYTES_MAX });
  readonly #options: PipeOptions;
  /** Text of the final ECHO, whose reply comes after the replies to all other requests. */
  readonly #end = crypto.randomUUID();
  readonly #opened = Promise.withResolvers<void>();
  readonly #ended: Promise<string | null>;
  #resolveEnded: (failure: string | null) => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isWaitingForServer = true;
  #isAllSent = false;
  /** Whether the next reply is that to the log-in. */
  #isLoggingIn = false;
  #hasEnded = false;
  #errors = 0;
  #replies = 0;

  constructor(address: Address, options: PipeOptions) {
    this.#options = options;
    this.#ended = new Promise((resolve) => this.#resolveEnded = resolve);
    const { connect = connectAsSet } = options;
    this.#socket = connect(address, () => this.#opened.resolve());
    this.#socket.on("error", (error) => this.#finish(reachReason(error.message)));
    this.#socket.on("close", () => this.#finish("the connection was closed"));
    this.#socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
  }

  async run(input: AsyncIterable<Uint8Array>): Promise<PipeResult> {
    this.#watch(true);
    const sent = this.#send(input);
    try {
      const failure = await Promise.race([this.#ended, sent.then(() => this.#ended)]);
      return { errors: this.#errors, replies: this.#replies, failure };
    } finally {
      this.#finish("the command has ended");
    }
  }

  async #send(input: AsyncIterable<Uint8Array>): Promise<void> {
    await new Promise<void>((resolve) => {
      void this.#opened.promise.then(resolve);
      void this.#ended.then(() => resolve());
    });
    const logIn = logInRequest();
    if (logIn !== null) {
      this.#isLoggingIn = true;
      await this.#write(latin1Bytes(encodeRequest(logIn)));
    }
    this.#watch(false);
    let last: number | undefined = LF;
    for await (const chunk of input) {
      if (this.#hasEnded) return;
      last = chunk.at(-1) ?? last;
      await this.#write(chunk);
    }
    if (this.#hasEnded) return;
    this.#isAllSent = true;
    const lineEnd = last === LF ? "" : "\r\n";
    await this.#write(latin1Bytes(lineEnd + encodeRequest(["ECHO", this.#end])));
    this.#watch(true);
  }

  /** Resolves when the socket takes more bytes, or the connection is closed. */
  async #write(bytes: Uint8Array): Promise<void> {
    if (this.#socket.write(bytes) || this.#hasEnded) return;
    this.#watch(true);
    await new Promise<void>((resolve) => {
      const goOn = () => {
        this.#socket.off("drain", goOn);
        this.#socket.off("close", goOn);
        resolve();
      };
      this.#socket.on("drain", goOn);
      this.#socket.on("close", goOn);
    });
    this.#watch(false);
  }

  #received(chunk: Uint8Array): void {
    this.#watch(this.#isWaitingForServer);
    this.#scanner.push(chunk);
    for (;;) {
      const scanned = this.#scanner.next();
      if (scanned.kind === "incomplete") return;
      if (scanned.kind === "invalid") {
        return this.#finish(`the answer is not in the Redis protocol: ${scanned.error}`);
      }
      this.#take(scanned.text);
    }
  }

  #take(reply: string): void {
    const type = reply.charAt(0);
    if (type === PUSH_TYPE) return;
    if (this.#isLoggingIn) {
      this.#isLoggingIn = false;
      if (type === "-") this.#finish(`cannot log in: ${reply.slice(1, -2)}`);
      return;
    }
    if (this.#isAllSent && reply === encodeReply(this.#end, 2)) return this.#finish(null);
    this.#replies++;
    if (!ERROR_TYPES.includes(type)) return;
    this.#errors++;
    this.#options.onError(type === "-" ? reply.slice(1, -2) : reply.split("\r\n")[1] ?? "");
  }

  /** Restarts the timeout of the server, or stops it while waiting for input. */
  #watch(isWaitingForServer: boolean): void {
    this.#isWaitingForServer = isWaitingForServer;
    clearTimeout(this.#timer);
    const { timeoutMs } = this.#options;
    if (!isWaitingForServer || timeoutMs === 0 || this.#hasEnded) return;
    this.#timer = setTimeout(
      () => this.#finish(`no answer for ${timeoutMs / 1000} s; the last request may be incomplete`),
      timeoutMs,
    );
  }

  #finish(failure: string | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#resolveEnded(failure);
  }
}
