import { Redis } from "ioredis";
import { messageOf } from "../../src/base/errors.ts";
import { outcomeOf, PossibleValues } from "./history.ts";

/** Number of repetitions of the commands in one packet. */
const REPETITIONS = 8;
/** Distance between the counters of two clients, so that a value identifies its client. */
const COUNTER_SPACING = 1_000_000;

interface Step {
  readonly kind: "set" | "get" | "incr" | "getOther";
  readonly args: readonly string[];
}

type Answer = readonly [error: Error | null, reply: unknown];

/**
 * A client whose packets of commands show by their replies whether effects and replies came in the
 * order sent, and whether the replies belong to this client: `SET k 1`, `GET k`, `SET k 2`, `GET
 * k`, `INCR`s of a counter, and a `GET` of another client's key.
 */
export class OrderedClient {
  /** Number of packets answered in full, without an error. */
  packets = 0;
  isStopping = false;
  readonly violations: string[] = [];
  readonly errors: string[] = [];
  readonly #id: number;
  readonly #neighbour: number;
  readonly #redis: Redis;
  readonly #key: string;
  readonly #counterKey: string;
  readonly #value = new PossibleValues(null);
  readonly #counter: PossibleValues;
  #serial = 0;

  constructor(id: number, clients: number, port: number) {
    this.#id = id;
    this.#neighbour = (id + 1) % clients;
    this.#key = `ordered:${id}`;
    this.#counterKey = `counter:${id}`;
    this.#counter = new PossibleValues(String(id * COUNTER_SPACING));
    this.#redis = new Redis({ host: "127.0.0.1", port });
    this.#redis.on("error", () => {}); // it reconnects by itself
  }

  async run(): Promise<void> {
    await this.#redis.set(this.#counterKey, this.#id * COUNTER_SPACING);
    while (!this.isStopping) await this.#sendPacket();
    this.close();
  }

  close(): void {
    this.isStopping = true;
    this.#redis.disconnect();
  }

  async #sendPacket(): Promise<void> {
    const steps = Array.from({ length: REPETITIONS }, () => this.#steps()).flat();
    const pipeline = this.#redis.pipeline();
    for (const { args: [name = "", ...args] } of steps) pipeline.call(name, ...args);
    const answers = (await pipeline.exec() ?? []) as readonly Answer[];
    const errorsBefore = this.errors.length;
    steps.forEach((step, at) => {
      const answer = answers[at] ?? [new Error("no answer"), null];
      if (answer[0] === null) this.#answered(step, answer[1]);
      else this.#failed(steps, at, messageOf(answer[0]));
    });
    if (this.errors.length === errorsBefore) this.packets++;
  }

  #steps(): Step[] {
    const set = (): Step => ({ kind: "set", args: ["SET", this.#key, this.#nextValue()] });
    const get: Step = { kind: "get", args: ["GET", this.#key] };
    const incr: Step = { kind: "incr", args: ["INCR", this.#counterKey] };
    const getOther: Step = { kind: "getOther", args: ["GET", `ordered:${this.#neighbour}`] };
    return [set(), get, set(), get, incr, getOther, incr];
  }

  #nextValue(): string {
    return `${this.#id}:${++this.#serial}`;
  }

  #answered(step: Step, reply: unknown): void {
    if (!this.#isRight(step, reply)) {
      this.violations.push(
        `client ${this.#id}: ${step.args.join(" ")} returned ${JSON.stringify(reply)}; ` +
          `its value was ${this.#value}, its counter ${this.#counter}`,
      );
    }
  }

  #isRight({ kind, args }: Step, reply: unknown): boolean {
    if (kind === "get") return this.#value.sees(reply as string | null);
    if (kind === "getOther") {
      return reply === null || String(reply).startsWith(`${this.#neighbour}:`);
    }
    if (kind === "incr") {
      this.#counter.wrote("done", increment);
      return this.#counter.sees(String(reply));
    }
    this.#value.wrote("done", () => args[2] ?? "");
    return reply === "OK";
  }

  #failed(steps: readonly Step[], at: number, error: string): void {
    this.errors.push(error);
    const { kind, args } = steps[at] as Step;
    if (kind === "set") this.#value.wrote(outcomeOf(error), () => args[2] ?? "");
    else if (kind === "incr") this.#counter.wrote(outcomeOf(error), increment);
    this.violations.push(`client ${this.#id}: ${args.join(" ")} failed: ${error}`);
  }
}

function increment(before: string | null): string {
  return String(Number(before ?? "0") + 1);
}
