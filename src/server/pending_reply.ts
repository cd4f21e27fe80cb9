import { replyTooLarge } from "../commands/command.ts";
import { EncodedStrings, MapReply, type Reply } from "../resp/reply.ts";
import { encodePieces, encodeReply, type Protocol, replyBytes } from "../resp/encode.ts";
import type { Connection } from "./connection.ts";

/** A handler that returns this settles the reply itself, at once or later. */
export const SETTLED_BY_HANDLER: unique symbol = Symbol("settled by the handler");

/** What a handler returns: the reply (`null` is one, as any other), or that it sees to it itself. */
export type Answer = Reply | typeof SETTLED_BY_HANDLER;

const NO_REST: readonly string[] = [];
/** Longer strings are not joined with what stands around them. */
const STRING_BYTES_MAX = 64 * 1024;
/** Longer arrays are encoded in pieces. */
const ARRAY_BYTES_MAX = 256 * 1024;

/**
 * The place of one reply in the order of a connection's replies. It may be settled at any time, in
 * any order across requests; the connection sends in the order of the requests.
 */
export class PendingReply {
  readonly connection: Connection;
  /** The protocol the client spoke when it sent the request; `HELLO` alone changes it. */
  protocol: Protocol;
  /** The next request's, for the connection's list. */
  next: PendingReply | null = null;
  /** Of the request. */
  requestBytes = 0;
  /** Encoded, or `null` while the answer is open. */
  text: string | null = null;
  /** What comes behind `text`, where the reply is long. */
  rest: readonly string[] = NO_REST;
  /** The client has said that it does not want it: it is settled as any other, and takes no bytes. */
  isMuted = false;

  #gone: (() => void) | null = null;

  constructor(connection: Connection, protocol: Protocol) {
    this.connection = connection;
    this.protocol = protocol;
  }

  /** Nobody is there to read it. */
  get isGone(): boolean {
    return this.connection.isClosed;
  }

  get bytes(): number {
    let bytes = this.text?.length ?? 0;
    for (const text of this.rest) bytes += text.length;
    return bytes;
  }

  /** It is open, and may stay so for as long as the client wants. */
  get isWaiting(): boolean {
    return this.#gone !== null && this.text === null;
  }

  /** The request may wait without a bound: `end` is called when the client is gone. */
  whenGone(end: () => void): void {
    this.#gone = end;
    this.connection.mayWait = true;
  }

  /** The client is gone; called by the connection. */
  gone(): void {
    const end = this.#gone;
    this.#gone = null;
    if (this.text === null) end?.();
  }

  /** Answers the request; only the first answer counts. */
  settle(reply: Reply): void {
    if (this.text !== null) return;
    try {
      if (isShort(reply)) this.settleEncoded(encodeReply(reply, this.protocol));
      else this.#settleLong(reply);
    } catch (error) {
      this.failed(error);
    }
  }

  /**
   * Answers with one complete RESP value, one character (0–255) for each byte.
   *
   * @param rest comes behind the text
   */
  settleEncoded(text: string, rest: readonly string[] = NO_REST): void {
    if (this.text !== null) return;
    this.text = this.isMuted ? "" : text;
    this.rest = this.isMuted ? NO_REST : rest;
    this.connection.settled(this);
  }

  /** It cannot be answered, because of a fault of ours. */
  failed(error: unknown): void {
    this.connection.failed(error);
  }

  /** Does something for this request alone: what goes wrong in it ends the connection, no more. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.failed(error);
    }
  }

  #settleLong(reply: Reply): void {
    const { outputBytesMax } = this.connection;
    const bytes = replyBytes(reply, outputBytesMax);
    // A single string may be the answer to a write, which has been executed: it goes out.
    const isRefused = typeof reply !== "string" && bytes > outputBytesMax;
    if (isRefused) return this.settle(replyTooLarge(outputBytesMax));
    if (typeof reply !== "string" && bytes <= ARRAY_BYTES_MAX) {
      return this.settleEncoded(encodeReply(reply, this.protocol));
    }
    const [text = "", ...rest] = encodePieces(reply, this.protocol);
    this.settleEncoded(text, rest);
  }
}

function isShort(reply: Reply): boolean {
  if (typeof reply === "string") return reply.length <= STRING_BYTES_MAX;
  return !Array.isArray(reply) && !(reply instanceof MapReply) &&
    !(reply instanceof EncodedStrings);
}
