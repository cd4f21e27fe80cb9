import { AclError } from "./acl_error.ts";
import { applyRules } from "./apply_rules.ts";
import { checkUserName } from "./check_rules.ts";
import { rulesOf } from "./describe.ts";
import { APPLIED_ITEMS_MAX } from "./limits.ts";
import type { User } from "./user.ts";

/** Flags, and what each selector has besides its patterns, are rules too. */
const FIELDS_MAX = 2 * APPLIED_ITEMS_MAX;

/**
 * A user as the fields of a snapshot's item: the name and the user as rules (`rulesOf`). All fields
 * are byte strings.
 */
export function encodeUser(user: User): readonly string[] {
  return [user.name, ...rulesOf(user)];
}

/**
 * The user of these fields, or `null` if no user has exactly them.
 *
 * @param fields anything, such as parsed JSON
 */
export function decodeUser(fields: unknown): User | null {
  if (!Array.isArray(fields) || fields.length > FIELDS_MAX || !fields.every(isText)) return null;
  const [name = "", ...rules]: readonly string[] = fields;
  try {
    checkUserName(name);
    const user = applyRules(null, name, rules);
    const encoded = encodeUser(user);
    const isSame = encoded.length === fields.length &&
      encoded.every((text, at) => text === fields[at]);
    return isSame ? user : null;
  } catch (error) {
    if (error instanceof AclError) return null;
    throw error;
  }
}

function isText(field: unknown): field is string {
  // deno-lint-ignore no-control-regex
  return typeof field === "string" && /^[\x00-\xff]*$/.test(field);
}
