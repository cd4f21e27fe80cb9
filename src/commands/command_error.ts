import { type Arguments, textOf } from "../base/byte_string.ts";
import { PATTERN_BYTES_MAX } from "../base/glob.ts";
import { ErrorReply } from "../resp/reply.ts";

/**
 * A refusal of a request. A handler throws it before it has changed anything, and the caller
 * replies with `reply`.
 *
 * It does not extend `Error`, so that V8 captures no stack trace: a client may be refused at full
 * rate. Throwing and catching it takes about 3 µs, three times as long for an `Error`.
 */
export class CommandError {
  readonly reply: ErrorReply;

  /** @param text starts with the code, such as `ERR` */
  constructor(text: string) {
    this.reply = new ErrorReply(text);
  }
}

/**
 * The reply to a request whose handler threw.
 *
 * @throws {unknown} the same value if it is not a `CommandError`
 */
export function errorReplyOf(thrown: unknown): ErrorReply {
  if (thrown instanceof CommandError) return thrown.reply;
  throw thrown;
}

export const SYNTAX_ERROR: CommandError = new CommandError("ERR syntax error");
export const NOT_AN_INTEGER: CommandError = new CommandError(
  "ERR value is not an integer or out of range",
);
export const STRING_TOO_LONG: CommandError = new CommandError(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
export const WRONG_TYPE: CommandError = new CommandError(
  "WRONGTYPE Operation against a key holding the wrong kind of value",
);
export const PATTERN_TOO_LONG: CommandError = new CommandError(
  `ERR the pattern is too long, more than ${PATTERN_BYTES_MAX} bytes`,
);

/**
 * Maximum number of characters of a name that Redis repeats, and roughly of all arguments together.
 */
const QUOTED_MAX = 128;

/** The beginning of an argument as C prints it: it ends before the first zero byte. */
export function quoted(argument: string, lengthMax: number): string {
  const end = argument.indexOf("\0");
  return argument.slice(0, end < 0 ? lengthMax : Math.min(end, lengthMax));
}

/**
 * An error that repeats input of a client. Line breaks would break the protocol: as in Redis, they
 * are trimmed at the ends and become spaces within.
 */
export function errorQuoting(text: string): CommandError {
  return new CommandError(text.replace(/^[\r\n]+|[\r\n]+$/g, "").replace(/[\r\n]/g, " "));
}

/** @param name in lower case; for a subcommand `container|subcommand` */
export function wrongNumberOfArguments(name: string): CommandError {
  return new CommandError(`ERR wrong number of arguments for '${name}' command`);
}

/** The error for a request whose command is not in the table. */
export function unknownCommand(args: Arguments): CommandError {
  let beginning = "";
  for (let index = 1; index < args.length && beginning.length < QUOTED_MAX; index++) {
    beginning += `'${quoted(textOf(args[index] ?? ""), QUOTED_MAX - beginning.length)}' `;
  }
  const name = quoted(textOf(args[0] ?? ""), QUOTED_MAX);
  return errorQuoting(`ERR unknown command '${name}', with args beginning with: ${beginning}`);
}

/** The error for a container command, such as `CLIENT`, with an unknown second word. */
export function unknownSubcommand(args: Arguments): CommandError {
  const [container = "", word = ""] = args.slice(0, 2).map(textOf);
  const name = quoted(word, QUOTED_MAX);
  return errorQuoting(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`);
}

/** The error that replaces a reply too large to be buffered for a client. */
export function replyTooLarge(bytesMax: number): CommandError {
  return new CommandError(
    `ERR The reply is too large, more than ${bytesMax} bytes (--output-bytes-max)`,
  );
}

export function invalidExpireTime(commandName: string): CommandError {
  return new CommandError(`ERR invalid expire time in '${commandName}' command`);
}
