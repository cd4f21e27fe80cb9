import type { ByteString } from "../base/byte_string.ts";
import type { Listed } from "../base/queues.ts";
import type { Command } from "../commands/command.ts";
import { SESSION_GROUP } from "../commands/session_rows.ts";
import { keysOf } from "../commands/table.ts";
import type { PacedClient } from "../node/clients/batch_pacer.ts";
import { encodeCount, encodeReply, type Protocol } from "../resp/encode.ts";
import { ErrorReply } from "../resp/reply.ts";
import type { RequestText } from "../resp/request_decoder.ts";
import { DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { type LeasedSession, STAMP_ARGUMENTS, type WriteSessions } from "./write_sessions.ts";

/** Maximum number of keys of a light read. A read of more keys, or of none, may take long. */
const LIGHT_KEYS_MAX = 64;
/** Maximum number of arguments that are searched for keys. More would take milliseconds. */
const SEARCHED_ARGUMENTS_MAX = 512;
/** Maximum bytes of a light request. A longer one may keep a node busy by itself. */
const LIGHT_BYTES_MAX = 1024 * 1024;
/** Maximum number of silent nodes that may be working on a read while another node is asked. */
const SILENT_NODES_MAX = 2;
/** Number of nodes lost while working on a request, at which it is suspected to be the cause. */
const LOSSES_MAX = 2;

/**
 * Maximum number of arguments of a request that is stamped: a node accepts no more with the stamp.
 */
const STAMPED_ARGUMENTS_MAX = DEFAULT_CLIENT_LIMITS.argumentsMax - STAMP_ARGUMENTS;

const NO_REST: readonly ByteString[] = [];

/** Receives the answer, at its place among the client's replies. */
export interface EncodedReplySink {
  readonly protocol: Protocol;
  /**
   * @param text one complete reply, as it goes over the wire
   * @param rest the pieces after it, where the reply is long
   */
  settleEncoded(text: string, rest?: readonly ByteString[]): void;
}

/** The client of a request, as far as the request and its connection know it. */
export interface RequestOwner extends PacedClient {
  readonly isClosed: boolean;
  /** Number of writes sent and not answered. */
  readonly writesInFlight: number;
  /** A node has answered the oldest request in flight. */
  takeAnswer(request: ProxyRequest, text: string): void;
  /** The oldest request in flight is lost with its connection, or taken back. */
  takeLoss(request: ProxyRequest, isExecuted: "maybe" | "no"): void;
  /** Sends the remaining requests, after some were lost. */
  proceed(): void;
}

/** How a request is routed. A `wait` gets a dedicated connection. */
export type RouteKind = "read" | "write" | "wait";

/** A client's request on its way to a node and back. */
export class ProxyRequest implements Listed<ProxyRequest> {
  readonly client: RequestOwner;
  readonly command: Command;
  readonly kind: RouteKind;
  readonly sink: EncodedReplySink;
  /** Length in bytes on the wire, without the stamp. */
  readonly bytes: number;
  /** When it was last sent; before that, when it arrived. */
  sentMs: number;
  /** When it was first sent; `null` until a node has refused or lost it. */
  firstSentMs: number | null = null;
  /** A refusal that is held back, because an earlier request has to be sent again. */
  kept: string | null = null;
  /** Whether it is a write that, by the answers so far, may have been executed. */
  isUncertain = false;
  isSettled = false;
  /** Number of silent nodes that may still be working on it. */
  silentNodeCount = 0;
  /** Number of connections that their nodes ended while it was in flight on them. */
  losses = 0;
  /** The pieces after the text of the answer that is being delivered. */
  rest: readonly ByteString[] = NO_REST;
  list: object | null = null;
  next: ProxyRequest | null = null;
  readonly #request: RequestText;
  #keys: readonly string[] | null = null;
  /** What precedes its arguments on the wire: their number, or the stamp. */
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

  /** The request as it is sent, with the stamp if it has one, up to the first long argument. */
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

  /** Whether it gets a stamp before it is sent. */
  get wantsStamp(): boolean {
    return this.kind === "write" && this.#session === null &&
      this.command.group !== SESSION_GROUP && this.#request.count <= STAMPED_ARGUMENTS_MAX;
  }

  /**
   * Whether it is executed once however often it is sent: the proxy or the client has stamped it.
   */
  get isStamped(): boolean {
    return this.#session !== null || this.command.name === "once";
  }

  /** The session of its stamp; `null` without one. */
  get session(): LeasedSession | null {
    return this.#session;
  }

  /** Stamps it with the next serial of the session. */
  stamp(sessions: WriteSessions, session: LeasedSession, nowMs: number): void {
    this.#sessions = sessions;
    this.#session = session;
    this.#serial = session.nextSerial(nowMs);
    this.#head = session.stampText(this.#serial, this.#request.count);
  }

  /** Removes the stamp, under which it was not executed. */
  unstamp(): void {
    this.drop();
    this.#head = encodeCount(this.#request.count);
  }

  /** Releases its serial: it will not be sent again. */
  drop(): void {
    if (this.#session === null) return;
    this.#sessions?.release(this.#session, this.#serial);
    this.#session = null;
  }

  /** Whether its keys are not known, or too many to list. */
  get hasUnknownKeys(): boolean {
    return this.#request.count > SEARCHED_ARGUMENTS_MAX || this.keys.length === 0;
  }

  get keys(): readonly string[] {
    this.#keys ??= keysOf(this.command, this.#request.args());
    return this.#keys;
  }

  /** Whether it may keep a node busy by itself, so that it must not be sent to many nodes. */
  get isHeavy(): boolean {
    if (this.kind === "wait") return false;
    if (this.bytes > LIGHT_BYTES_MAX) return true;
    return !this.isWrite && (this.hasUnknownKeys || this.keys.length > LIGHT_KEYS_MAX);
  }

  /** Whether another node may be asked while a silent one may still work on it. */
  get mayMove(): boolean {
    return this.kind === "wait" || this.silentNodeCount + this.losses < SILENT_NODES_MAX;
  }

  /** Whether so many nodes were lost while working on it that no other node may get it. */
  get isSuspect(): boolean {
    if (this.kind === "wait" || (this.isWrite && !this.isHeavy)) return false;
    return this.losses >= LOSSES_MAX;
  }

  settle(text: string): void {
    this.isSettled = true;
    this.drop();
    if (!this.client.isClosed) this.sink.settleEncoded(text, this.rest);
  }

  /** Answers it with an error, since it has waited for too long. */
  giveUp(waitedMs: number, isLeaderKnown: boolean): void {
    if (this.isUncertain) return this.settle(WRITE_LOST);
    const wasSent = this.firstSentMs !== null && this.kind === "read";
    this.settle(wasSent ? readNotAnswered(waitedMs) : heldTooLong(waitedMs, isLeaderKnown));
  }
}

/**
 * Whether a node's answer promises that the request was not executed; `null` if it does not. To a
 * write on a fenced connection it also promises that nothing after it was executed. To a read, only
 * `moved` promises that as well.
 */
export function refusalOf(text: string): "moved" | "down" | "again" | null {
  if (text.charCodeAt(0) !== 0x2d) return null;
  if (text.startsWith("-MOVED ")) return "moved";
  if (text.startsWith("-CLUSTERDOWN ")) return "down";
  return text.startsWith("-TRYAGAIN ") ? "again" : null;
}

/**
 * Whether a node's answer leaves open if the write was executed: `unknown` says so itself,
 * `forgotten` says that the session or serial was not found this time. `null`: it does not.
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
  "UNKNOWN No leader has confirmed the write, it may or may not have been executed",
);

export const READ_LOST = errorText(
  `ERR ${LOSSES_MAX} nodes were lost while they worked on this read, it is not sent to another one`,
);

export const WRITE_OVERTAKEN = errorText(
  "TRYAGAIN A later write of this connection may have been executed already, this one was not",
);

function readNotAnswered(triedMs: number): string {
  return errorText(
    `CLUSTERDOWN no node has answered this read, tried for ${Math.round(triedMs)} ms`,
  );
}

function heldTooLong(heldMs: number, isLeaderKnown: boolean): string {
  const reason = isLeaderKnown ? "no node has taken this request" : "no leader";
  return errorText(`CLUSTERDOWN ${reason}, held ${Math.round(heldMs)} ms`);
}

export function tooManyWaits(waitsMax: number): string {
  return errorText(`ERR ${waitsMax} clients of this proxy are already waiting (--waits-max)`);
}

/** @param limit the limit that is reached */
export function holdIsFull(limit: string, isLeaderKnown: boolean): string {
  return errorText(`CLUSTERDOWN ${isLeaderKnown ? "" : "no leader, held 0 ms: "}${limit}`);
}
