import { parseAddress } from "../../../src/base/address.ts";
import { type Logger, silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { checkRequest } from "../../../src/commands/table.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { ClientQueue } from "../../../src/proxy/client_queue.ts";
import type { ProxyLimits } from "../../../src/proxy/limits.ts";
import { ProxyCore } from "../../../src/proxy/proxy.ts";
import type { EncodedReplySink } from "../../../src/proxy/proxy_request.ts";
import type { Protocol } from "../../../src/resp/encode.ts";
import { ErrorReply, type Reply, SimpleString } from "../../../src/resp/reply.ts";
import { decodeReply } from "../../../src/resp/reply_scanner.ts";
import { RequestText } from "../../../src/resp/request_decoder.ts";
import { ManualClock } from "../node/manual_clock.ts";
import { MemoryNetwork } from "../node/memory_network.ts";
import { FakeCluster } from "./fake_node.ts";

export interface ProxyBenchOptions {
  readonly nodes?: number;
  readonly limits?: Partial<ProxyLimits>;
  readonly seeds?: readonly string[];
  readonly logger?: Logger;
  /** @default 1 */
  readonly delayMs?: number;
}

/** A proxy between fake clients and fake nodes, in one process, on a manual clock. */
export class ProxyBench {
  readonly clock = new ManualClock();
  readonly network: MemoryNetwork;
  readonly cluster: FakeCluster;
  readonly core: ProxyCore;

  #stalledMs = 0;
  readonly #proxyClock: Clock = {
    nowMs: () => this.clock.nowMs() + this.#stalledMs,
    monotonicMs: () => this.clock.monotonicMs() + this.#stalledMs,
    after: (delayMs, run) => this.clock.after(delayMs, run),
    soon: (run) => this.clock.soon(run),
  };

  constructor(options: ProxyBenchOptions = {}) {
    this.network = new MemoryNetwork(this.clock, { delayMs: options.delayMs ?? 1 });
    this.cluster = new FakeCluster(this.network, this.clock);
    this.cluster.start(options.nodes ?? 3);
    const seeds = options.seeds ?? ["10.0.0.1:7001"];
    this.core = new ProxyCore({
      seeds: seeds.map((text) => parseAddress(text) ?? { host: text, port: 0 }),
      network: this.network,
      clock: this.#proxyClock,
      random: seededRandom(1),
      logger: options.logger ?? silentLogger,
      limits: options.limits ?? {},
    });
    this.core.start();
  }

  /** A bench whose proxy has found the nodes and opened its connections. */
  static ready(options: ProxyBenchOptions = {}): ProxyBench {
    const bench = new ProxyBench(options);
    bench.advance(100);
    return bench;
  }

  advance(ms: number): void {
    this.clock.advance(ms);
    this.clock.settle();
  }

  /** Suspends the proxy's process: its timers run and its input arrives late. */
  stall(ms: number): void {
    this.#stalledMs += ms;
  }

  client(protocol: Protocol = 2): BenchClient {
    return new BenchClient(this.core, this.#proxyClock, protocol);
  }
}

/** A client's connection to the proxy without a socket. Replies come in the order of requests. */
export class BenchClient {
  readonly #core: ProxyCore;
  readonly #clock: Clock;
  readonly #queue: ClientQueue;
  readonly #slots: BenchSlot[] = [];
  protocol: Protocol;

  constructor(core: ProxyCore, clock: Clock, protocol: Protocol) {
    this.#core = core;
    this.#clock = clock;
    this.#queue = core.router.openClient();
    this.protocol = protocol;
  }

  /** Sends requests, whose words are separated by spaces, in one packet. */
  send(...requests: string[]): void {
    for (const text of requests) {
      const args = text.split(" ");
      const command = checkRequest(args);
      const slot = new BenchSlot(this.protocol);
      this.#slots.push(slot);
      const request = RequestText.of(args);
      this.#core.router.submit(this.#queue, command, request, slot, this.#clock.monotonicMs());
    }
  }

  close(): void {
    this.#core.router.closeClient(this.#queue);
  }

  /**
   * One word for each request: the value, `OK`, `nil`, an error's code, or `…` while it is open.
   */
  get replies(): string[] {
    return this.#slots.map(({ text }) => text === null ? "…" : wordOf(decodeReply(text)));
  }

  /** The replies as they arrived. */
  get texts(): (string | null)[] {
    return this.#slots.map(({ text }) => text);
  }

  get openCount(): number {
    return this.#slots.filter(({ text }) => text === null).length;
  }
}

class BenchSlot implements EncodedReplySink {
  text: string | null = null;

  constructor(readonly protocol: Protocol) {}

  settleEncoded(text: string): void {
    if (this.text !== null) throw new Error(`Cannot answer twice: current value is ${this.text}`);
    this.text = text;
  }
}

function wordOf(reply: Reply): string {
  if (reply instanceof SimpleString) return reply.text;
  if (reply instanceof ErrorReply) return reply.text.split(" ")[0] ?? "";
  return reply === null ? "nil" : String(reply);
}
