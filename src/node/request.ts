import type { Command } from "../commands/command.ts";
import type { Asker } from "./gathering.ts";
import type { Reply } from "../resp/reply.ts";

/** Where the answer goes. */
export interface ReplySink {
  /** Called once. */
  settle(reply: Reply): void;
}

/** A client's connection as the node sees it: what the order of its requests depends on. */
export class ClientOrder implements Asker {
  /** Writes taken from this client whose outcome is still open. */
  openWrites = 0;
  answeredWith: Asker["answeredWith"] = null;
}

/** A read or write on its way through the node. */
export class Request {
  readonly command: Command;
  readonly args: readonly string[];
  readonly client: ClientOrder;
  readonly sink: ReplySink;

  constructor(command: Command, args: readonly string[], client: ClientOrder, sink: ReplySink) {
    this.command = command;
    this.args = args;
    this.client = client;
    this.sink = sink;
  }

  get isWrite(): boolean {
    return this.command.kind === "write";
  }

  settle(reply: Reply): void {
    if (this.isWrite) this.client.openWrites--;
    this.sink.settle(reply);
  }
}
