import { ErrorReply, type Reply } from "../resp/reply.ts";
import { encodeReply, type Protocol } from "../resp/encode.ts";
import type { Connection } from "./connection.ts";

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
  /** Encoded, or `null` while the answer is open. */
  text: string | null = null;

  constructor(connection: Connection, protocol: Protocol) {
    this.connection = connection;
    this.protocol = protocol;
  }

  /** Answers the request; only the first answer counts. */
  settle(reply: Reply): void {
    this.settleEncoded(encode(reply, this.protocol));
  }

  /** Answers with one complete RESP value, one character (0–255) for each byte. */
  settleEncoded(text: string): void {
    if (this.text !== null) return;
    this.text = text;
    this.connection.settled(this);
  }
}

/** A reply may be longer than a string can be: many large values at once. */
function encode(reply: Reply, protocol: Protocol): string {
  try {
    return encodeReply(reply, protocol);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return encodeReply(new ErrorReply("ERR the reply is too large"), protocol);
  }
}
