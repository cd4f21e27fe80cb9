import { LONG_BYTES_MIN } from "../../src/base/byte_string.ts";
import { latin1Bytes } from "../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../src/base/random.ts";
import { StateMachine } from "../../src/commands/state_machine.ts";
import { checkRequest } from "../../src/commands/table.ts";
import { encodeReply, type Protocol } from "../../src/resp/encode.ts";
import type { RawRespClient } from "../support/raw_resp_client.ts";
import { replyOf } from "../support/reply_of.ts";
import { agree, elements } from "./agreement.ts";
import { CommandGenerator, type GeneratedRequest } from "./command_generator.ts";

const BATCH = 250;

/** The position of the value of each command, which is sometimes long. */
const VALUE_AT: Readonly<Record<string, number>> = {
  set: 2,
  setnx: 2,
  getset: 2,
  append: 2,
  setex: 3,
  setrange: 3,
  mset: 2,
};
const LONG_SHARE = 0.05;

/** A request to which Redis and Regent reply differently. */
export interface Difference {
  readonly args: readonly string[];
  readonly expected: string;
  readonly actual: string;
}

/** Sends the same requests to a real Redis and to a state machine, and compares the replies. */
export class RedisComparison {
  readonly #redis: RawRespClient;
  readonly #protocol: Protocol;
  readonly #machine = new StateMachine();
  readonly #random: Random;
  readonly #generator: CommandGenerator;

  constructor(redis: RawRespClient, protocol: Protocol, seed: number) {
    this.#redis = redis;
    this.#protocol = protocol;
    this.#random = seededRandom(seed ^ 0x5eed);
    this.#generator = new CommandGenerator(seededRandom(seed));
  }

  /**
   * Generates `count` requests, and compares the replies and the final states. Returns the first
   * difference.
   */
  async run(count: number): Promise<Difference | null> {
    await this.#redis.send(["HELLO", String(this.#protocol)], ["FLUSHALL"]);
    for (let done = 0; done < count; done += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, count - done) }, () => this.#next())
        .flat();
      const difference = await this.compare(batch) ?? await this.#compareState();
      if (difference) return difference;
    }
    return null;
  }

  async compare(requests: readonly GeneratedRequest[]): Promise<Difference | null> {
    // Both clocks are read at about the same time. The machine's stands still during the batch.
    this.#machine.advanceTime(Date.now());
    const replies = await this.#redis.send(...requests.map(({ args }) => args));
    for (const [index, { args, agreement }] of requests.entries()) {
      const expected = replies[index] ?? "";
      const actual = this.#execute(args);
      const exists = (key: string) => this.#machine.keyspace.find(key) !== undefined;
      if (!agree(agreement, expected, actual, exists)) return { args, expected, actual };
    }
    return null;
  }

  #next(): GeneratedRequest[] {
    const request = this.#withLongValue(this.#generator.next());
    // Redis counts expired keys until it removes them, which a whole scan makes it do.
    return request.args[0]?.toLowerCase() === "dbsize"
      ? [{ args: ["SCAN", "0", "COUNT", "1000000"], agreement: "scan" }, request]
      : [request];
  }

  /** The request, perhaps with a value that is long enough to be kept as bytes. */
  #withLongValue(request: GeneratedRequest): GeneratedRequest {
    const args = [...request.args];
    const at = VALUE_AT[args[0]?.toLowerCase() ?? ""];
    if (at === undefined || at >= args.length || this.#random() >= LONG_SHARE) return request;
    const character = String.fromCharCode(randomInteger(this.#random, 256));
    args[at] = character.repeat(LONG_BYTES_MIN - 2 + randomInteger(this.#random, 2_000));
    return { ...request, args };
  }

  async #compareState(): Promise<Difference | null> {
    const keys: GeneratedRequest = { args: ["KEYS", "*"], agreement: "set" };
    const found = elements(this.#execute(keys.args));
    return await this.compare([
      keys,
      ...found.flatMap((key): GeneratedRequest[] => [
        { args: ["GET", key], agreement: "bytes" },
        { args: ["PEXPIRETIME", key], agreement: "deadlineMilliseconds" },
      ]),
    ]);
  }

  #execute(texts: readonly string[]): string {
    const args = texts.map((text) => text.length < LONG_BYTES_MIN ? text : latin1Bytes(text));
    const reply = replyOf(() =>
      this.#machine.execute(checkRequest(args), args, this.#machine.timeMs, this.#random)
    );
    return encodeReply(reply, this.#protocol);
  }
}
