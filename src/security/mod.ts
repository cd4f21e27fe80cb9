/**
 * Access control: Redis's ACL rules, and files besides keys. Everything here is pure. This is the
 * contract with those who log users in, replicate users and check requests.
 *
 * Users are immutable values and part of the replicated state. `DEFAULT_USER` is the first; only a
 * new cluster has it as it is. A change (`ACL SETUSER name rule …`) takes four steps:
 * 1. `checkUserName(name)` and `checkRules(catalog, user, rules)`, before anything is proposed, on
 *    the process that the client is connected to or on the leader. `catalog` has this version's
 *    commands. `user` is the newest known.
 * 2. The layer that hashes (scrypt, off the event loop) makes a map with an entry for each of
 *    `checked.passwords`: its digest, and those of `user.verifiers` that match it. If none does and
 *    the password is added, it computes a new one (`formatVerifier`). It computes scrypt of the
 *    digest's 64 characters. Without passwords the map is empty.
 * 3. `finishRules(user, checked, map)` returns the texts to propose. They hold no password.
 * 4. When they are applied, `applyRules(user, name, texts)` makes the new user, alike on all nodes
 *    and versions, whatever has changed since step 1. The handler refuses a user above `USERS_MAX` or
 *    `USERS_BYTES_MAX`.
 *
 * What these functions refuse, they throw as an `AclError`, whose text is the whole error reply.
 *
 * Log-in: the user must be enabled. With `needsNoPassword` every password is right. Otherwise the
 * `passwordDigest` of the password is compared with each of the `verifiers` (`parseVerifier`), in
 * constant time. A log-in as a user who does not exist has to take as long.
 *
 * Requests: whenever a user or the version changes, `permissionOf(catalog, user)` compiles what the
 * user may do, for open connections too. `check(permission, request)` is called before a request is
 * executed or proposed, and again for each request within `ONCE`, `EXEC` or a script. If
 * `permission.isUnlimited`, the caller need not even describe the request. After a change,
 * subscriptions end for which `allowsChannel` is false. Options that read keys which the request
 * does not list need `allowsWithAllKeys`.
 *
 * Files are a namespace of their own. Their rules are like those of keys with the letter F:
 * `%F~pattern` (read and write), `%FR~pattern`, `%FW~pattern`, `allfiles` (`%F~*`), `resetfiles`.
 * No rule about keys says anything about files: a user with `allkeys` alone may use no file, so that
 * a user made for a cache cannot delete the files. `reset` takes the files too. `FILE` commands and
 * the other ways to files (HTTP) are described as requests whose `files` are their names.
 *
 * Snapshots hold `encodeUser(user)`, from which `decodeUser` makes the same user. `ACL LIST` and
 * `ACL GETUSER` reply `listLine` and `getUserReply`; a line's words after the name are rules that
 * make an equal user.
 *
 * Differences to Redis 7.0, all of them about what it shows or takes by mistake:
 * - Rules for commands are kept in their order, as in Redis 7.2. Redis 7.0 guesses categories from
 *   the set of allowed commands, in an order that changes with each process.
 * - Both rights to the pattern `*` are shown as `%RW~*`, not as `~*`: that would forbid others.
 * - Refused: `%~p` (CVE-2024-51741), white space in a first argument, an open quote within
 *   parentheses, a parenthesis within another one, and the empty name.
 * - A pattern of a selector that has quotes or ends with a parenthesis is shown in quotes.
 * - Errors repeat no password, and at most 128 bytes of a rule.
 */
export { AclError } from "./acl_error.ts";
export { applyRules } from "./apply_rules.ts";
export { type CatalogCommand, CommandCatalog } from "./catalog.ts";
export {
  type CheckedRules,
  checkRules,
  checkUserName,
  finishRules,
  type PasswordNeed,
} from "./check_rules.ts";
export { getUserReply, listLine, rulesOf } from "./describe.ts";
export { USERS_BYTES_MAX, USERS_MAX } from "./limits.ts";
export {
  type AclRequest,
  allowsChannel,
  allowsWithAllKeys,
  type ChannelUse,
  check,
  type Denial,
  dryRunText,
  type NameUse,
  noPermission,
  type Permission,
  permissionOf,
  rightsOfFlags,
} from "./permission.ts";
export {
  DEFAULT_USER,
  DEFAULT_USER_NAME,
  READ,
  READ_AND_WRITE,
  type Rights,
  type User,
  WRITE,
} from "./user.ts";
export { decodeUser, encodeUser } from "./user_encoding.ts";
export {
  formatVerifier,
  isPasswordDigest,
  parseVerifier,
  passwordDigest,
  type ScryptParameters,
  type Verifier,
} from "./verifier.ts";
