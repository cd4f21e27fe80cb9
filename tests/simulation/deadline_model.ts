import type { Reply } from "../../src/resp/reply.ts";

/**
 * Computes from the commands alone when keys whose names begin with `t` expire: by the log's time,
 * and by nothing else. Knows `GET key` and `SET key value [NX|XX] PX milliseconds`.
 */
export class DeadlineModel {
  /** The log's time at which each key expires. */
  readonly #deadlines: Map<string, number>;

  constructor(deadlines: ReadonlyMap<string, number> = new Map()) {
    this.#deadlines = new Map(deadlines);
  }

  copy(): DeadlineModel {
    return new DeadlineModel(this.#deadlines);
  }

  /**
   * @param timeMs the log's time
   * @returns what is wrong with the reply, or `null`
   */
  executed(args: readonly string[], reply: Reply, timeMs: number): string | null {
    const [command, key = "", ...rest] = args;
    if (!key.startsWith("t")) return null;
    const endsMs = this.#deadlines.get(key) ?? -Infinity;
    const isAlive = endsMs > timeMs;
    const isExpected = command === "GET" ? (reply !== null) === isAlive : (reply !== null) ===
      (rest.includes("NX") ? !isAlive : rest.includes("XX") ? isAlive : true);
    if (!isExpected) {
      const told = reply === null ? "nothing" : "success";
      return `${args.join(" ")} gives ${told} at ${timeMs}, and the key ends at ${endsMs}`;
    }
    if (command === "SET" && reply !== null) this.#deadlines.set(key, timeMs + Number(rest.at(-1)));
    return null;
  }
}
