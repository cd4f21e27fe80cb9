import type { Arguments } from "../base/byte_string.ts";
import { parseInteger } from "../base/integer.ts";
import { OK, type Reply } from "../resp/reply.ts";
import {
  type CommandCatalog,
  dryRunText,
  encodeUser,
  getUserReply,
  listLine,
  permissionOf,
} from "../security/mod.ts";
import { denialOf } from "./acl_request.ts";
import { argument } from "./arguments.ts";
import { catalogOf } from "./categories.ts";
import { type Command, type CommandContext, rowsOf, subcommandsOf } from "./command.ts";
import { CommandError, errorQuoting, NOT_AN_INTEGER, quoted } from "./command_error.ts";
import {
  type Answer,
  type Client,
  leaderOf,
  type LocalReply,
  type LocalRun,
  type LocalServer,
  SETTLED_BY_HANDLER,
} from "./local.ts";
import { deleteUsers } from "./user_writes.ts";

/** The command table, whose commands users may run or not. */
export interface AclTable {
  readonly commands: readonly Command[];
  rowOf(args: Arguments): Command | undefined;
  hasRightArity(command: Command, length: number): boolean;
}

const QUOTED_MAX = 128;
const GENPASS_BITS_MAX = 4_096;
const GENPASS_BITS_DEFAULT = 256;
const BITS_PER_DIGIT = 4;
/** Number of entries of `ACL LOG` for which no number is given. */
const LOG_COUNT_DEFAULT = 10;

const NO_ACL_FILE = new CommandError(
  "ERR This Redis instance is not configured to use an ACL file. You may want to specify users " +
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis " +
    "configuration file set) in order to store users in the Redis configuration.",
);
const WRONG_BITS = new CommandError(
  "ERR ACL GENPASS argument must be the number of bits for the output password, " +
    `a positive number up to ${GENPASS_BITS_MAX}`,
);

/** `ACL SETUSER name [rule …]`: the leader checks the rules and hashes the passwords. */
function setUser(
  { ofLeader }: LocalServer,
  client: Client,
  [, , name = "", ...rules]: readonly string[],
  reply: LocalReply,
): Answer {
  leaderOf(ofLeader).setUser(client, name, rules, reply);
  return SETTLED_BY_HANDLER;
}

function getUser({ users }: CommandContext, args: Arguments): Reply {
  const user = users.find(argument(args, 2));
  return user === undefined ? null : getUserReply(user);
}

function genPass(
  { access }: LocalServer,
  _client: Client,
  [, , bitsText]: readonly string[],
): Reply {
  const bits = bitsText === undefined ? BigInt(GENPASS_BITS_DEFAULT) : parseInteger(bitsText);
  if (bits === null) throw NOT_AN_INTEGER;
  if (bits <= 0 || bits > GENPASS_BITS_MAX) throw WRONG_BITS;
  return access.randomHex(Math.ceil(Number(bits) / BITS_PER_DIGIT));
}

/** `ACL LOG [count|RESET]` */
function log({ access }: LocalServer, _client: Client, args: readonly string[]): Reply {
  const word = args[2];
  if (word?.toUpperCase() === "RESET") {
    access.log.clear();
    return OK;
  }
  const count = word === undefined ? LOG_COUNT_DEFAULT : parseInteger(word);
  if (count === null) throw NOT_AN_INTEGER;
  return access.log.reply(Math.max(0, Number(count)));
}

/** As in Redis, these subcommands have at most one argument, and their error is one of its own. */
function withOneArgument(serve: LocalRun): LocalRun {
  return (server, client, args, reply) => {
    if (args.length <= 3) return serve(server, client, args, reply);
    const word = quoted(args[1] ?? "", QUOTED_MAX);
    throw errorQuoting(
      `ERR unknown subcommand or wrong number of arguments for '${word}'. Try ACL HELP.`,
    );
  };
}

/** What a proxy has to know of the users: the number of changes, and each user's fields. */
export function usersReply({ users }: CommandContext): Reply {
  const view = users.view();
  return [view.version, view.users.map(encodeUser)];
}

