import { type CatalogCommand, CommandCatalog } from "../security/mod.ts";
import type { Command } from "./command.ts";

/** The access-control categories, in the order in which Redis names them. The last is Regent's. */
export const CATEGORIES: readonly string[] = [
  "keyspace",
  "read",
  "write",
  "set",
  "sortedset",
  "list",
  "hash",
  "string",
  "bitmap",
  "hyperloglog",
  "geo",
  "stream",
  "pubsub",
  "admin",
  "fast",
  "slow",
  "blocking",
  "dangerous",
  "connection",
  "transaction",
  "scripting",
  "file",
];

/**
 * All categories of a command, in order, with those that follow from its kind and flags. As in
 * Redis, administration and `CLUSTER` do not count as reading or writing: `CONFIG SET` is a write of
 * the replicated state here, but who may write keys may not configure the cluster.
 */
export function categoriesOf({ kind, group, flags, categories }: Command): readonly string[] {
  const all: string[] = [...categories, flags.includes("fast") ? "fast" : "slow"];
  const isAboutKeys = !flags.includes("admin") && group !== "cluster";
  if (kind !== "local" && isAboutKeys) all.push(kind);
  return CATEGORIES.filter((category) => all.includes(category));
}

/** The commands of a table as access control sees them. */
export function catalogOf(commands: readonly Command[]): CommandCatalog {
  return new CommandCatalog(CATEGORIES, commands.map(catalogCommand));
}

function catalogCommand(command: Command): CatalogCommand {
  return {
    name: command.name,
    categories: categoriesOf(command),
    isAlwaysAllowed: command.flags.includes("no_auth"),
    subcommands: (command.subcommands ?? []).map(catalogCommand),
  };
}
