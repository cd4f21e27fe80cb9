import type { Command } from "../commands/command.ts";
import { keysOf } from "../commands/table.ts";
import { encodeReply, encodeRequest, type Protocol } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { ClientQueue } from "./client_queue.ts";

/** Where the answer goes, at its place among the client's replies. */
export interface ReplySink {
  readonly protocol: Protocol;
  /** @param text one complete reply, as it goes over the wire */
  settleEncoded(text: string): void;
}

/** How a request is routed; `wait` stands alone on a connection of its own. */
export type RouteKind = "read" | "write" | "wait";

/** A client's request on its way to a node and back. */
export class ProxyRequest {
  readonly client: ClientQueue;
  readonly command: Command;
  readonly args: readonly string[];
  readonly kind: RouteKind;
  readonly sink: ReplySink;
  readonly arrivedMs: number;
  /** As it goes over the wire. */
  readonly text: string;
  sentMs = 0;
  /** An answer or refusal that was kept back, because something before it has to be repeated. */
  kept: string | null = null;
  /** Was refused by a node, or lost with it, at least once. */
  wasRepeated = false;
  isSettled = false;
  next: ProxyRequest | null = null;

  constructor(
    client: ClientQueue,
    command: Command,
    args: readonly string[],
    sink: ReplySink,
    arrivedMs: number,
  ) {
    this.client = client;
    this.command = command;
    this.args = args;
    this.kind = command.kind === "local" ? "wait" : command.kind;
    this.sink = sink;
    this.arrivedMs = arrivedMs;
    this.text = encodeRequest(args);
  }

  get protocol(): Protocol {
    return this.sink.protocol;
  }

  /** Bytes on the wire. */
  get bytes(): number {
    return this.text.length;
  }

  get isWrite(): boolean {
    return this.kind === "write";
  }

  keys(): string[] {
    return keysOf(this.command, this.args);
  }

  settle(text: string): void {
    this.isSettled = true;
    if (!this.client.isClosed) this.sink.settleEncoded(text);
  }
}

/**
 * A node's answer that promises: not executed. `moved`, and `down` to a write, also say that the node
 * does not lead, so that nothing behind it on a fenced connection is executed either.
 */
export function refusalOf(text: string): "moved" | "down" | "again" | null {
  if (text.charCodeAt(0) !== 0x2d) return null;
  if (text.startsWith("-MOVED ")) return "moved";
  if (text.startsWith("-CLUSTERDOWN ")) return "down";
  return text.startsWith("-TRYAGAIN ") ? "again" : null;
}

function errorText(text: string): string {
  return encodeReply(new ErrorReply(text), 2);
}

export const WRITE_LOST = errorText(
  "UNKNOWN The connection to the leader was lost, the write may or may not be executed",
);

export const WRITE_OVERTAKEN = errorText(
  "TRYAGAIN A later write of this connection may be executed already, this one was not executed",
);

export const READ_OVERTAKEN = errorText(
  "TRYAGAIN The read was lost, and a later write to the same key may be executed already",
);

export function heldTooLong(heldMs: number): string {
  return errorText(`CLUSTERDOWN no leader, held ${Math.round(heldMs)} ms`);
}

export function holdIsFull(limit: string, flag: string): string {
  return errorText(`CLUSTERDOWN no leader, held 0 ms: ${limit} are held already (${flag})`);
}
