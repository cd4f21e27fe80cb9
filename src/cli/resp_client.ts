import { type ClusterSecret, PeerHandshake } from "../access/peer_proof.ts";
import { formatAddress } from "../base/address.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { Address } from "../platform/network.ts";
import type { Connect, Socket } from "../platform/sockets.ts";
import { encodeRequest } from "../resp/encode.ts";
import { ErrorReply, PushReply, type Reply } from "../resp/reply.ts";
import { decodeReply, type ReplyLimits, ReplyScanner } from "../resp/reply_scanner.ts";
import { connect as connectAsSet } from "./connect.ts";
import { readAddress } from "./flags.ts";

export interface RespClientOptions {
  /** Time limit for connecting, in milliseconds. @default 1000 */
  readonly timeoutMs?: number;
  /** @default pushes are dropped */
  readonly onPush?: (push: PushReply) => void;
  /** Whether this process does not make itself known. @default false */
  readonly isAnonymous?: boolean;
  readonly limits?: ReplyLimits;
  /** How the connection is made. @default as `setConnect` says */
  readonly connect?: Connect;
}

/** Time limit of a log-in in milliseconds: others may be before it. */
const LOG_IN_MS_MAX = 10_000;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** Thrown when the connection has ended, or the other side does not answer. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** By what this process makes itself known on its connections. */
export interface Credentials {
  /** As another process of the cluster. */
  readonly secret: ClusterSecret | null;
  /** As a user: byte strings. */
  readonly user: { readonly name: string; readonly password: string } | null;
}

/** A process is always the same to others, so that this is not handed through all that connects. */
let credentials: Credentials = { secret: null, user: null };

/** Has all connections that are opened from now on make themselves known. */
export function useCredentials(own: Credentials): void {
  credentials = own;
}

/** The request that logs in; `null` if there is no need. */
export function logInRequest(): readonly string[] | null {
  const { user } = credentials;
  return user === null ? null : ["AUTH", user.name, user.password];
}

/** A client of one node or proxy, for the command line's own requests. */
export class RespClient {
  readonly #socket: Socket;
  readonly #scanner: ReplyScanner;
  readonly #waiting: Waiting[] = [];
  readonly #onPush: (push: PushReply) => void;
  #lost: ConnectionLost | null = null;
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;

  private constructor(socket: Socket, options: RespClientOptions) {
    this.#socket = socket;
    this.#scanner = new ReplyScanner(options.limits);
    this.#onPush = options.onPush ?? (() => {});
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("error", (error) => this.#fail(messageOf(error)));
    this.ended = new Promise((resolve) =>
      socket.once("close", () => {
        this.#fail("the connection was closed");
        resolve();
      })
    );
  }

  /**
   * Connects, and makes this process known (`useCredentials`).
   *
   * @throws {ConnectionLost} when the connection cannot be made in time
   * @throws {UserError} when the user is refused
   */
  static async connect(address: Address, options: RespClientOptions = {}): Promise<RespClient> {
    const client = await RespClient.#open(address, options);
    if (options.isAnonymous === true) return client;
    try {
      await client.#prove();
      await client.#logIn(address);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  static #open(address: Address, options: RespClientOptions): Promise<RespClient> {
    const { timeoutMs = 1_000, connect = connectAsSet } = options;
    return new Promise((resolve, reject) => {
      const socket = connect(address, () => {
        clearTimeout(timer);
        resolve(new RespClient(socket, options));
      });
      const fail = (reason: string) => {
        socket.destroy();
        reject(new ConnectionLost(reason));
      };
      const timer = setTimeout(() => fail("no answer in time"), timeoutMs);
      socket.once("error", (error) => {
        clearTimeout(timer);
        fail(messageOf(error));
      });
    });
  }

  /** Proves that this process belongs to the cluster. @throws {ConnectionLost} when it is refused */
  async #prove(): Promise<void> {
    if (credentials.secret === null) return;
    const handshake = new PeerHandshake(credentials.secret);
    let step = handshake.next(await this.request(handshake.first));
    while (step.kind === "send") step = handshake.next(await this.request(step.request));
    if (step.kind === "failed") throw new ConnectionLost(step.reason);
  }

  async #logIn(address: Address): Promise<void> {
    const request = logInRequest();
    if (request === null) return;
    const reply = await this.request(request, LOG_IN_MS_MAX);
    if (!(reply instanceof ErrorReply)) return;
    throw new UserError(
      `Cannot log in at ${formatAddress(address)}: ${reply.text.replace(/^(ERR|WRONGPASS) /, "")}`,
    );
  }

  get isConnected(): boolean {
    return this.#lost === null;
  }

