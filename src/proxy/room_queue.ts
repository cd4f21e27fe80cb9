import { LinkedList } from "../base/linked_list.ts";
import type { ClientQueue } from "./client_queue.ts";
import type { Upstream } from "./upstream.ts";

/** The clients whose next request waits for room on a connection, in order for each connection. */
export class RoomQueue {
  /** Nearly always empty: a connection has room for thousands of requests. */
  readonly #clients = new Map<Upstream, LinkedList<ClientQueue>>();

  first(upstream: Upstream): ClientQueue | null {
    return this.#clients.size === 0 ? null : this.#clients.get(upstream)?.first ?? null;
  }

  countOf(upstream: Upstream): number {
    return this.#clients.get(upstream)?.size ?? 0;
  }

  push(upstream: Upstream, client: ClientQueue): void {
    let clients = this.#clients.get(upstream);
    if (clients === undefined) {
      clients = new LinkedList();
      this.#clients.set(upstream, clients);
    }
    clients.push(client);
  }

  shift(upstream: Upstream): ClientQueue | null {
    const clients = this.#clients.get(upstream);
    if (clients === undefined) return null;
    const client = clients.shift();
    if (clients.size === 0) this.#clients.delete(upstream);
    return client;
  }
}
