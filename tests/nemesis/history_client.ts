import { parseAddress } from "../../src/base/address.ts";
import { type Random, randomInteger } from "../../src/base/random.ts";
import { ConnectionLost, RespClient } from "../../src/cli/resp_client.ts";
import type { Address } from "../../src/platform/network.ts";
import { ErrorReply, type Reply, SimpleString } from "../../src/resp/reply.ts";
import type { Operation, Outcome, PlainReply } from "../linearizability/operation.ts";
import type { History } from "./history.ts";
import { type Request, wireRequest } from "./workload.ts";

/** Used when the node to ask is no longer a member: nobody answers there. */
const NOBODY: Address = { host: "127.0.0.1", port: 0 };
const LOST_WITH_TWO = /^ERR 2 nodes were lost while they worked on this read, /;
/** These errors mean: not executed. */
const REFUSAL = /^(MOVED|CLUSTERDOWN|TRYAGAIN) /;
const PAUSE_MS_MAX = 12;
/** Maximum number of characters of a request in a message. */
const REQUEST_SHOWN = 80;

export interface HistoryClientOptions {
  readonly name: string;
  /** The addresses to try, one after the other, when one does not answer. */
  readonly addresses: () => readonly Address[];
  /** Set if it talks to proxies: the time for which they may hold a request, in milliseconds. */
  readonly holdMs?: number;
  readonly next: () => Request;
  readonly history: History;
  readonly random: Random;
  /** Number of requests sent without waiting for the replies before them. */
  readonly pipeline: number;
  /** Timeout of a reply, after which the connection is closed. */
  readonly patienceMs: number;
  /** Whether it keeps its address when it is redirected. @default false */
  readonly staysPut?: boolean;
  /** Maximum pause before each request. @default 12 */
  readonly pauseMsMax?: number;
  /** Called for each request, with the error if there was no result. @default nothing */
  readonly onEnded?: (what: string, sentMs: number, endedMs: number, error: string | null) => void;
}

/** A client that sends requests all the time and records what it sees. */
export class HistoryClient {
  readonly #options: HistoryClientOptions;
  #address: Address;
  #connection: RespClient | null = null;
  #isStopping = false;

  constructor(options: HistoryClientOptions) {
    this.#options = options;
    this.#address = this.#anyAddress();
  }

  /** Runs until `stop` is called, and then finishes its requests. */
  async run(): Promise<void> {
    const { random, next, pipeline, pauseMsMax = PAUSE_MS_MAX } = this.#options;
    while (!this.#isStopping) {
      await pause(randomInteger(random, pauseMsMax));
      const connection = await this.#connected();
      if (connection === null) continue;
      if (pipeline === 1) await this.#send(connection, next());
      else {
        const length = 2 + randomInteger(random, pipeline - 1);
        const requests = Array.from({ length }, next);
        await this.#sendInOrder(connection, requests);
      }
    }
    this.#connection?.close();
  }

  stop(): void {
    this.#isStopping = true;
  }

  async #connected(): Promise<RespClient | null> {
    if (this.#connection !== null) return this.#connection;
    try {
      this.#connection = await RespClient.connect(this.#address, { timeoutMs: 500 });
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.#goElsewhere();
    }
    return this.#connection;
  }

  #goElsewhere(address = this.#anyAddress()): void {
    this.#connection?.close();
    this.#connection = null;
    this.#address = address;
  }

  #anyAddress(): Address {
    const { addresses, random } = this.#options;
    const now = addresses();
    return now[randomInteger(random, now.length)] ?? NOBODY;
  }

  async #send(connection: RespClient, request: Request): Promise<void> {
    const { port } = this.#address;
    const invokedMs = performance.now();
    const outcome = await this.#outcome(connection, request);
    this.#note(request, port, { invokedMs, completedMs: performance.now() }, outcome);
  }

  /**
   * Sends requests on keys that no other client uses, without waiting in between. On one connection
   * effects come in the order sent, so each request counts as begun when the one before it ended.
   * The times are on this client's own clock.
   */
  async #sendInOrder(connection: RespClient, requests: readonly Request[]): Promise<void> {
    const { port } = this.#address;
    const beginMs = performance.now();
    const outcomes = await Promise.all(requests.map((one) => this.#outcome(connection, one)));
    requests.forEach((request, at) => {
      const invokedMs = beginMs + (2 * at) / 1e6;
      const times = { invokedMs, completedMs: invokedMs + 1 / 1e6 };
      this.#note(request, port, times, outcomes[at] ?? null);
    });
  }

  /** @returns `null` if the request was not executed */
  async #outcome(connection: RespClient, request: Request): Promise<Outcome | null> {
    const { history, patienceMs } = this.#options;
    const sentMs = performance.now();
    try {
      const reply = await connection.request(wireRequest(request), patienceMs);
      if (!(reply instanceof ErrorReply)) {
        this.#ended(request, sentMs, null);
        return { kind: "ok", reply: plain(reply) };
      }
      this.#ended(request, sentMs, reply.text);
      const isRefused = REFUSAL.test(reply.text);
      history.told(reply.text);
      const [, moved = ""] = /^MOVED \d+ (.*)$/.exec(reply.text) ?? [];
      const address = parseAddress(moved);
      if (address !== null && this.#options.staysPut !== true) this.#goElsewhere(address);
      this.#judgeError(request, reply.text, performance.now() - sentMs);
      return isRefused ? null : { kind: "unknown" };
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      history.told(error.message);
      this.#ended(request, sentMs, error.message);
      if (this.#connection === connection) this.#goElsewhere();
      return { kind: "unknown" };
    }
  }

  /**
   * Through a proxy a request fails only at its deadline, or, for all that the proxy knows, because
   * two nodes died of it. Nodes may refuse a request, or not know its outcome.
   */
  #judgeError(request: Request, text: string, afterMs: number): void {
    const { history, name, holdMs } = this.#options;
    const isAllowed = holdMs === undefined
      ? REFUSAL.test(text) || text.startsWith("UNKNOWN ")
      : /^(CLUSTERDOWN|TRYAGAIN|UNKNOWN) /.test(text) && afterMs >= holdMs ||
        LOST_WITH_TWO.test(text);
    if (isAllowed) return;
    const what = shown(request);
    history.violated(`${name} was told after ${Math.round(afterMs)} ms on ${what}: ${text}`);
  }

  #ended(request: Request, sentMs: number, error: string | null): void {
    const { onEnded } = this.#options;
    if (onEnded === undefined) return;
    onEnded(shown(request), sentMs, performance.now(), error);
  }

  #note(
    { key, args }: Request,
    port: number,
    times: Pick<Operation, "invokedMs" | "completedMs">,
    outcome: Outcome | null,
  ): void {
    const { name, history } = this.#options;
    if (outcome === null) history.refused++;
    else history.add({ client: `${name}@${port}`, key, args, ...times, outcome });
    if (outcome?.kind === "ok") history.succeeded(performance.now());
  }
}

function shown(request: Request): string {
  return wireRequest(request).join(" ").slice(0, REQUEST_SHOWN);
}

/** @throws {TypeError} for a reply that no command of the workload gives */
function plain(reply: Reply): PlainReply {
  if (reply instanceof SimpleString) return reply.text;
  if (reply === null || typeof reply === "string" || typeof reply === "number") return reply;
  throw new TypeError(`Cannot record reply: current value is ${JSON.stringify(reply)}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
