import type { Command } from "../commands/command.ts";
import { keysOf } from "../commands/table.ts";
import { SESSION_GROUP } from "../commands/session_rows.ts";
import { encodeCount, encodeReply, type Protocol } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { RequestText } from "../resp/request_text.ts";
import type { ClientQueue } from "./client_queue.ts";
import { type LeasedSession, STAMP_ARGUMENTS } from "./leased_session.ts";
import type { WriteSessions } from "./write_sessions.ts";

/** A node takes 2^20 arguments by default: a request that would go beyond is not stamped. */
const STAMPED_ARGUMENTS_MAX = 2 ** 20 - STAMP_ARGUMENTS;

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
  readonly kind: RouteKind;
  readonly sink: ReplySink;
  /** On the wire, without its stamp. */
  readonly bytes: number;
  /** When it was sent last; until it is sent, when it arrived. */
  sentMs: number;
  /** When it was sent first; `null` unless a node has refused it, or was lost with it. */
  firstSentMs: number | null = null;
  /** A refusal that was kept back, because something before it has to be repeated. */
  kept: string | null = null;
  /** A write that may have been executed, as far as the answers so far tell. */
  isUncertain = false;
  isSettled = false;
  next: ProxyRequest | null = null;
  readonly #request: RequestText;
  #keys: readonly string[] | null = null;
  /** What comes before it: their number, or the stamp. */
  #head: string;
  #sessions: WriteSessions | null = null;
  #session: LeasedSession | null = null;
  #serial = 0;

  constructor(
    client: ClientQueue,
    command: Command,
    request: RequestText,
    sink: ReplySink,
    arrivedMs: number,
  ) {
    this.client = client;
    this.command = command;
    this.kind = command.kind === "local" ? "wait" : command.kind;
    this.sink = sink;
    this.sentMs = arrivedMs;
    this.#request = request;
    this.#head = encodeCount(request.count);
    this.bytes = this.#head.length + request.text.length;
  }

  get protocol(): Protocol {
    return this.sink.protocol;
  }

  /** As it goes over the wire. */
  get text(): string {
    return this.#head + this.#request.text;
  }

  get isWrite(): boolean {
    return this.kind === "write";
  }

  /** It is to be stamped before it is sent. */
  get wantsStamp(): boolean {
    return this.kind === "write" && this.#session === null &&
      this.command.group !== SESSION_GROUP && this.#request.count <= STAMPED_ARGUMENTS_MAX;
  }

  /** However often it is sent, it is executed once: stamped by the proxy, or by the client itself. */
  get isRepeatable(): boolean {
    return this.#session !== null || this.command.name === "once";
  }

  /** The session that it is stamped with. */
  get session(): LeasedSession | null {
    return this.#session;
  }

  /** Gives it a serial of the session, under which it is sent from now on. */
  stamp(sessions: WriteSessions, session: LeasedSession, nowMs: number): void {
    this.#sessions = sessions;
    this.#session = session;
    this.#serial = session.give(nowMs);
    this.#head = session.stampText(this.#serial, this.#request.count);
  }

  /** It was not executed under its stamp, and is to get another one. */
  unstamp(): void {
    this.drop();
    this.#head = encodeCount(this.#request.count);
  }

  /** It will not be sent again. */
  drop(): void {
    if (this.#session === null) return;
    this.#sessions?.release(this.#session, this.#serial);
    this.#session = null;
  }

  get keys(): readonly string[] {
    this.#keys ??= keysOf(this.command, this.#request.args());
    return this.#keys;
  }

  settle(text: string): void {
    this.isSettled = true;
    this.drop();
    if (!this.client.isClosed) this.sink.settleEncoded(text);
  }

  /** It has waited for too long. */
  giveUp(waitedMs: number): void {
    this.settle(this.isUncertain ? WRITE_LOST : heldTooLong(waitedMs));
  }
}

/**
 * A node's answer that promises: not executed. To a write on a fenced connection it also promises
 * that nothing behind it was executed, and `moved` does so to a read.
 */
export function refusalOf(text: string): "moved" | "down" | "again" | null {
  if (text.charCodeAt(0) !== 0x2d) return null;
  if (text.startsWith("-MOVED ")) return "moved";
  if (text.startsWith("-CLUSTERDOWN ")) return "down";
  return text.startsWith("-TRYAGAIN ") ? "again" : null;
}

/**
 * A node's answer to a write that may have been executed nevertheless: `unknown` says so itself;
 * `forgotten` says that the session, or the serial, was not found this time.
 */
export function doubtOf(text: string): "unknown" | "forgotten" | null {
  if (text.charCodeAt(0) !== 0x2d) return null;
  if (text.startsWith("-UNKNOWN ")) return "unknown";
  return text.startsWith("-NOSESSION ") || text.startsWith("-STALE ") ? "forgotten" : null;
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

export function heldTooLong(heldMs: number): string {
  return errorText(`CLUSTERDOWN no leader, held ${Math.round(heldMs)} ms`);
}

export function holdIsFull(limit: string, flag: string): string {
  return errorText(`CLUSTERDOWN no leader, held 0 ms: ${limit} are held already (${flag})`);
}
