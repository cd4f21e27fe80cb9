import { assert } from "../base/errors.ts";
import type { ClientQueue } from "./client_queue.ts";

/** Clients that wait for the same thing, in order. A client stands on one list at most. */
export class ClientList {
  #first: ClientQueue | null = null;
  #last: ClientQueue | null = null;
  #size = 0;

  get first(): ClientQueue | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  push(client: ClientQueue): void {
    assert(client.listedOn === null, "a client is put on two lists");
    client.listedOn = this;
    if (this.#last === null) this.#first = client;
    else this.#last.nextListed = client;
    this.#last = client;
    this.#size++;
  }

  shift(): ClientQueue | null {
    const client = this.#first;
    if (client === null) return null;
    this.#first = client.nextListed;
    if (this.#first === null) this.#last = null;
    client.nextListed = null;
    client.listedOn = null;
    this.#size--;
    return client;
  }

  *[Symbol.iterator](): IterableIterator<ClientQueue> {
    for (let client = this.#first; client !== null; client = client.nextListed) yield client;
  }
}