  /**
   * Sends a request. An error reply is returned, not thrown.
   *
   * @param timeoutMs `Infinity`: no limit
   * @throws {ConnectionLost} when the reply does not come
   */
  request(args: readonly string[], timeoutMs = 2_000): Promise<Reply> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const timer = timeoutMs === Infinity ? undefined : setTimeout(() => {
        reject(new ConnectionLost("no answer in time"));
        this.close();
      }, timeoutMs);
      this.#waiting.push({
        resolve: (reply) => {
          clearTimeout(timer);
          resolve(reply);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#socket.write(encodeRequest(args), "latin1");
    });
  }

  /** @param reason given to requests that still wait */
  close(reason = "closed"): void {
    this.#socket.destroy();
    this.#fail(reason);
  }

  #received(chunk: Uint8Array): void {
    this.#scanner.push(chunk);
    for (;;) {
      const scanned = this.#scanner.next();
      if (scanned.kind === "incomplete") return;
      if (scanned.kind === "invalid") {
        this.#closeAsInvalid(scanned.error);
        return;
      }
      const reply = this.#decode(scanned.text);
      if (reply === undefined) return;
      if (reply instanceof PushReply) this.#onPush(reply);
      else this.#waiting.shift()?.resolve(reply);
    }
  }

  /** The reply; `undefined` when it is invalid. The connection is then closed. */
  #decode(text: string): Reply | undefined {
    try {
      return decodeReply(text);
    } catch (error) {
      this.#closeAsInvalid(messageOf(error));
      return undefined;
    }
  }

  #closeAsInvalid(reason: string): void {
    this.#fail(`the answer is not in the Redis protocol: ${reason}`);
    this.#socket.destroy();
  }

  #fail(reason: string): void {
    this.#lost ??= new ConnectionLost(reason);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#lost);
  }
}

/** The pairs of a map, or of an array of alternating names and values. */
export function fieldsOf(reply: Reply): Map<string, Reply> {
  if (reply instanceof ErrorReply) throw new ConnectionLost(reply.text);
  const fields = new Map<string, Reply>();
  if (typeof reply === "object" && reply !== null && "pairs" in reply) {
    for (const [name, value] of reply.pairs) fields.set(String(name), value);
  } else if (Array.isArray(reply)) {
    for (let at = 0; at + 1 < reply.length; at += 2) fields.set(String(reply[at]), reply[at + 1]);
  }
  return fields;
}

const RETRY_MS = 200;
/** Time limit of one reply, in milliseconds. It covers a membership change or a transfer. */
const ANSWER_MS_MAX = 15_000;

interface LeaderRequestOptions {
  /** Nodes or proxies to ask first. */
  readonly addresses: readonly Address[];
  readonly args: readonly string[];
  /** How long to retry while nobody answers or leads; `Infinity`: without limit. */
  readonly patienceMs: number;
  /** Called with the reason for a retry when it differs from the last one. */
  readonly onRetry?: (reason: string) => void;
}

/**
 * Sends a request to the leader, whose address any node or proxy knows. Retries while there is no
 * leader, so the request must be idempotent.
 *
 * @returns a reply that is no error
 * @throws {UserError} with the leader's refusal, or when nobody answers in time
 */
export async function requestOfLeader(options: LeaderRequestOptions): Promise<Reply> {
  const { addresses, args, patienceMs, onRetry = () => {} } = options;
  const deadlineMs = performance.now() + patienceMs;
  let lastReason = "";
  for (;;) {
    const reasons: string[] = [];
    for (const address of addresses) {
      const { reply, reason } = await follow(address, args);
      if (reply !== undefined) return reply;
      reasons.push(`${formatAddress(address)}: ${reason}`);
    }
    const reason = reasons.join("; ");
    if (performance.now() >= deadlineMs) {
      throw new UserError(`Cannot reach the leader of the cluster: ${reason}`);
    }
    if (reason !== lastReason) onRetry(reason);
    lastReason = reason;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

type Answer = { readonly reply: Reply; readonly reason?: undefined } | {
  readonly reply?: undefined;
  readonly reason: string;
};

/** Sends the request to one address, and if the reply is `MOVED`, to the leader that it names. */
async function follow(address: Address, args: readonly string[]): Promise<Answer> {
  const first = await ask(address, args);
  const moved = first.reason === undefined ? null : /^MOVED \S+ (\S+)$/.exec(first.reason);
  return moved === null ? first : await ask(readAddress(moved[1] ?? ""), args);
}

async function ask(address: Address, args: readonly string[]): Promise<Answer> {
  try {
    const client = await RespClient.connect(address);
    try {
      const reply = await client.request(args, ANSWER_MS_MAX);
      if (!(reply instanceof ErrorReply)) return { reply };
      if (/^(MOVED|CLUSTERDOWN|TRYAGAIN|UNKNOWN) /.test(reply.text)) return { reason: reply.text };
      throw new UserError(reply.text.replace(/^ERR /, ""));
    } finally {
      client.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    return { reason: error.message };
  }
}