/** `ACL …`: users, and what they may do. */
export function aclRows(table: AclTable): readonly Command[] {
  let known: CommandCatalog | null = null;
  const catalog = () => known ??= catalogOf(table.commands);

  /** `ACL CAT [category]` */
  const cat = (_server: LocalServer, _client: Client, args: readonly string[]): Reply => {
    const name = args[2];
    if (name === undefined) return catalog().categories;
    const names = catalog().namesIn(name.toLowerCase());
    if (names !== null) return names;
    throw errorQuoting(`ERR Unknown category '${quoted(name, QUOTED_MAX)}'`);
  };

  /** `ACL DRYRUN user command [argument …]` */
  const dryRun = ({ users }: CommandContext, args: Arguments): Reply => {
    const name = argument(args, 2);
    const user = users.find(name);
    if (user === undefined) throw errorQuoting(`ERR User '${quoted(name, QUOTED_MAX)}' not found`);
    const request = args.slice(3);
    const row = table.rowOf(request);
    if (row === undefined) {
      const word = quoted(argument(request, 0), QUOTED_MAX);
      throw errorQuoting(`ERR Command '${word}' not found`);
    }
    if (!table.hasRightArity(row, request.length)) {
      throw new CommandError(`ERR wrong number of arguments for '${row.name}' command`);
    }
    const permission = permissionOf(catalog(), user);
    const denial = denialOf(permission, row, () => request, table.rowOf);
    return denial === null ? OK : dryRunText(denial);
  };

  return rowsOf("server", [], [{
    name: "acl",
    arity: -2,
    kind: "local",
    flags: [],
    keys: null,
    since: "6.0.0",
    summary: "Shows and changes users, and what they may do",
    subcommands: subcommandsOf("acl", {
      group: "server",
      flags: ["admin", "noscript", "loading", "stale"],
      categories: ["admin", "dangerous"],
      since: "6.0.0",
    }, [
      {
        ...PUBLIC,
        name: "cat",
        arity: -2,
        summary: "Returns the categories, or the commands of one",
        help: ["CAT [<category>]", "    Return all categories, or the commands of one of them."],
        serve: withOneArgument(cat),
      },
      {
        name: "deluser",
        arity: -3,
        kind: "write",
        machineSince: 3,
        summary: "Deletes users, and ends their connections",
        help: [
          "DELUSER <username> [<username> ...]",
          "    Delete users and end their connections; return how many there were.",
        ],
        run: deleteUsers,
      },
      {
        name: "dryrun",
        arity: -4,
        kind: "read",
        since: "7.0.0",
        summary: "Returns whether a user may make a request, without making it",
        help: [
          "DRYRUN <username> <command> [<arg> ...]",
          "    Return OK if the user may make this request, or else why not.",
        ],
        run: dryRun,
      },
      {
        ...PUBLIC,
        name: "genpass",
        arity: -2,
        summary: "Returns a random password",
        help: [
          "GENPASS [<bits>]",
          "    Return a random password in hexadecimal digits, of 256 bits or as many as given.",
        ],
        serve: withOneArgument(genPass),
      },
      {
        name: "getuser",
        arity: 3,
        kind: "read",
        summary: "Returns what is known about a user",
        help: ["GETUSER <username>", "    Return what is known about a user, or null."],
        run: getUser,
      },
      {
        name: "list",
        arity: 2,
        kind: "read",
        summary: "Returns all users as rules",
        help: ["LIST", "    Return a line for each user, with its rules."],
        run: ({ users }) => users.view().users.map(listLine),
      },
      {
        name: "load",
        arity: 2,
        summary: "Refused: there is no file of users, they are replicated",
        help: ["LOAD", "    Refused: there is no file of users."],
        serve: () => {
          throw NO_ACL_FILE;
        },
      },
      {
        name: "log",
        arity: -2,
        summary: "Returns what was refused last, or forgets it",
        help: [
          "LOG [<count> | RESET]",
          "    Return what this process has refused last, or forget it.",
        ],
        serve: withOneArgument(log),
      },
      {
        name: "save",
        arity: 2,
        summary: "Refused: there is no file of users, they are replicated",
        help: ["SAVE", "    Refused: there is no file of users."],
        serve: () => {
          throw NO_ACL_FILE;
        },
      },
      {
        name: "setuser",
        arity: -3,
        isForLeader: true,
        summary: "Makes or changes a user",
        help: [
          "SETUSER <username> [<rule> ...]",
          "    Make a user, or change one, by applying these rules in order.",
        ],
        serve: setUser,
      },
      {
        name: "users",
        arity: 2,
        kind: "read",
        summary: "Returns the names of all users",
        help: ["USERS", "    Return the names of all users."],
        run: ({ users }) => users.view().users.map(({ name }) => name),
      },
      {
        ...PUBLIC,
        name: "whoami",
        arity: 2,
        summary: "Returns the name of the connection's user",
        help: ["WHOAMI", "    Return the name of the user as whom this connection is logged in."],
        serve: (_server, client) => client.userName,
      },
    ]),
  }]);
}

const PUBLIC = { flags: ["noscript", "loading", "stale"], categories: [] };
