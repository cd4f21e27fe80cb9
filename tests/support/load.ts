import { Register, UniqueWrites } from "./history.ts";
import { LoadClient, type LoadHistory } from "./load_client.ts";
import { MachineWatch } from "./machine_watch.ts";
import { until } from "./until.ts";

export interface LoadOptions {
  /** Ports to which the clients connect, in turn. */
  readonly ports: readonly number[];
  /** @default 6 */
  readonly clients?: number;
  /** Prefix of the keys, which separates loads that run at the same time. @default "load" */
  readonly name?: string;
}

/** Long enough for slow machines. */
const PATIENCE_MS = 120_000;
/**
 * Number of longest gaps of each kind that are judged: without the machine's own delays another one
 * may be the longest.
 */
const GAPS_JUDGED = 20;

/**
 * Clients that write and read all the time, and record the history. Each client writes keys that
 * are used once, increments a register of its own, reads both back, and reads the registers of the
 * others.
 */
export class Load implements LoadHistory {
  readonly writes = new UniqueWrites();
  readonly writeErrors: string[] = [];
  readonly readErrors: string[] = [];
  readonly violations: string[] = [];
  readonly registers: readonly Register[];
  readonly #clients: LoadClient[];
  readonly #watch = new MachineWatch();
  #running: Promise<unknown> = Promise.resolve();

  private constructor({ ports, clients = 6, name = "load" }: LoadOptions) {
    this.registers = Array.from(
      { length: clients },
      (_, id) => new Register(`${name}:register:${id}`),
    );
    this.#clients = this.registers.map((register, id) => {
      const port = ports[id % ports.length] ?? 0;
      return new LoadClient(this, { id, port, name, register });
    });
  }

  /** Starts all clients and waits until each has written. */
  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    load.#running = Promise.all(load.#clients.map((client) => client.run()));
    try {
      await load.untilMore(10);
    } catch (error) {
      await load.abort();
      throw error;
    }
    return load;
  }

  get errors(): string[] {
    return [...this.writeErrors, ...this.readErrors];
  }

  /** The longest time so far without a success of any client. */
  get longestGapMs(): number {
    return Math.max(0, ...this.#gaps().map(({ fromMs, toMs }) => toMs - fromMs));
  }

  /** The same, without the time by which the machine delayed a process. */
  get longestOwnGapMs(): number {
    const own = this.#gaps().map(({ fromMs, toMs }) =>
      toMs - fromMs - this.#watch.waitedMs(fromMs, toMs)
    );
    return Math.max(0, ...own);
  }

  /** Waits until every client has written and read this many more times. */
  async untilMore(count: number): Promise<void> {
    const before = this.#clients.map(({ writes, reads }) => [writes.length, reads.length] as const);
    await until(
      `each client succeeds ${count} times more`,
      () =>
        this.#clients.every(({ writes, reads }, at) => {
          const [writesBefore, readsBefore] = before[at] ?? [0, 0];
          return writes.length >= writesBefore + count && reads.length >= readsBefore + count;
        }),
      { timeoutMs: PATIENCE_MS, describe: () => this.describe() },
    );
  }

  /** Lets all clients finish their requests, and disconnects them. */
  async stop(): Promise<void> {
    for (const client of this.#clients) client.isStopping = true;
    await this.#running;
    this.#watch.stop();
  }

  /** Ends at once. Requests in flight fail with errors of the client library. */
  async abort(): Promise<void> {
    for (const client of this.#clients) client.abort();
    await this.#running;
    this.#watch.stop();
  }

  describe(): string {
    const { writes, errors, violations } = this;
    const counts = new Map<string, number>();
    for (const error of errors) counts.set(error, (counts.get(error) ?? 0) + 1);
    return `${writes.count("done")} keys written, ${writes.count("unknown")} unknown, ` +
      `${writes.count("refused")} refused, longest gap ${Math.round(this.longestGapMs)} ms, ` +
      `errors: ${JSON.stringify([...counts])}, violations: ${JSON.stringify(violations)}`;
  }

  /** The longest gaps between successes of one kind. */
  #gaps(): Gap[] {
    return (["writes", "reads"] as const).flatMap((kind) => {
      const times = this.#clients.flatMap((client) => client[kind]).sort((a, b) => a - b);
      const gaps = times.slice(1).map((toMs, at) => ({ fromMs: times[at] ?? toMs, toMs }));
      return gaps.sort((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs)).slice(0, GAPS_JUDGED);
    });
  }
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}
