import { type Arguments, textOf } from "../base/byte_string.ts";
import { ErrorReply } from "../resp/reply.ts";

/**
 * A request is refused: a handler throws this before it has changed anything, and whoever executes
 * the command answers with `reply`.
 *
 * It does not extend `Error`, so that V8 captures no stack trace for it: a client may be refused at
 * full rate. To throw and catch it costs about 3 µs, an `Error` three times as much.
 */
export class CommandError {
  readonly reply: ErrorReply;

  /** @param text starts with the code, such as `ERR` */
  constructor(text: string) {
    this.reply = new ErrorReply(text);
  }
}

/**
 * The answer to a request whose handler threw.
 *
 * @throws {unknown} the same again when it is no refusal
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

/** Maximum number of characters of a name that Redis repeats, and about that many of all arguments. */
const QUOTED_MAX = 128;

/** The beginning of an argument as C prints it: it ends before the first zero byte. */
export function quoted(argument: string, lengthMax: number): string {
  const end = argument.indexOf("\0");
  return argument.slice(0, end < 0 ? lengthMax : Math.min(end, lengthMax));
}

/**
 * An error that repeats what a client sent. Line breaks would break the protocol: they are cut off
 * at the ends and become spaces within, as Redis does it.
 */
export function errorQuoting(text: string): CommandError {
  return new CommandError(text.replace(/^[\r\n]+|[\r\n]+$/g, "").replace(/[\r\n]/g, " "));
}

/** @param name in lower case; of a subcommand `container|subcommand` */
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

/** The error for a container command, such as `CLIENT`, whose second word it does not know. */
export function unknownSubcommand(args: Arguments): CommandError {
  const [container = "", word = ""] = args.slice(0, 2).map(textOf);
  const name = quoted(word, QUOTED_MAX);
  return errorQuoting(`ERR unknown subcommand '${name}'. Try ${container.toUpperCase()} HELP.`);
}

/** What is answered instead of a reply that would be too long to be held for a client. */
export function replyTooLarge(bytesMax: number): CommandError {
  return new CommandError(
    `ERR The reply is too large, more than ${bytesMax} bytes (--output-bytes-max)`,
  );
}

export function invalidExpireTime(commandName: string): CommandError {
  return new CommandError(`ERR invalid expire time in '${commandName}' command`);
}
