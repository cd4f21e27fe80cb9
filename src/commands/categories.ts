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

/** All categories of a command, in order, with those that follow from its kind and flags. */
export function categoriesOf({ kind, flags, categories }: Command): readonly string[] {
  const all: string[] = [...categories, flags.includes("fast") ? "fast" : "slow"];
  if (kind !== "local") all.push(kind);
  return CATEGORIES.filter((category) => all.includes(category));
}
