import { ErrorReply } from "../resp/reply.ts";
import { argument, errorQuoting, quoted } from "./arguments.ts";

/** Redis repeats at most so many characters of a name, and about as many of all arguments. */
const QUOTED_MAX = 128;

/** @param name in lower case; of a subcommand `container|subcommand` */
export function wrongNumberOfArguments(name: string): ErrorReply {
  return new ErrorReply(`ERR wrong number of arguments for '${name}' command`);
}

/** The error for a request whose command is not in the table. */
export function unknownCommand(args: readonly string[]): ErrorReply {
  let beginning = "";
  for (let index = 1; index < args.length && beginning.length < QUOTED_MAX; index++) {
    beginning += `'${quoted(argument(args, index), QUOTED_MAX - beginning.length)}' `;
  }
  const name = quoted(argument(args, 0), QUOTED_MAX);
  return errorQuoting(`ERR unknown command '${name}', with args beginning with: ${beginning}`);
}

/** The error for a container command, such as `CLIENT`, whose second word it does not know. */
export function unknownSubcommand(args: readonly string[]): ErrorReply {
  const container = argument(args, 0).toUpperCase();
  const name = quoted(argument(args, 1), QUOTED_MAX);
  return errorQuoting(`ERR unknown subcommand '${name}'. Try ${container} HELP.`);
}
