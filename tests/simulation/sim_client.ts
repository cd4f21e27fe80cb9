import { latin1Bytes } from "../../src/base/bytes.ts";
import { randomInteger } from "../../src/base/random.ts";
import type { Address, Stream } from "../../src/platform/network.ts";
import { encodeRequest } from "../../src/resp/encode.ts";
import { type Reply, SimpleString } from "../../src/resp/reply.ts";
import { decodeReply, ReplyScanner } from "../../src/resp/reply_scanner.ts";
import type { Call, Ending, SimHistory } from "./sim_history.ts";
import { HostClock, type SimProcess } from "./sim_process.ts";
import type { SimProxy } from "./sim_proxy.ts";
import type { TimeOracle } from "./time_oracle.ts";
import type { World } from "./world.ts";

const PIPELINE_MAX = 8;
/** A prefix like that of expiring keys, but with deadlines after the end of most simulations. */
export const LASTING_KEY = "t9";
/** Idle time, by the log's time, after which a proxy's session expires. */
const SESSION_MS = 600_000;
/** Maximum number of unanswered requests of a client that does not wait for answers. */
const UNANSWERED_MAX = 12;

export interface SimClientOptions {
  readonly name: string;
  readonly history: SimHistory;
  /** Addresses to which it may connect. It goes to another one after an error. */
  readonly targets: readonly Address[];
  /** Keys that it shares with others. The first letter tells their purpose. */
  readonly keys: readonly string[];
}

/**
 * A client that sends reads and writes with unique values, some of them pipelined, and records
 * everything.
 */
export class SimClient {
  readonly name: string;
  readonly #world: World;
  readonly #options: SimClientOptions;
  readonly #process: SimProcess;
  readonly #pipelineMax: number;
  readonly #thinkMsMax: number;
  readonly #patienceMs: number;
  /** Whether it goes on sending while it waits for answers. */
  readonly #isHasty: boolean;
  #target: Address;
  #connection: ClientConnection | null = null;
  #connections = 0;
  #serial = 0;
  #isStopped = false;

  constructor(world: World, options: SimClientOptions) {
    const { random } = world;
    this.#world = world;
    this.#options = options;
    this.name = options.name;
    this.#process = world.process(options.name, new HostClock(0, 1));
    this.#pipelineMax = randomInteger(random, 2) === 0
      ? 1
      : 1 + randomInteger(random, PIPELINE_MAX);
    this.#thinkMsMax = [2, 20, 100][randomInteger(random, 3)] ?? 20;
    this.#patienceMs = [400, 1_500, 6_000][randomInteger(random, 3)] ?? 1_500;
    this.#isHasty = randomInteger(random, 3) === 0;
    this.#target = this.#pickTarget();
  }

  /** Whether it waits for answers. */
  get isBusy(): boolean {
    return (this.#connection?.calls.length ?? 0) > 0;
  }

  start(): void {
    this.#later(() => this.#go(), 20);
  }

  /** Stops sending. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Gives up all unanswered requests. */
  abandon(): void {
    this.#connection?.close();
  }

  #later(run: () => void, mostMs: number): void {
    this.#process.clock.after(this.#world.random() * mostMs, run);
  }

