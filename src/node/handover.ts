import type { Request } from "./request.ts";

/**
 * Requests that come while leadership is on its way to another node: nothing has been done for them,
 * and they wait until it is known where they must go instead.
 */
export class Handover {
  #requests: Request[] = [];
  #untilMs = -Infinity;

  /** This node has just stopped leading in favour of another. */
  begin(requests: readonly Request[], untilMs: number): void {
    this.#requests.push(...requests);
    this.#untilMs = untilMs;
  }

  /** Whether requests are better kept than refused, as long as no leader is known. */
  isUnderWay(nowMs: number): boolean {
    return nowMs < this.#untilMs;
  }

  add(request: Request): void {
    if (request.isWrite) request.client.openWrites++;
    this.#requests.push(request);
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** It is over. */
  takeAll(): Request[] {
    this.#untilMs = -Infinity;
    return this.#requests.splice(0);
  }
}
