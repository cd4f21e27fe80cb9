import { type CatalogCommand, CommandCatalog } from "../../src/security/catalog.ts";
import {
  AclError,
  applyRules,
  checkRules,
  finishRules,
  parseVerifier,
  type User,
} from "../../src/security/mod.ts";

/** The digest of which `weakVerifier` made a verifier. */
export function digestOf(verifier: string): string {
  return parseVerifier(verifier)?.hashHex ?? "";
}

/** A verifier that shows the digest, in place of scrypt. */
export function weakVerifier(digest: string): string {
  return `scrypt$2$1$1$${digest.slice(0, 16)}$${digest}`;
}

/** The user after `ACL SETUSER`, with weak verifiers. @throws {AclError} if it is refused */
export function changedUser(
  catalog: CommandCatalog,
  user: User | null,
  name: string,
  rules: readonly string[],
): User {
  const checked = checkRules(catalog, user, rules);
  const verifiers = new Map(checked.passwords.map(({ digest, isAdded }) => {
    const matching = (user?.verifiers ?? []).filter((one) => digestOf(one) === digest);
    return [digest, isAdded && matching.length === 0 ? [weakVerifier(digest)] : matching];
  }));
  return applyRules(user, name, finishRules(user, checked, verifiers));
}

/** The text with which something is refused; `null` if it is not. */
export function refusalOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof AclError) return error.text;
    throw error;
  }
}

function command(
  name: string,
  categories: string,
  subcommands: readonly CatalogCommand[] = [],
): CatalogCommand {
  const isAlwaysAllowed = name === "auth";
  return { name, categories: categories.split(" "), isAlwaysAllowed, subcommands };
}

/** A few commands, in the categories of Redis. */
export const SMALL_CATALOG: CommandCatalog = new CommandCatalog(
  ["read", "write", "admin", "fast", "slow", "dangerous", "connection", "file"],
  [
    command("auth", "fast connection"),
    command("config", "slow", [
      command("config|get", "admin slow dangerous"),
      command("config|set", "admin slow dangerous"),
    ]),
    command("del", "write slow"),
    command("file", "slow", [
      command("file|delete", "write slow file"),
      command("file|stat", "read slow file"),
    ]),
    command("get", "read fast"),
    command("select", "fast connection"),
    command("set", "write slow"),
  ],
);

/** A user `u` of the small catalog. @param rules separated by spaces */
export function userWith(rules: string, user: User | null = null): User {
  return changedUser(SMALL_CATALOG, user, "u", rules.split(" "));
}