  #go(): void {
    if (this.#isStopped) return;
    const connection = this.#connection;
    if (connection === null) return this.#connect();
    if (this.#isHasty) this.#goOnWith(connection);
    if (connection.calls.length > UNANSWERED_MAX) return;
    const count = 1 + randomInteger(this.#world.random, this.#pipelineMax);
    const ownKey = `own:${this.name}:${this.#connections}`;
    if (connection.proxy !== null) this.#options.history.noteStamped(ownKey);
    const requests = Array.from({ length: count }, () => this.#request(ownKey));
    connection.send(requests);
  }

  #goOnWith(connection: ClientConnection): void {
    this.#later(() => {
      if (this.#connection === connection) this.#go();
    }, 2 * this.#thinkMsMax);
  }

  #connect(): void {
    this.#connections++;
    this.#connection = new ClientConnection(this.#world, this.#process, this.#target, {
      name: this.name,
      history: this.#options.history,
      patienceMs: this.#patienceMs,
      opened: () => this.#later(() => this.#go(), this.#thinkMsMax),
      answeredAll: () => {
        if (!this.#isHasty) this.#later(() => this.#go(), this.#thinkMsMax);
      },
      moved: (address) => {
        this.#target = address;
        if (this.#world.random() < 0.8) this.#connection?.close();
      },
      closed: () => {
        this.#connection = null;
        if (this.#world.random() < 0.5) this.#target = this.#pickTarget();
        this.#later(() => this.#go(), 50);
      },
    });
  }

  #pickTarget(): Address {
    const { targets } = this.#options;
    const target = targets[randomInteger(this.#world.random, targets.length)];
    if (target === undefined) throw new RangeError("Cannot connect: there are no targets");
    return target;
  }

  #request(ownKey: string): string[] {
    const { random } = this.#world;
    const { keys } = this.#options;
    if (random() < (this.#isHasty ? 0.9 : 0.3)) {
      return ownRequest(ownKey, random(), () => this.#value());
    }
    const key = keys[randomInteger(random, keys.length)] ?? "r0";
    const chance = random();
    if (key.startsWith("c")) return counterRequest(key, chance);
    if (key.startsWith("t")) {
      const longMs = key === LASTING_KEY ? 10_000 : 0;
      const forMs = String(longMs + 20 + randomInteger(random, 1_500));
      return passingRequest(key, chance, forMs, () => this.#value());
    }
    return registerRequest(key, chance, () => this.#value());
  }

  /** A value that is never used twice. */
  #value(): string {
    const value = `${this.name}.${++this.#serial}`;
    const { random, plan } = this.#world;
    if (plan.fat === 0 || random() >= plan.fat) return value;
    return `${value}:${"x".repeat(randomInteger(random, plan.fatBytesMax))}`;
  }
}

function counterRequest(key: string, chance: number): string[] {
  if (chance < 0.55) return ["INCR", key];
  return chance < 0.96 ? ["GET", key] : ["DEL", key];
}

function registerRequest(key: string, chance: number, value: () => string): string[] {
  if (chance < 0.45) return ["GET", key];
  if (chance < 0.7) return ["SET", key, value()];
  if (chance < 0.78) return ["SET", key, value(), "NX"];
  if (chance < 0.86) return ["SET", key, value(), "XX"];
  return chance < 0.93 ? ["DEL", key] : ["APPEND", key, `,${value()}`];
}

/** A request on an expiring key, whose result depends on whether the deadline has passed. */
function passingRequest(
  key: string,
  chance: number,
  forMs: string,
  value: () => string,
): string[] {
  if (chance < 0.2) return ["SET", key, value(), "PX", forMs];
  if (chance < 0.3) return ["SET", key, value(), "NX", "PX", forMs];
  return chance < 0.4 ? ["SET", key, value(), "XX", "PX", forMs] : ["GET", key];
}

/** A request on a key that nobody else writes: only the order matters. */
function ownRequest(key: string, chance: number, value: () => string): string[] {
  if (chance < 0.35) return ["GET", key];
  if (chance < 0.65) return ["APPEND", key, `,${value()}`];
  return chance < 0.95 ? ["SET", key, value()] : ["DEL", key];
}

export interface ClientConnectionOptions {
  readonly name: string;
  readonly history: SimHistory;
  readonly patienceMs: number;
  readonly opened: () => void;
  /** All requests are answered. */
  readonly answeredAll: () => void;
  /** A node replied that the leader is elsewhere. */
  readonly moved: (address: Address) => void;
  readonly closed: () => void;
  readonly answered?: (ending: Ending) => void;
}

/** One connection of a client: requests out, replies in, in order. */
export class ClientConnection {
  /** Unanswered requests, oldest first. */
  readonly calls: Call[] = [];
  /** The time oracle's judgement of each answer. */
  readonly #judgements: ReturnType<TimeOracle["asked"]>[] = [];
  /** The proxy to which it is connected, or `null` for a node. */
  readonly proxy: SimProxy | null;
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #options: ClientConnectionOptions;
  readonly #stream: Stream;
  readonly #scanner = new ReplyScanner({ replyBytesMax: 1 << 24 });
  #isClosed = false;
  #isOpen = false;

  constructor(
    world: World,
    process: SimProcess,
    target: Address,
    options: ClientConnectionOptions,
  ) {
    this.#world = world;
    this.#process = process;
    this.#options = options;
    this.proxy = world.proxies.get(target.host) ?? null;
    this.#stream = world.network.of(process).connect(target, {
      onOpen: () => {
        this.#isOpen = true;
        options.opened();
      },
      onData: (bytes) => this.#received(bytes),
      onClose: () => this.close(),
    });
    process.clock.after(options.patienceMs, () => {
      if (!this.#isOpen) this.close();
    });
  }

  /** @param requests each with its name first and its key second */
  send(requests: readonly (readonly string[])[]): void {
    if (this.#isClosed) return;
    const { name, history, patienceMs } = this.#options;
    const nowMs = this.#world.scheduler.nowMs;
    for (const request of requests) {
      const [command = "", key = "", ...rest] = request;
      this.calls.push(history.call(name, key, [command, ...rest], nowMs));
      this.#judgements.push(this.#world.timeOracle.asked(request, nowMs));
      this.#world.note(name, command, key, ...rest.map(clip));
    }
    this.#stream.write(latin1Bytes(requests.map(encodeRequest).join("")));
    const last = this.calls.at(-1);
    this.#process.clock.after(patienceMs, () => {
      if (last !== undefined && this.calls.includes(last)) this.close();
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stream.close();
    if (this.calls.length > 0) this.#world.note(this.#options.name, "lost", this.calls.length);
    for (const call of this.calls.splice(0)) this.#options.history.lost(call);
    this.#options.closed();
  }

  #received(bytes: Uint8Array): void {
    this.#scanner.push(bytes);
    for (;;) {
      const scanned = this.#scanner.next();
      if (scanned.kind === "incomplete" || this.#isClosed) return;
      if (scanned.kind === "invalid") this.#fail(`received invalid RESP: ${scanned.error}`);
      else this.#answered(scanned.text);
    }
  }

  #answered(text: string): void {
    const { name, history } = this.#options;
    const call = this.calls.shift();
    const judge = this.#judgements.shift();
    if (call === undefined) return this.#fail(`got a reply that it did not ask for: ${text}`);
    if (text.startsWith("-UNKNOWN ")) this.#checkPatience(call);
    const ending = history.answered(call, text, this.#world.scheduler.nowMs);
    this.#world.note(name, "=", call.args[0] ?? "", call.key, clip(text.replaceAll("\r\n", " ")));
    if (typeof ending === "object") return this.#fail(ending.wrong);
    if (ending === "ok") judge?.(this.#world.scheduler.nowMs, textOf(decodeReply(text)));
    this.#options.answered?.(ending);
    const [, host, port] = /^-MOVED \d+ (.*):(\d+)\r\n$/.exec(text) ?? [];
    if (host !== undefined) this.#options.moved({ host, port: Number(port) });
    if (this.calls.length === 0 && !this.#isClosed) this.#options.answeredAll();
  }

  /** A proxy may reply UNKNOWN only after it has tried for its full time. */
  #checkPatience({ args, invokedMs }: Call): void {
    const { plan, scheduler, timeOracle } = this.#world;
    // If too few right clocks were known, the log's time is corrected later in one jump.
    const mayHaveExpired = timeOracle.leaptMs + scheduler.nowMs >= SESSION_MS;
    if (this.proxy === null || mayHaveExpired) return;
    const triedMs = scheduler.nowMs - invokedMs;
    const leastMs = this.proxy.holdMsMax * (1 - plan.clockRateMax) * 0.95;
    if (triedMs < leastMs) {
      this.#fail(`is told UNKNOWN of ${args.join(" ")} after ${triedMs} ms, ahead of ${leastMs}`);
    }
  }

  #fail(what: string): void {
    this.#world.oracle.fail(`${this.#options.name} ${what}`);
  }
}

function textOf(reply: Reply): string | null {
  if (reply instanceof SimpleString) return reply.text;
  return typeof reply === "string" ? reply : null;
}

function clip(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 30)}…${text.slice(-20)}`;
}
