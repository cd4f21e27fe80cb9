import type { ByteString } from "../base/byte_string.ts";

/**
 * What a command answers, before it is put into RESP2 or RESP3.
 *
 * - a `ByteString`: a bulk string
 * - `number`, `bigint`: an integer
 * - `null`: the null reply (`$-1` in RESP2, `_` in RESP3)
 * - an array: an array of replies
 * - the classes below: everything else
 *
 * Replies know nothing of a connection's protocol version, so that one can be kept and sent again
 * to a client that speaks the other.
 */
export type Reply =
  | ByteString
  | number
  | bigint
  | null
  | SimpleString
  | ErrorReply
  | DoubleReply
  | MapReply
  | SetReply
  | VerbatimReply
  | PushReply
  | EncodedStrings
  | readonly Reply[];

/** A status such as `+OK`. The text holds neither CR nor LF. */
export class SimpleString {
  constructor(readonly text: string) {}
}

/** An error such as `-ERR syntax error`. The text starts with the code, without the dash. */
export class ErrorReply {
  constructor(readonly text: string) {}
}

/** A floating-point number: `,3.5` in RESP3, a bulk string in RESP2. */
export class DoubleReply {
  constructor(readonly value: number) {}
}

/** Pairs in order: a map in RESP3, a flat array in RESP2. */
export class MapReply {
  constructor(readonly pairs: readonly (readonly [Reply, Reply])[]) {}
}

/** Elements whose order means nothing: a set in RESP3, an array in RESP2. */
export class SetReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** Text for people (`INFO`): `=…txt:` in RESP3, a bulk string in RESP2. */
export class VerbatimReply {
  constructor(readonly text: string) {}
}

/** A message that answers no request: `>` in RESP3, an array in RESP2. */
export class PushReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** An array of bulk strings as it goes over the wire in either protocol, but for its header. */
export class EncodedStrings {
  constructor(readonly count: number, readonly text: string) {}
}

export const OK: SimpleString = new SimpleString("OK");
export const PONG: SimpleString = new SimpleString("PONG");

/** V8's strings end at 512 MiB. */
const BYTES_MAX = 2 ** 29 - 64 * 1024;

/** Encodes an array of bulk strings string by string, for arrays that take long. */
export class EncodedStringsBuilder {
  readonly #parts: string[] = [];
  #part = "";
  readonly #bytesMax: number;
  #bytes = 0;
  #count = 0;

  /** @param bytesMax of the whole */
  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = Math.min(bytesMax, BYTES_MAX);
  }

  /** Adds a string; false when the reply would be too large. */
  add(text: string): boolean {
    const encoded = `$${text.length}\r\n${text}\r\n`;
    this.#bytes += encoded.length;
    if (this.#bytes > this.#bytesMax) return false;
    this.#part += encoded;
    this.#count++;
    return true;
  }

  /**
   * Has V8 put what was added into one piece. A text of millions of pieces would have to be put
   * together when it is sent, at once.
   */
  flatten(): void {
    if (this.#part === "") return;
    sink.code = this.#part.charCodeAt(0);
    this.#parts.push(this.#part);
    this.#part = "";
  }

  build(): EncodedStrings {
    this.flatten();
    return new EncodedStrings(this.#count, this.#parts.join(""));
  }
}

/** Keeping what was read stops the optimizer from leaving the reading out. */
const sink = { code: 0 };
