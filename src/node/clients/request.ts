import { formatRedisAddress } from "../../base/address.ts";
import type { Arguments } from "../../base/byte_string.ts";
import { messageOf } from "../../base/errors.ts";
import type { Command } from "../../commands/command.ts";
import { keySlot } from "../../commands/key_slot.ts";
import { keysOf, rowOf } from "../../commands/table.ts";
import type { Address } from "../../platform/network.ts";
import { ErrorReply, type Reply } from "../../resp/reply.ts";
import type { PacedClient } from "./batch_pacer.ts";

/** Takes the reply to one request. For a client it is a `PendingReply` of the server. */
export interface ReplySink {
  /** Called once. */
  settle(reply: Reply): void;
  /** Whether nobody wants the reply any more. @default false */
  readonly isGone?: boolean;
  /** Called instead of `settle` when a read threw. @default the client gets an error */
  failed?(error: unknown): void;
}

/** State of one client's connection that keeps its requests in order. */
export class ClientOrder implements PacedClient {
  /** Number of writes taken from this client and not answered yet. */
  openWrites = 0;
  answeredWith: PacedClient["answeredWith"] = null;
}

/** A read or write on its way through the node. */
export class Request {
  readonly command: Command;
  readonly args: Arguments;
  readonly client: ClientOrder;
  readonly sink: ReplySink;
  /** Monotonic time of arrival. The time limits of the request count from here. */
  sinceMs = 0;

  constructor(command: Command, args: Arguments, client: ClientOrder, sink: ReplySink) {
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

  /** A read threw. Its client gets an error rather than a reply that might be wrong. */
  fail(error: unknown): void {
    if (this.sink.failed !== undefined) this.sink.failed(error);
    else this.sink.settle(new ErrorReply(`ERR The read failed: ${messageOf(error)}`));
  }
}

/** The Redis Cluster slot of the first key; 0 when there is none. */
export function slotOf({ command, args }: Pick<Request, "command" | "args">): number {
  const [key] = keysOf(command, args);
  return key === undefined ? 0 : keySlot(key);
}

// The refusals below state what happened: MOVED, CLUSTERDOWN and TRYAGAIN promise that the request
// was not executed. UNKNOWN means an outcome that this node cannot know.

/** Redirects a client to the leader, as Redis Cluster does. */
export function moved(slot: number, leader: Address): ErrorReply {
  return new ErrorReply(`MOVED ${slot} ${formatRedisAddress(leader)}`);
}

export const NO_LEADER = new ErrorReply(
  "CLUSTERDOWN No leader is known, the write was not executed",
);

export function readNotConfirmed(waitedMs: number): ErrorReply {
  return new ErrorReply(
    `CLUSTERDOWN No leader confirmed the read within ${Math.round(waitedMs)} ms`,
  );
}

export const LEADER_CHANGED = new ErrorReply(
  "TRYAGAIN The leader changed, the request was not executed",
);

export const CATCHING_UP = new ErrorReply(
  "TRYAGAIN This node is catching up with the leader, the read was not executed",
);

export const TOO_MUCH_IN_FLIGHT = new ErrorReply(
  "TRYAGAIN Too many bytes of writes are in flight, the write was not executed",
);

/** Tells a proxy that no later write was executed without an earlier one. */
export const REFUSED_BEFORE = new ErrorReply(
  "TRYAGAIN An earlier request of this connection was refused, this one was not executed",
);

export const OUTCOME_UNKNOWN = new ErrorReply(
  "UNKNOWN The leader changed before the write was confirmed, it may or may not be executed",
);

export const WRITE_NOT_CONFIRMED = new ErrorReply(
  "UNKNOWN The write was not confirmed in time, it may or may not be executed",
);

export const WRITE_NOT_BEGUN = new ErrorReply(
  "TRYAGAIN The write did not get into the log in time, it was not executed",
);

/** Whether the state machine at this version knows a write, and the write inside it, if any. */
export function isKnownAt(version: number, request: Pick<Request, "command" | "args">): boolean {
  const { machineSince = 1 } = request.command;
  const innerSince = innerOf(request)?.machineSince ?? 1;
  return Math.max(machineSince, innerSince) <= Math.max(1, version);
}

/** The command inside a request, if it contains one. */
function innerOf({ command, args }: Pick<Request, "command" | "args">): Command | undefined {
  return command.inner === undefined ? undefined : rowOf(args.slice(command.inner.from));
}

export function tooNew(request: Pick<Request, "command" | "args">, version: number): ErrorReply {
  const { name } = innerOf(request) ?? request.command;
  return new ErrorReply(
    `ERR '${name}' is not known to state machine version ${version}, which the cluster uses ` +
      "until all members run a newer version of Regent; the request was not executed",
  );
}

export const STOPPING = new ErrorReply("CLUSTERDOWN The node is stopping");
