import { type ByteString, textOf } from "../base/byte_string.ts";
import { LinkedList } from "../base/queues.ts";
import { replyTooLarge } from "../commands/command_error.ts";
import { encodePieces, encodeReply, isString, type Protocol, replyBytes } from "../resp/encode.ts";
import { EncodedStrings, MapReply, type Reply } from "../resp/reply.ts";
import type { ReplyOutput } from "./reply_output.ts";

const NO_REST: readonly ByteString[] = [];
/** Bytes above which a string is encoded in a piece of its own, without copying it. */
const STRING_BYTES_MAX = 64 * 1024;
/** Bytes above which an array is encoded in pieces. */
const ARRAY_BYTES_MAX = 256 * 1024;

/** The connection that replies belong to, as far as they know it. */
export interface ReplyingConnection {
  readonly isClosed: boolean;
  /** Bytes of one reply above which the client gets an error instead. */
  readonly outputBytesMax: number;
  /** Set when one of its requests may wait without a bound. */
  mayWait: boolean;
  /** Notes that a reply is settled. */
  noteSettled(reply: PendingReply): void;
  /** Ends the connection, since serving a request failed: a bug in Regent. */
  fail(error: unknown): void;
}

/**
 * The place of one reply in the order of a connection's replies. Replies may be settled at any time
 * and in any order. The connection sends them in the order of the requests.
 */
export class PendingReply {
  readonly connection: ReplyingConnection;
  /** The protocol that the client spoke when it sent the request. Only `HELLO` changes it. */
  protocol: Protocol;
  list: object | null = null;
  next: PendingReply | null = null;
  /** Length of the request in bytes. */
  requestBytes = 0;
  /** The encoded answer, or its beginning; `null` while it is open. */
  text: string | null = null;
  /** Length of the answer in bytes; an upper bound while it is not encoded as a whole. */
  bytes = 0;
  /** Whether the client has suppressed it. It is settled as any other, with an empty text. */
  isMuted = false;

  #gone: (() => void) | null = null;
  /** The pieces after `text`. Those of a long reply are encoded when they are sent. */
  #rest: Iterator<ByteString> | null = null;
  /** What is sent right after the answer. */
  #after = "";
  #handedBytes = 0;
  #isBegun = false;

  constructor(connection: ReplyingConnection, protocol: Protocol) {
    this.connection = connection;
    this.protocol = protocol;
  }

  /** Whether the client is gone. */
  get isGone(): boolean {
    return this.connection.isClosed;
  }

