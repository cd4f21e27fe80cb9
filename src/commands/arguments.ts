import { assert } from "../base/assert.ts";
import { ErrorReply } from "../resp/reply.ts";
import { typeOf, type Value } from "../store/value.ts";

export const SYNTAX_ERROR: ErrorReply = new ErrorReply("ERR syntax error");
export const NOT_AN_INTEGER: ErrorReply = new ErrorReply(
  "ERR value is not an integer or out of range",
);
export const STRING_TOO_LONG: ErrorReply = new ErrorReply(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
const WRONG_TYPE = new ErrorReply(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);

/** An argument that the arity check has shown to be there. */
export function argument(args: readonly string[], index: number): string {
  const value = args[index];
  assert(value !== undefined, "Cannot read an argument: the arity was not checked");
  return value;
}

/** Whether an argument is this option, written in any case. `option` is in upper case. */
export function isOption(argument: string, option: string): boolean {
  return argument.length === option.length &&
    (argument === option || argument.toUpperCase() === option);
}

/** The string that a key holds; an error when it holds another type. */
export function stringOf({ value }: { readonly value: Value }): string | ErrorReply {
  return typeOf(value) === "string" ? value : WRONG_TYPE;
}

/** The beginning of an argument as C prints it: it ends before the first zero byte. */
export function quoted(argument: string, lengthMax: number): string {
  const end = argument.indexOf("\0");
  return argument.slice(0, end < 0 ? lengthMax : Math.min(end, lengthMax));
}

/**
 * An error that repeats what a client sent. Line breaks would break the protocol: they are cut off
 * at the ends and become spaces within, as Redis does it.
 */
export function errorQuoting(text: string): ErrorReply {
  return new ErrorReply(text.replace(/^[\r\n]+|[\r\n]+$/g, "").replace(/[\r\n]/g, " "));
}
