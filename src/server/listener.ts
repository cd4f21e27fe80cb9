import type { Arguments } from "../base/byte_string.ts";
import { assert, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Acceptor, type ConnectionSource, FairReading } from "../platform/acceptor.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import type { ConnectionGate, Socket } from "../platform/sockets.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { RequestText } from "../resp/request_decoder.ts";
import { ClientLoad, LargeRequests } from "./client_load.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { ClientLimits } from "./limits.ts";
import type { PendingReply } from "./pending_reply.ts";

/** Answers requests: the node's frontend. */
export interface RequestHandler {
  handle(connection: Connection, args: Arguments, reply: PendingReply): void;
  /**
   * Gets the bytes of the largest request that is nearly read or not answered; 0 if none is large.
   */
  noteLargest?(bytes: number): void;
  forget(connection: Connection): void;
}

/** Forwards most requests: the proxy's frontend. */
export interface ForwardingHandler {
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  forget(connection: Connection): void;
  /** Whether too much waits, so that clients with large requests are not read. @default false */
  readonly isFull?: boolean;
}

/** A handler, and the kind of requests that it takes. */
type Frontend =
  | { readonly isForwarding: false; readonly handler: RequestHandler }
  | { readonly isForwarding: true; readonly handler: ForwardingHandler };

export interface ListenOptions {
  readonly address: Address;
  readonly handler: RequestHandler | ForwardingHandler;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether the process has run out of file descriptors. @default it never has */
  readonly hasNoFreeDescriptors?: () => boolean;
  /** What a connection goes through first. @default nothing */
  readonly gate?: ConnectionGate | null;
}

/** Interval in ms at which idle clients are looked for. */
const SWEEP_MS = 1_000;

/** Starts to accept clients. @throws {UserError} when the address cannot be listened on */
export async function listen(options: ListenOptions): Promise<RespListener> {
  const hasNoFreeDescriptors = options.hasNoFreeDescriptors ?? null;
  const acceptor = await Acceptor.open({
    ...options,
    allowHalfOpen: true,
    hasNoFreeDescriptors,
    checksEachConnection: false, // `suspect` is called when a client is refused
  });
  return new RespListener(acceptor, options);
}

/** The RESP port of a node or a proxy, with all its clients. */
export class RespListener implements ConnectionOwner {
  readonly address: Address;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  readonly load: ClientLoad;
  readonly largeRequests: LargeRequests;
  readonly connections = new Map<number, Connection>();
  /** Totals since the start or the last `resetTotals`, for `INFO`. */
  readonly totals = { connections: 0, requests: 0, rejected: 0, inputBytes: 0, outputBytes: 0 };
  /** The totals' growth per second. */
  readonly rates: Rates;

  isSilent = false;
  readonly isForwarding: boolean;

  readonly #frontend: Frontend;
  readonly #source: ConnectionSource;
  readonly #options: ListenOptions;
  readonly #dirty: Connection[] = [];
  /** The id of the last client. Ids are never reused. */
  #lastId = 0;
  #cancelSweep: Cancel | null = null;
  readonly #flushAll = () => this.#flush();

  constructor(source: ConnectionSource, options: ListenOptions) {
    this.address = { host: options.address.host, port: source.address().port };
    this.limits = options.limits;
    this.clock = options.clock;
    this.rates = new Rates(this.totals, options.clock.monotonicMs());
    this.fairness = new FairReading((run) => options.clock.after(0, run));
    const frontend = frontendOf(options.handler);
    this.#frontend = frontend;
    this.isForwarding = frontend.isForwarding;
    const { inFlightBytesMax, allOutputBytesMax } = options.limits;
    this.load = new ClientLoad({
      clock: options.clock,
      requestBytesMax: inFlightBytesMax,
      outputBytesMax: allOutputBytesMax,
      isFull: () => frontend.isForwarding && frontend.handler.isFull === true,
    });
    this.#source = source;
    source.on("connection", (socket) => this.#accept(socket));
    this.#options = options;
    this.largeRequests = new LargeRequests((bytes) => {
      if (!frontend.isForwarding) frontend.handler.noteLargest?.(bytes);
    });
    const { timeoutS } = options.limits;
    if (timeoutS > 0) this.#sweepIdle(timeoutS * 1_000);
  }

  /** Disconnects clients that have sent no request for too long. */
  #sweepIdle(timeoutMs: number): void {
    this.#cancelSweep = this.clock.after(SWEEP_MS, () => this.#sweepIdle(timeoutMs));
    const sinceMs = this.clock.monotonicMs() - timeoutMs;
    for (const connection of [...this.connections.values()]) {
      if (connection.lastReadMs <= sinceMs && connection.isIdle) connection.destroy();
    }
  }

  /** Stops accepting clients, and disconnects all of them. */
  close(): void {
    this.#cancelSweep?.();
    this.#source.close();
    for (const connection of [...this.connections.values()]) connection.destroy();
  }

  /** Sets all totals to zero. */
  resetTotals(): void {
    this.rates.noteReset();
    const zeros = { connections: 0, requests: 0, rejected: 0, inputBytes: 0, outputBytes: 0 };
    Object.assign(this.totals, zeros);
  }

