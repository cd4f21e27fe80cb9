import { type Random, randomInteger } from "../../src/base/random.ts";

/** A request: its key, and the words before and after it. */
export interface Request {
  readonly key: string;
  /** The request without its key, as the checker expects it. */
  readonly args: readonly string[];
}

/**
 * Number of requests on a key before a new key replaces it, since long values and histories are
 * slow to check.
 */
const REQUESTS_PER_KEY = 300;

/** A long value, so that logs grow, snapshots are taken, and a full disk is noticed. */
const LONG = "-".repeat(32 * 1024);

/** The requests for each kind of key. `#` is a new value, `##` a long one. */
const SHAPES: Readonly<Record<string, readonly (readonly string[])[]>> = {
  register: [
    ["GET"],
    ["GET"],
    ["GET"],
    ["SET", "#"],
    ["SET", "#"],
    ["SET", "#", "GET"],
    ["SET", "#", "NX"],
    ["SET", "#", "XX"],
    ["DEL"],
    ["EXISTS"],
  ],
  plain: [["GET"], ["GET"], ["SET", "#"], ["SET", "##"]],
  counter: [["INCR"], ["INCR"], ["INCR"], ["GET"], ["INCRBY", "10"]],
  list: [["APPEND", "#"], ["APPEND", "#"], ["GET"]],
  flag: [["SET", "#", "NX"], ["SET", "#", "NX"], ["GET"], ["DEL"]],
  written: [["SET", "#"]],
};

const MIXED = Object.keys(SHAPES).filter((kind) => kind !== "written");

/** Keys that replace each other. */
interface Family {
  readonly name: string;
  requests: number;
}

/** Draws requests on a few keys that many clients share. Each value is used once. */
export class Workload {
  readonly #random: Random;
  readonly #prefix: string;
  readonly #families: readonly Family[];
  readonly #keys = new Set<string>();
  #values = 0;

  /**
   * @param prefix prefix of all keys
   * @param copies number of keys of each kind that are in use at a time
   * @param kinds kinds of keys; by default all but the one that is only written
   */
  constructor(random: Random, prefix: string, copies: number, kinds: readonly string[] = MIXED) {
    this.#random = random;
    this.#prefix = prefix;
    this.#families = Array.from(
      { length: copies },
      (_, at) => kinds.map((shape) => ({ name: `${shape}:${at}`, requests: 0 })),
    ).flat();
  }

  /** All keys drawn so far. */
  get keys(): readonly string[] {
    return [...this.#keys];
  }

  next(): Request {
    const family = this.#anyFamily();
    const [shape = ""] = family.name.split(":");
    const shapes = SHAPES[shape] ?? [];
    const args = shapes[randomInteger(this.#random, shapes.length)] ?? ["GET"];
    const key = this.#keyOf(family);
    family.requests++;
    return { key, args: args.map((arg) => this.#filledIn(arg)) };
  }

  /** A read of a key that is in use now. */
  nextRead(): Request {
    return { key: this.#keyOf(this.#anyFamily()), args: ["GET"] };
  }

  #anyFamily(): Family {
    const family = this.#families[randomInteger(this.#random, this.#families.length)];
    if (family === undefined) throw new Error("a workload needs keys");
    return family;
  }

  #keyOf({ name, requests }: Family): string {
    const key = `${this.#prefix}:${name}:${Math.floor(requests / REQUESTS_PER_KEY)}`;
    this.#keys.add(key);
    return key;
  }

  #filledIn(arg: string): string {
    if (!arg.startsWith("#")) return arg;
    return `${arg === "##" ? LONG : ""}${this.#prefix}${++this.#values}.`;
  }
}

/** The request in the form in which it is sent. */
export function wireRequest({ key, args }: Request): string[] {
  const [name = "", ...rest] = args;
  return [name, key, ...rest];
}
