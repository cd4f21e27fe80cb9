/**
 * What a command answers, before it is put into RESP2 or RESP3.
 *
 * - `string`: a bulk string, one character (0–255) for each byte
 * - `number`, `bigint`: an integer
 * - `null`: the null reply (`$-1` in RESP2, `_` in RESP3)
 * - an array: an array of replies
 * - the classes below: everything else
 *
 * Replies know nothing of a connection's protocol version, so that one can be kept and sent again
 * to a client that speaks the other.
 */
export type Reply =
  | string
  | number
  | bigint
  | null
  | SimpleString
  | ErrorReply
  | DoubleReply
  | MapReply
  | VerbatimReply
  | PushReply
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

/** Text for people (`INFO`): `=…txt:` in RESP3, a bulk string in RESP2. */
export class VerbatimReply {
  constructor(readonly text: string) {}
}

/** A message that answers no request: `>` in RESP3, an array in RESP2. */
export class PushReply {
  constructor(readonly items: readonly Reply[]) {}
}

export const OK: SimpleString = new SimpleString("OK");
export const PONG: SimpleString = new SimpleString("PONG");
