import type { Arguments } from "../base/byte_string.ts";
import { OK, type Reply } from "../resp/reply.ts";
import {
  AclError,
  applyRules,
  DEFAULT_USER_NAME,
  USERS_BYTES_MAX,
  USERS_MAX,
} from "../security/mod.ts";
import { userBytes } from "../store/users.ts";
import { argument } from "./arguments.ts";
import { type Command, type CommandContext, rowsOf } from "./command.ts";
import { CommandError } from "./command_error.ts";

const TOO_MANY_USERS = new CommandError(`ERR there are too many users, more than ${USERS_MAX}`);
const TOO_MANY_BYTES = new CommandError(
  `ERR the rules of all users take too much memory, more than ${USERS_BYTES_MAX} bytes`,
);
const DEFAULT_STAYS = new CommandError("ERR The 'default' user cannot be removed");

/**
 * `USER-RULES name rule …`: applies rules that were checked, and whose passwords were hashed, where
 * `ACL SETUSER` arrived. Memory that is full does not prevent it, as it may take rights away.
 */
function applyToUser({ users }: CommandContext, args: Arguments): Reply {
  const name = argument(args, 1);
  const before = users.find(name) ?? null;
  if (before === null && users.size >= USERS_MAX) throw TOO_MANY_USERS;
  const rules = args.slice(2).map((_, at) => argument(args, at + 2));
  const after = orRefusal(() => applyRules(before, name, rules));
  const growth = userBytes(after) - (before === null ? 0 : userBytes(before));
  if (growth > 0 && users.usedBytes + growth > USERS_BYTES_MAX) throw TOO_MANY_BYTES;
  users.set(after);
  return OK;
}

/** What `run` returns. @throws {CommandError} in place of an `AclError` */
export function orRefusal<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw error instanceof AclError ? new CommandError(error.text) : error;
  }
}

/** The full name of the command that deletes users. */
export const DELETE_USERS = "acl|deluser";

/** `ACL DELUSER name …`: deletes all of them that exist, or none if one may not be deleted. */
export function deleteUsers({ users }: CommandContext, args: Arguments): Reply {
  const names = args.slice(2).map((_, at) => argument(args, at + 2));
  if (names.includes(DEFAULT_USER_NAME)) throw DEFAULT_STAYS;
  return names.filter((name) => users.delete(name)).length;
}

/** The request that has the finished rules of a user replicated. */
export function userRulesRequest(name: string, rules: readonly string[]): readonly string[] {
  return [USER_RULES.name.toUpperCase(), name, ...rules];
}

/** Writes that nodes make themselves. No client can send them. */
export const internalRows: readonly Command[] = rowsOf("server", ["admin", "dangerous"], [{
  name: "user-rules",
  arity: -2,
  kind: "write",
  machineSince: 3,
  flags: ["admin"],
  keys: null,
  since: "0.1.0",
  summary: "Applies finished rules to a user; written by nodes",
  run: applyToUser,
}]);

/** The row of `userRulesRequest`. */
export const USER_RULES: Command = internalRows[0] as Command;
