import type { ByteString } from "../base/byte_string.ts";
import type { Listed } from "../base/linked_list.ts";
import type { Command } from "../commands/command.ts";
import { SESSION_GROUP } from "../commands/session_rows.ts";
import { keysOf } from "../commands/table.ts";
import type { Asker } from "../node/clients/batch_pacer.ts";
import { encodeCount, encodeReply, type Protocol } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { RequestText } from "../resp/request_decoder.ts";
import { DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { type LeasedSession, STAMP_ARGUMENTS, type WriteSessions } from "./write_sessions.ts";

/** A read of more keys may take long, as one that names none. */
const LIGHT_KEYS_MAX = 64;
/** The keys of a request with more arguments are not looked for: that would take milliseconds. */
const SEARCHED_ARGUMENTS_MAX = 512;
/** A request that is longer may keep a node busy by itself. */
const LIGHT_BYTES_MAX = 1024 * 1024;
/** How many silent nodes may be left at work on a read that is not heavy, while another is asked. */
const MOVES_MAX = 2;
/** A request that this many nodes were lost with may be what ended them. */
const LOSSES_MAX = 2;

/** A request that would have more arguments than a node takes is not stamped. */
const STAMPED_ARGUMENTS_MAX = DEFAULT_CLIENT_LIMITS.argumentsMax - STAMP_ARGUMENTS;

const NO_REST: readonly ByteString[] = [];

/** Where the answer goes, at its place among the client's replies. */
export interface EncodedReplySink {
  readonly protocol: Protocol;
  /**
   * @param text one complete reply, as it goes over the wire
   * @param rest what comes behind the text, where the reply is long
   */
  settleEncoded(text: string, rest?: readonly ByteString[]): void;
}

/** The client of a request, as far as the request and its connection know it. */
export interface RequestOwner extends Asker {
  readonly isClosed: boolean;
  /** Writes that are sent and not answered. */
  readonly writesUnderWay: number;
  /** A node has answered the oldest request under way. */
  takeAnswer(request: ProxyRequest, text: string): void;
  /** The oldest request under way is lost with its connection, or taken back. */
  takeLoss(request: ProxyRequest, isExecuted: "maybe" | "no"): void;
  /** Sends what is left, after requests were lost. */
  proceed(): void;
}

/** How a request is routed; `wait` stands alone on a connection of its own. */
export type RouteKind = "read" | "write" | "wait";

/** A client's request on its way to a node and back. */
export class ProxyRequest implements Listed<ProxyRequest> {
  readonly client: RequestOwner;
  readonly command: Command;
  readonly kind: RouteKind;
  readonly sink: EncodedReplySink;
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
  /** How often a silent node was left with it. */
  moves = 0;
  /** How many connections the nodes ended that it was under way on. */
  losses = 0;
  /** What comes behind the text of the answer that is just handed out. */
  rest: readonly ByteString[] = NO_REST;
  list: object | null = null;
  next: ProxyRequest | null = null;
  readonly #request: RequestText;
  #keys: readonly string[] | null = null;
  /** What comes before it: their number, or the stamp. */
  #head: string;
  #sessions: WriteSessions | null = null;
  #session: LeasedSession | null = null;
  #serial = 0;

  constructor(
    client: RequestOwner,
    command: Command,
    request: RequestText,
    sink: EncodedReplySink,
    arrivedMs: number,
  ) {
    this.client = client;
    this.command = command;
    this.kind = command.kind === "local" ? "wait" : command.kind;
    this.sink = sink;
    this.sentMs = arrivedMs;
    this.#request = request;
    this.#head = encodeCount(request.count);
    this.bytes = this.#head.length + request.bytes;
  }

  get protocol(): Protocol {
    return this.sink.protocol;
  }

  /** As it goes over the wire; if an argument is long, up to that one. */
  get text(): string {
    return this.#head + this.#request.text;
  }

  /** What follows the text on the wire: long arguments, and text between them. */
  get requestRest(): readonly ByteString[] {
    return this.#request.rest;
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

  /** Which keys it touches is not known, or too much to go through. */
  get isWide(): boolean {
    return this.#request.count > SEARCHED_ARGUMENTS_MAX || this.keys.length === 0;
  }

  get keys(): readonly string[] {
    this.#keys ??= keysOf(this.command, this.#request.args());
    return this.#keys;
  }

  /** It may be what keeps a node busy: many nodes must not be given it. */
  get isHeavy(): boolean {
    if (this.kind === "wait") return false;
    if (this.bytes > LIGHT_BYTES_MAX) return true;
    return !this.isWrite && (this.isWide || this.keys.length > LIGHT_KEYS_MAX);
  }

  /** Whether another node may be asked while one that is silent may still be at it. */
  get mayMove(): boolean {
    return this.kind === "wait" || this.moves + this.losses < MOVES_MAX;
  }

  /** Whether so many nodes were lost with it that no other one is to be given it. */
  get isSuspect(): boolean {
    if (this.kind === "wait" || (this.isWrite && !this.isHeavy)) return false;
    return this.losses >= LOSSES_MAX;
  }

  settle(text: string): void {
    this.isSettled = true;
    this.drop();
    if (!this.client.isClosed) this.sink.settleEncoded(text, this.rest);
  }

  /** It has waited for too long. */
  giveUp(waitedMs: number): void {
    if (this.isUncertain) return this.settle(WRITE_LOST);
    const isAsked = this.firstSentMs !== null && this.kind === "read";
    this.settle(isAsked ? readNotAnswered(waitedMs) : heldTooLong(waitedMs));
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

export const READ_LOST = errorText(
  `ERR ${LOSSES_MAX} nodes were lost while they worked on this read, it is not given to another one`,
);

export const WRITE_OVERTAKEN = errorText(
  "TRYAGAIN A later write of this connection may be executed already, this one was not executed",
);

export function readNotAnswered(triedMs: number): string {
  return errorText(
    `CLUSTERDOWN no node has answered this read, tried for ${Math.round(triedMs)} ms`,
  );
}

export function heldTooLong(heldMs: number): string {
  return errorText(`CLUSTERDOWN no leader, held ${Math.round(heldMs)} ms`);
}

export function tooManyWaits(waitsMax: number): string {
  return errorText(`ERR ${waitsMax} clients of this proxy wait already (--waits-max)`);
}

export function holdIsFull(limit: string, flag: string): string {
  return errorText(`CLUSTERDOWN no leader, held 0 ms: ${limit} are held already (${flag})`);
}
