import type { Reply } from "../../src/resp/reply.ts";
import { SimpleString } from "../../src/resp/reply.ts";
import { decodeReply } from "../../src/resp/reply_scanner.ts";
import { type CatalogCommand, CommandCatalog } from "../../src/security/mod.ts";
import type { RawRespClient } from "../support/raw_resp_client.ts";

/** A command of a real Redis. */
export interface RedisCommand extends CatalogCommand {
  readonly arity: number;
  readonly hasKeys: boolean;
  readonly subcommands: readonly RedisCommand[];
}

/** The commands and categories of a real Redis, by its replies to `COMMAND` and `ACL CAT`. */
export async function redisCatalog(
  redis: RawRespClient,
): Promise<{ catalog: CommandCatalog; commands: readonly RedisCommand[] }> {
  const [all = "", cat = ""] = await redis.send(["COMMAND"], ["ACL", "CAT"]);
  const commands = arrayOf(decodeReply(all)).map(commandOf)
    .sort((a, b) => a.name < b.name ? -1 : 1);
  const categories = arrayOf(decodeReply(cat)).map(textOf);
  return { catalog: new CommandCatalog(categories, commands), commands };
}

function commandOf(reply: Reply): RedisCommand {
  const [name = null, arity, flags = [], , , , categories = [], , specs = [], subcommands = []] =
    arrayOf(reply);
  const flagNames = arrayOf(flags).map(textOf);
  return {
    name: textOf(name),
    arity: Number(arity),
    categories: arrayOf(categories).map((category) => textOf(category).slice(1)),
    isAlwaysAllowed: flagNames.includes("no_auth"),
    hasKeys: arrayOf(specs).length > 0 || flagNames.includes("movablekeys"),
    subcommands: arrayOf(subcommands).map(commandOf),
  };
}

export function arrayOf(reply: Reply): readonly Reply[] {
  if (!Array.isArray(reply)) {
    throw new TypeError(`Cannot read ${JSON.stringify(reply)} as an array`);
  }
  return reply;
}

export function textOf(reply: Reply): string {
  if (reply instanceof SimpleString) return reply.text;
  if (typeof reply !== "string") {
    throw new TypeError(`Cannot read ${JSON.stringify(reply)} as text`);
  }
  return reply;
}
