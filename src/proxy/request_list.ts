import type { ProxyRequest } from "./proxy_request.ts";

/** Requests of one client in order, chained through themselves: a request is on one list at most. */
export class RequestList {
  #first: ProxyRequest | null = null;
  #last: ProxyRequest | null = null;
  #size = 0;

  get first(): ProxyRequest | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  push(request: ProxyRequest): void {
    request.next = null;
    if (this.#last === null) this.#first = request;
    else this.#last.next = request;
    this.#last = request;
    this.#size++;
  }

  shift(): ProxyRequest | null {
    const request = this.#first;
    if (request === null) return null;
    this.#first = request.next;
    if (request.next === null) this.#last = null;
    request.next = null;
    this.#size--;
    return request;
  }

  unshift(request: ProxyRequest): void {
    request.next = this.#first;
    this.#first = request;
    this.#last ??= request;
    this.#size++;
  }

  /** Takes all of them. */
  drain(): ProxyRequest[] {
    const requests: ProxyRequest[] = [];
    for (let request = this.shift(); request !== null; request = this.shift()) {
      requests.push(request);
    }
    return requests;
  }
}
