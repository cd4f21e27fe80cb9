import type { Cancel, Clock } from "../node/clock.ts";
import type { Address } from "../node/network.ts";
import type { Node } from "../node/node.ts";
import type { StateReport } from "../node/state_report.ts";
import { MapReply, PushReply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";

/** `host:port`, or nothing while it is unknown. */
export function clientAddressText(address: Address | null): string {
  return address === null ? "" : `${address.host}:${address.port}`;
}

/** The connections (proxies, mostly) that are told of the node's state as it changes. */
export class StateWatchers {
  readonly #node: Node;
  readonly #clock: Clock;
  readonly #timers = new Map<Connection, Cancel>();
  #cancelWatch: Cancel | null = null;

  constructor(node: Node, clock: Clock) {
    this.#node = node;
    this.#clock = clock;
  }

  /** Pushes at once, at every change, and each `intervalMs`. */
  add(connection: Connection, intervalMs: number): void {
    this.#timers.get(connection)?.();
    this.#cancelWatch ??= this.#node.watch(() => this.#pushAll());
    const beat = () => {
      this.#push(connection);
      this.#timers.set(connection, this.#clock.after(intervalMs, beat));
    };
    this.#timers.set(connection, this.#clock.after(0, beat));
  }

  remove(connection: Connection): void {
    this.#timers.get(connection)?.();
    this.#timers.delete(connection);
    if (this.#timers.size > 0) return;
    this.#cancelWatch?.();
    this.#cancelWatch = null;
  }

  #pushAll(): void {
    for (const connection of this.#timers.keys()) this.#push(connection);
  }

  #push(connection: Connection): void {
    connection.push(statePush(this.#node.report()));
  }
}

function statePush(report: StateReport): PushReply {
  const nodes = report.members
    .filter(({ clientAddress }) => clientAddress !== null)
    .map(({ id, clientAddress }) => [id, clientAddressText(clientAddress)]);
  return new PushReply([
    "regent-state",
    new MapReply([
      ["id", report.id],
      ["cluster-id", report.clusterId],
      ["role", report.role],
      ["term", report.term],
      ["leader-id", report.leaderId ?? ""],
      ["leader-address", clientAddressText(report.leaderAddress)],
      ["commit-index", report.commitIndex],
      ["applied-index", report.appliedIndex],
      ["serving", report.isServing ? 1 : 0],
      ["queue", report.queued],
      ["nodes", nodes],
    ]),
  ]);
}