  /** While silent, clients are accepted and read, but nothing is sent to them. */
  silence(isSilent: boolean): void {
    this.isSilent = isSilent;
    if (isSilent) return;
    for (const connection of this.connections.values()) connection.wake();
  }

  request(connection: Connection, args: Arguments, reply: PendingReply): void {
    const frontend = this.#frontend;
    assert(!frontend.isForwarding, "the handler takes requests as text only");
    this.totals.requests++;
    frontend.handler.handle(connection, args, reply);
  }

  forward(connection: Connection, request: RequestText, reply: PendingReply): void {
    const frontend = this.#frontend;
    assert(frontend.isForwarding, "the handler takes no requests as text");
    this.totals.requests++;
    frontend.handler.forward(connection, request, reply);
  }

  flushLater(connection: Connection): void {
    if (this.#dirty.push(connection) === 1) this.#options.clock.soon(this.#flushAll);
  }

  logProtocolError(connection: Connection, reason: string): void {
    this.#options.logger.warn(`client ${connection.remote}: ${reason}`);
  }

  logFailure(connection: Connection, error: unknown): void {
    const where = error instanceof Error ? error.stack?.split("\n")[1]?.trim() : undefined;
    this.#options.logger.error(
      `client ${connection.remote}: the connection ends, since serving it failed: ` +
        messageOf(error) + (where === undefined ? "" : ` (${where})`),
    );
  }

  remove(connection: Connection): void {
    this.connections.delete(connection.id);
    try {
      this.#frontend.handler.forget(connection);
    } catch (error) {
      this.logFailure(connection, error);
    }
  }

  #accept(socket: Socket): void {
    if (this.connections.size >= this.limits.clientsMax) {
      this.totals.rejected++;
      this.#source.suspect?.();
      socket.on("error", () => {});
      const refusal = new ErrorReply("ERR max number of clients reached");
      socket.end(encodeReply(refusal, 2), () => socket.destroy());
      return;
    }
    this.totals.connections++;
    const id = ++this.#lastId;
    try {
      this.connections.set(id, new Connection(id, socket, this));
    } catch (error) {
      socket.destroy();
      this.#options.logger.error(`accepting a client failed: ${messageOf(error)}`);
    }
  }

  #flush(): void {
    this.rates.sample(this.clock.monotonicMs());
    const dirty = this.#dirty.splice(0);
    for (const connection of dirty) connection.flush();
    this.load.checkOutput(this.connections.values());
    this.load.wakeLater();
  }
}

function frontendOf(handler: RequestHandler | ForwardingHandler): Frontend {
  assert(
    "handle" in handler !== "forward" in handler,
    "a handler has either `handle` or `forward`",
  );
  return "forward" in handler ? { isForwarding: true, handler } : { isForwarding: false, handler };
}

/** Totals since the start or the last reset; or, as the result of `Rates.get`, rates per second. */
interface Counted {
  readonly requests: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
}

interface Sample extends Counted {
  readonly atMs: number;
}

/** Minimum interval in ms between two samples. */
const SAMPLE_MS = 100;
/** Number of samples that a rate covers, as in Redis. */
const SAMPLES = 16;

/** Recent rates per second, from samples that are taken whenever there is work. */
export class Rates {
  readonly #counted: Counted;
  #samples: readonly Sample[];

  constructor(counted: Counted, nowMs: number) {
    this.#counted = counted;
    this.#samples = [{ ...counted, atMs: nowMs }];
  }

  /** Takes a sample if one is due. To be called often. */
  sample(nowMs: number): void {
    const last = this.#samples[this.#samples.length - 1];
    if (last !== undefined && nowMs - last.atMs < SAMPLE_MS) return;
    const { requests, inputBytes, outputBytes } = this.#counted;
    const sample = { requests, inputBytes, outputBytes, atMs: nowMs };
    this.#samples = [...this.#samples.slice(1 - SAMPLES), sample];
  }

  /**
   * To be called before the totals are set to zero. The rates go on, as samples are moved down by
   * what the totals are.
   */
  noteReset(): void {
    const { requests, inputBytes, outputBytes } = this.#counted;
    this.#samples = this.#samples.map((sample) => ({
      requests: sample.requests - requests,
      inputBytes: sample.inputBytes - inputBytes,
      outputBytes: sample.outputBytes - outputBytes,
      atMs: sample.atMs,
    }));
  }

  /** Rates per second over the last 1.6 s, or over a longer time without work. */
  get(nowMs: number): Counted {
    const recent = this.#samples.filter(({ atMs }) => nowMs - atMs <= SAMPLE_MS * SAMPLES);
    const first = recent[0] ?? this.#samples[this.#samples.length - 1];
    if (first === undefined || nowMs <= first.atMs) {
      return { requests: 0, inputBytes: 0, outputBytes: 0 };
    }
    const perSecond = (now: number, before: number) => (now - before) * 1000 / (nowMs - first.atMs);
    const { requests, inputBytes, outputBytes } = this.#counted;
    return {
      requests: perSecond(requests, first.requests),
      inputBytes: perSecond(inputBytes, first.inputBytes),
      outputBytes: perSecond(outputBytes, first.outputBytes),
    };
  }
}
