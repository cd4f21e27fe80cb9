import type { ByteString } from "../base/byte_string.ts";

/**
 * A command's reply, before it is encoded as RESP2 or RESP3.
 *
 * - a `ByteString`: a bulk string
 * - `number`, `bigint`: an integer
 * - `null`: the null reply (`$-1` in RESP2, `_` in RESP3)
 * - an array: an array of replies
 * - the classes below: everything else
 *
 * A reply is independent of the connection's protocol version, so that a kept reply can be sent
 * again to a client that speaks the other version.
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

/** Unordered elements: a set in RESP3, an array in RESP2. */
export class SetReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** Text for people (`INFO`): `=…txt:` in RESP3, a bulk string in RESP2. */
export class VerbatimReply {
  constructor(readonly text: string) {}
}

/** A message that is not a reply to a request: `>` in RESP3, an array in RESP2. */
export class PushReply {
  constructor(readonly items: readonly Reply[]) {}
}

/** An array of bulk strings as it goes over the wire in either protocol, without its header. */
export class EncodedStrings {
  readonly count: number;
  /** The elements, cut anywhere. */
  readonly parts: readonly string[];
  /** Total length of the parts. */
  readonly bytes: number;

  constructor(count: number, parts: readonly string[]) {
    this.count = count;
    this.parts = parts;
    this.bytes = parts.reduce((bytes, part) => bytes + part.length, 0);
  }

  get text(): string {
    return this.parts.join("");
  }
}

export const OK: SimpleString = new SimpleString("OK");
export const PONG: SimpleString = new SimpleString("PONG");

/** V8's longest string has 512 MiB. */
const BYTES_MAX = 2 ** 29 - 64 * 1024;

/** Encodes an array of bulk strings step by step, for arrays that take long to build. */
export class EncodedStringsBuilder {
  readonly #parts: string[] = [];
  #part = "";
  readonly #bytesMax: number;
  #bytes = 0;
  #count = 0;

  /** @param bytesMax maximum size of the encoded array */
  constructor(bytesMax = BYTES_MAX) {
    this.#bytesMax = Math.min(bytesMax, BYTES_MAX);
  }

  /** Adds a string. Returns false when the array would become too large. */
  add(text: string): boolean {
    const encoded = `$${text.length}\r\n${text}\r\n`;
    this.#bytes += encoded.length;
    if (this.#bytes > this.#bytesMax) return false;
    this.#part += encoded;
    this.#count++;
    return true;
  }

  /**
   * Has V8 flatten what was added since the last call. Otherwise V8 would flatten a text of millions
   * of parts when it is sent, in one long pause.
   */
  flatten(): void {
    if (this.#part === "") return;
    sink.code = this.#part.charCodeAt(0);
    this.#parts.push(this.#part);
    this.#part = "";
  }

  build(): EncodedStrings {
    this.flatten();
    return new EncodedStrings(this.#count, this.#parts);
  }
}

/** Storing the character keeps the optimizer from removing the read. */
const sink = { code: 0 };
