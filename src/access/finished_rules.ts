import {
  checkRules,
  checkUserName,
  type CommandCatalog,
  finishRules,
  parseVerifier,
  type User,
} from "../security/mod.ts";
import { settingWith, type SlowHash } from "./scrypt.ts";

/**
 * Makes the rules of `ACL SETUSER` ready to be replicated: checks them, and puts verifiers in the
 * place of passwords. All passwords of a user have the same salt, so that a log-in takes one slow
 * hash, however many there are.
 *
 * @param user as it is now; `null` if it is new
 * @throws {AclError} if a rule is refused
 * @throws {HashingBusy} if too many passwords are being hashed
 */
export async function finishedRules(
  { catalog, hash }: { readonly catalog: CommandCatalog; readonly hash: SlowHash },
  user: User | null,
  name: string,
  rules: readonly string[],
): Promise<readonly string[]> {
  checkUserName(name);
  const checked = checkRules(catalog, user, rules);
  const known = user?.verifiers ?? [];
  const saltHex = parseVerifier(known[0] ?? "")?.saltHex;
  const setting = saltHex === undefined ? hash.newSetting() : settingWith(saltHex);
  const verifiers = new Map<string, readonly string[]>();
  for (const { digest, isAdded } of checked.passwords) {
    const matching = await hash.matching(digest, known);
    const isNew = matching.length === 0 && isAdded;
    verifiers.set(digest, isNew ? [await hash.verifierOf(digest, setting)] : matching);
  }
  return finishRules(user, checked, verifiers);
}
