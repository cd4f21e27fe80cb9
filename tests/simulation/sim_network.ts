import { type Random, randomInteger } from "../../src/base/random.ts";
import type { Address, Listener, Network, Stream } from "../../src/platform/network.ts";
import type { FaultPlan } from "./fault_plan.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimProcess } from "./sim_process.ts";
import { SimStream } from "./sim_stream.ts";

/** When the kernel retries to open a connection that nobody answers: Linux's first attempts. */
const CONNECT_TRIES_MS = [0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000];

/** Maximum loss with which a leader must stay in office. */
const BAD_LINK_LOSS_MAX = 0.03;

interface ListeningProcess {
  readonly process: SimProcess;
  readonly onConnection: (stream: Stream) => void;
}

/** All machines, the directed links between them, and the byte streams over these. */
export class SimNetwork {
  readonly scheduler: Scheduler;
  readonly random: Random;
  /** When false, nothing is lost, repeated or late; cut links stay cut. */
  isFaulty = true;
  readonly plan: FaultPlan;
  readonly #listeners = new Map<string, ListeningProcess>();
  /** Number of faults that cut each link, as `from>to`. */
  readonly #cuts = new Map<string, number>();
  /** Machines without power: they do not even refuse connections. */
  readonly #dark = new Set<string>();
  readonly #streams = new Set<SimStream>();
  /** Links that stay faulty when the faults end elsewhere. */
  readonly #bad = new Set<string>();

  constructor(scheduler: Scheduler, random: Random, plan: FaultPlan) {
    this.scheduler = scheduler;
    this.random = random;
    this.plan = plan;
  }

  /** The network as a process sees it. */
  of(process: SimProcess): Network {
    return {
      listen: (address, onConnection) =>
        Promise.resolve(this.listen(process, address, onConnection)),
      connect: (address, handlers) => {
        const near = new SimStream(this, process, address.host, `${address.host}:${address.port}`);
        near.handle(handlers);
        this.#connect(near, address, 0);
        return near;
      },
    };
  }

  listen(
    process: SimProcess,
    address: Address,
    onConnection: (stream: Stream) => void,
  ): Listener {
    const key = `${address.host}:${address.port}`;
    const listening = { process, onConnection };
    const close = () => {
      if (this.#listeners.get(key) === listening) this.#listeners.delete(key);
    };
    this.#listeners.set(key, listening);
    process.onEnd(close);
    return { address, close };
  }

  cut(from: string, to: string): void {
    this.#cuts.set(`${from}>${to}`, (this.#cuts.get(`${from}>${to}`) ?? 0) + 1);
  }

  mend(from: string, to: string): void {
    this.#cuts.set(`${from}>${to}`, Math.max(0, (this.#cuts.get(`${from}>${to}`) ?? 0) - 1));
  }

  mendAll(): void {
    this.#cuts.clear();
  }

  isCut(from: string, to: string): boolean {
    return (this.#cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  /** Keeps the faults of all links of this machine when they end elsewhere. */
  keepBad(host: string): void {
    this.#bad.add(host);
  }

  /** Whether random faults may hit this link. */
  isLinkFaulty(from: string, to: string): boolean {
    return this.isFaulty || this.#bad.has(from) || this.#bad.has(to);
  }

  /** The probability of a loss on this link, 0 … 1. */
  loss(from: string, to: string): number {
    if (this.isFaulty) return this.plan.loss;
    return this.isLinkFaulty(from, to) ? Math.min(this.plan.loss, BAD_LINK_LOSS_MAX) : 0;
  }

  /** The delay on this link, without losses. */
  delayMs(from: string, to: string): number {
    const { delayMs, jitterMs, straggle, straggleMsMax } = this.plan;
    const usualMs = delayMs + this.random() * jitterMs;
    if (!this.isLinkFaulty(from, to) || this.random() >= straggle) return usualMs;
    return usualMs + this.random() * straggleMsMax;
  }

  setDark(host: string, isDark: boolean): void {
    if (isDark) this.#dark.add(host);
    else this.#dark.delete(host);
  }

  isDark(host: string): boolean {
    return this.#dark.has(host);
  }

  /** Resets a connection, as a middlebox may. */
  resetOne(): string | null {
    const open = [...this.#streams].filter((stream) => stream.isOpen);
    const stream = open[randomInteger(this.random, Math.max(1, open.length))];
    if (stream === undefined) return null;
    stream.reset("connection reset");
    return `${stream.process.name}<>${stream.remote}`;
  }

  opened(stream: SimStream): void {
    this.#streams.add(stream);
  }

  closed(stream: SimStream): void {
    this.#streams.delete(stream);
  }

  #connect(near: SimStream, address: Address, tries: number): void {
    const { name } = near.process;
    const waitMs = (CONNECT_TRIES_MS[tries] ?? Infinity) - (CONNECT_TRIES_MS[tries - 1] ?? 0);
    if (waitMs === Infinity) return near.fail("connection timed out");
    const delayMs = waitMs + this.delayMs(name, address.host);
    this.scheduler.after(delayMs, () => {
      if (!near.isOpening) return;
      const isLost = this.random() < this.loss(name, address.host);
      const isUnheard = isLost || this.isCut(name, address.host) ||
        this.isCut(address.host, name) || this.isDark(address.host);
      if (isUnheard) return this.#connect(near, address, tries + 1);
      this.#accept(near, address);
    });
  }

  #accept(near: SimStream, address: Address): void {
    const listening = this.#listeners.get(`${address.host}:${address.port}`);
    const backMs = this.delayMs(address.host, near.process.name);
    if (listening === undefined) {
      this.scheduler.after(backMs, () => near.fail("connection refused"));
      return;
    }
    const { process, onConnection } = listening;
    const port = 30_000 + randomInteger(this.random, 30_000);
    const far = new SimStream(this, process, near.process.name, `${near.process.name}:${port}`);
    SimStream.join(near, far);
    // The kernel completes the connection even while the process is suspended.
    process.run(() => onConnection(far));
    this.scheduler.after(backMs, () => near.becomeOpen());
  }
}