  /** Bytes that are not handed over yet. */
  get waitingBytes(): number {
    return this.isHandedOver ? 0 : Math.max(0, this.bytes - this.#handedBytes);
  }

  /** Whether it is handed over in part. */
  get isInPieces(): boolean {
    return this.#isBegun && this.#rest !== null;
  }

  /** Whether all of the settled answer is in `text`. */
  get isOnePiece(): boolean {
    return this.#rest === null;
  }

  get isHandedOver(): boolean {
    return this.#isBegun && this.#rest === null;
  }

  /** Whether it is open, and may stay open without a bound. */
  get isWaiting(): boolean {
    return this.#gone !== null && this.text === null;
  }

  /** Marks a request that may wait without a bound. `onGone` is called when the client is gone. */
  waitUnbounded(onGone: () => void): void {
    this.#gone = onGone;
    this.connection.mayWait = true;
  }

  /** Ends a wait, since the client is gone. Called by the connection. */
  cancel(): void {
    const end = this.#gone;
    this.#gone = null;
    if (this.text === null) end?.();
  }

  /** Answers the request. Only the first answer counts. */
  settle(reply: Reply): void {
    if (this.text !== null) return;
    try {
      if (isShort(reply)) this.settleEncoded(encodeReply(reply, this.protocol));
      else this.#settleLong(reply);
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Answers with one complete RESP value, one character (0–255) for each byte.
   *
   * @param rest the pieces after the text
   */
  settleEncoded(text: string, rest: readonly ByteString[] = NO_REST): void {
    if (rest.length === 0) return this.#settlePieces(text, null, text.length);
    let bytes = text.length;
    for (const piece of rest) bytes += piece.length;
    this.#settlePieces(text, rest.values(), bytes);
  }

  #settlePieces(text: string, rest: Iterator<ByteString> | null, bytes: number): void {
    if (this.text !== null) return;
    this.text = this.isMuted ? "" : text;
    this.#rest = this.isMuted ? null : rest;
    this.bytes = this.isMuted ? 0 : bytes;
    this.connection.noteSettled(this);
  }

  /**
   * Hands the settled answer, or the next pieces of it, to the output.
   *
   * @param room number of bytes after which no further piece is handed over
   * @returns the bytes handed over
   */
  handOver(output: Pick<ReplyOutput, "add">, room: number): number {
    let bytes = 0;
    if (!this.#isBegun) {
      this.#isBegun = true;
      const text = this.text ?? "";
      output.add(text);
      bytes = text.length;
    }
    while (this.#rest !== null && bytes < room) {
      const { done, value } = this.#rest.next();
      if (done === true) this.#rest = null;
      const piece = done === true ? this.#after : value;
      output.add(piece);
      bytes += piece.length;
    }
    this.#handedBytes += bytes;
    return bytes;
  }

  /** Adds what has to be sent right after this answer, which is handed over in part. */
  append(text: string): void {
    this.#after += text;
    this.bytes += text.length;
  }

  /** Ends the connection, since the request cannot be answered: a bug in Regent. */
  fail(error: unknown): void {
    this.connection.fail(error);
  }

  /** Runs a function for this request. If it throws, only this connection ends. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  #settleLong(reply: Reply): void {
    const { outputBytesMax } = this.connection;
    const bytes = replyBytes(reply, outputBytesMax);
    // A single string may be the answer to a write that has been executed, so it is not refused.
    const isRefused = !isString(reply) && bytes > outputBytesMax;
    if (isRefused) return this.settle(replyTooLarge(outputBytesMax).reply);
    if (!isString(reply) && bytes <= ARRAY_BYTES_MAX) {
      return this.settleEncoded(encodeReply(reply, this.protocol));
    }
    const pieces = encodePieces(reply, this.protocol);
    if (isString(reply)) {
      const [text = "", ...rest] = pieces;
      return this.settleEncoded(textOf(text), rest);
    }
    this.#settlePieces(textOf(pieces.next().value ?? ""), pieces, bytes);
  }
}

function isShort(reply: Reply): boolean {
  if (isString(reply)) return reply.length <= STRING_BYTES_MAX;
  return !Array.isArray(reply) && !(reply instanceof MapReply) &&
    !(reply instanceof EncodedStrings);
}

/**
 * Bytes that the replies to a connection's unanswered requests may take, estimated from the recent
 * size of a reply. They decide how many requests are read ahead.
 */
const REPLIES_BYTES = 64 * 1024 * 1024;
/** Assumed bytes of a reply before the first one is known. */
const REPLY_BYTES_FIRST = 256 * 1024;
/** Minimum number of requests that may wait for their replies, however large these are. */
const WINDOW_MIN = 16;

/** The replies of one connection, in the order of its requests. */
export class ReplyQueue {
  readonly #replies = new LinkedList<PendingReply>();
  /** Bytes of replies that are settled and not handed to the output yet. */
  settledBytes = 0;
  /**
   * Recent size of a reply in bytes. A larger reply raises it to its own size; a smaller one lowers
   * it by an eighth of the difference.
   */
  #replyBytes = REPLY_BYTES_FIRST;

  get first(): PendingReply | null {
    return this.#replies.first;
  }

  get size(): number {
    return this.#replies.size;
  }

  /** Whether the first one is settled. */
  get isReady(): boolean {
    const { first } = this.#replies;
    return first !== null && first.text !== null;
  }

  /** Whether one of them is open, and may stay open without a bound. */
  get isWaiting(): boolean {
    for (const reply of this.#replies) {
      if (reply.isWaiting) return true;
    }
    return false;
  }

  push(reply: PendingReply): void {
    this.#replies.push(reply);
  }

  /**
   * Hands over the settled replies before the first open one, until the output has no room left.
   *
   * @returns their bytes
   */
  handOver(output: ReplyOutput): number {
    const { room } = output;
    let handedBytes = 0;
    let reply = this.#replies.first;
    while (reply !== null && reply.text !== null && handedBytes < room) {
      const { bytes } = reply;
      if (reply.isOnePiece) {
        output.add(reply.text);
        handedBytes += bytes;
        this.settledBytes -= bytes;
      } else {
        const { waitingBytes } = reply;
        handedBytes += reply.handOver(output, room - handedBytes);
        this.settledBytes -= waitingBytes - reply.waitingBytes;
        if (!reply.isHandedOver) break;
      }
      this.#replyBytes += (bytes - this.#replyBytes) / (bytes > this.#replyBytes ? 1 : 8);
      this.#replies.shift();
      reply = this.#replies.first;
    }
    return handedBytes;
  }

  /**
   * Hands over a message that answers no request: at once, or after the reply that is handed over in
   * part.
   */
  interject(text: string, output: ReplyOutput): void {
    const { first } = this.#replies;
    if (first === null || !first.isInPieces) return output.add(text);
    first.append(text);
    this.settledBytes += text.length;
  }

  /** How many requests may wait for their replies, or for the client to read these. */
  window(pipelineMax: number): number {
    const fitting = Math.floor(REPLIES_BYTES / this.#replyBytes);
    return Math.min(pipelineMax, Math.max(WINDOW_MIN, fitting));
  }

  /** Drops all replies, since the client is gone. */
  close(): void {
    for (const reply of this.#replies.drain()) reply.cancel();
  }
}
