import { randomInteger } from "../../src/base/random.ts";
import { encodeRequest } from "../../src/resp/encode.ts";

export type LoadCommand = "set" | "get";

export interface LoadRequestsOptions {
  readonly command: LoadCommand;
  /** How many keys there are. */
  readonly keys: number;
  readonly valueBytes: number;
}

/** The key of a number, 16 bytes long: those which `redis-benchmark` uses as well. */
export function loadKey(at: number): string {
  return `key:${String(at).padStart(12, "0")}`;
}

/** Makes the bytes of requests at little cost. */
export class LoadRequests {
  readonly #before: string;
  readonly #after: string;
  readonly #keys: number;

  constructor({ command, keys, valueBytes }: LoadRequestsOptions) {
    const key = loadKey(0);
    const request = command === "set"
      ? encodeRequest(["SET", key, "x".repeat(valueBytes)])
      : encodeRequest(["GET", key]);
    const at = request.indexOf(key);
    this.#before = request.slice(0, at);
    this.#after = request.slice(at + key.length);
    this.#keys = keys;
  }

  /** For a key chosen by chance. */
  random(): string {
    return this.of(randomInteger(Math.random, this.#keys));
  }

  of(key: number): string {
    return this.#before + loadKey(key) + this.#after;
  }
}
