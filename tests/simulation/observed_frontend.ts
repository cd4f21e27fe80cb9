import { type Arguments, textOf } from "../../src/base/byte_string.ts";
import { findRow } from "../../src/commands/table.ts";
import type { Connection } from "../../src/server/connection.ts";
import { NodeFrontend } from "../../src/server/node_frontend.ts";
import type { PendingReply } from "../../src/server/pending_reply.ts";

export interface SessionEvents {
  readonly isProxy: (host: string) => boolean;
  readonly fail: (what: string) => never;
}

/**
 * Checks that fences hold: a proxy writes over fenced connections only, a node accepts nothing from
 * one outside the term of its fence, and each write of a proxy's clients has a stamp. What proxies
 * conclude from a refusal depends on both.
 */
export class ObservedFrontend extends NodeFrontend {
  readonly #events: SessionEvents;
  readonly #leads: (term: number) => boolean;
  readonly #fences = new WeakMap<Connection, number>();

  constructor(options: ConstructorParameters<typeof NodeFrontend>[0], events: SessionEvents) {
    super(options);
    this.#events = events;
    this.#leads = (term) => {
      const report = options.node.report();
      return report.role === "leader" && report.term === term;
    };
  }

  override handle(connection: Connection, args: Arguments, reply: PendingReply): void {
    const command = findRow(args);
    const fence = this.#fences.get(connection);
    const isData = command !== null && command.kind !== "local";
    const isOver = fence !== undefined && !this.#leads(fence);
    super.handle(connection, args, reply);
    if (args[0] === "CLUSTER" && args[1] === "FENCE") {
      this.#fences.set(connection, Number(args[2]));
    }
    if (!isData) return;
    const { isProxy, fail } = this.#events;
    if (isOver && !(reply.text ?? "").startsWith("-")) {
      fail(`${args.join(" ")} passes the fence of term ${fence}, which is over`);
    }
    const host = connection.remote.slice(0, connection.remote.lastIndexOf(":"));
    if (command.kind === "write" && fence === undefined && isProxy(host)) {
      fail(`${host} sends ${args.join(" ")} over a connection without a fence`);
    }
    if (
      command.kind === "write" && isProxy(host) && !/^(ONCE|SESSION)$/.test(textOf(args[0] ?? ""))
    ) {
      fail(`${host} sends ${args.join(" ")} without a stamp`);
    }
  }
}
