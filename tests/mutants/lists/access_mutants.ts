import type { Mutant } from "../mutant.ts";

const AT_NODE = "src/server/access_test.ts";
const AT_PROXY = "src/proxy/proxy_access_test.ts";
const COPY = "src/proxy/proxy_users_test.ts";
const TABLE = "tests/differential/acl_table_test.ts";
const LOG_INS = "src/access/log_ins_test.ts";
const ATTEMPTS = "src/access/attempts_test.ts";
const HASH = "src/access/scrypt_test.ts";
const PEERS = "src/access/peer_proof_test.ts";
const WRITES = "src/commands/user_writes_test.ts";
const SNAPSHOT = "src/store/user_snapshot_test.ts";
const TRANSCRIPTS = "tests/differential/log_in_test.ts";

/** Log-ins, and the checks of requests at nodes and proxies. */
export const accessMutants: readonly Mutant[] = [
  {
    name: "access-inner-request",
    bug: "the request inside ONCE is not checked",
    file: "src/commands/acl_request.ts",
    find: "return denialOf(permission, innerRow, () => inner, findRow);",
    replace: "return innerRow === row ? denialOf(permission, row, () => inner, findRow) : null;",
    killers: [AT_NODE, TABLE],
  },
  {
    name: "access-second-key",
    bug: "only the first key of a request is checked",
    file: "src/commands/acl_request.ts",
    find: "for (let at = first; at <= end; at += step) {",
    replace: "for (let at = first; at <= Math.min(first, end); at += step) {",
    killers: [TABLE, AT_NODE],
  },
  {
    name: "access-own-flags",
    bug: "the access of the first key counts for all of them",
    file: "src/commands/acl_request.ts",
    find: 'flags[uses.length] ?? ""',
    replace: 'flags[0] ?? ""',
    killers: [TABLE],
  },
  {
    name: "access-files-unchecked",
    bug: "names of files are not checked",
    file: "src/commands/acl_request.ts",
    find: "return this.#row.filesOf?.(this.#args()) ?? NO_NAMES;",
    replace: "return NO_NAMES;",
    killers: [AT_NODE, TABLE],
  },
  {
    name: "access-list-any-pattern",
    bug: "a list of files is allowed by a pattern that matches its prefix",
    file: "src/security/permission.ts",
    find: "isPrefix ? !matcher.allowsPrefix(name, rights) : !matcher.allows(name, rights, budget)",
    replace: "isPrefix && name === '' || !matcher.allows(name, rights, budget)",
    killers: [AT_NODE],
  },
  {
    name: "access-stale-account",
    bug: "open connections keep the rights that they had",
    file: "src/access/accounts.ts",
    find: "      known.account.setPermission(permission);\n",
    replace: "",
    killers: [AT_NODE, TRANSCRIPTS],
  },
  {
    name: "access-deleted-stays",
    bug: "the connections of a deleted user go on",
    file: "src/server/connection_access.ts",
    find: "if (connection.account.isDeleted) connection.closeAfterReplies();",
    replace: "if (connection.account.isUnlimited) connection.closeAfterReplies();",
    killers: [AT_NODE, AT_PROXY],
  },
  {
    name: "access-held-not-checked",
    bug: "requests behind a log-in are served before it",
    file: "src/server/dispatcher.ts",
    find: "if (this.#hold.isAny && this.#waits(connection, request, reply)) return;",
    replace: "",
    killers: [TRANSCRIPTS],
  },
  {
    name: "access-off",
    bug: "a user who is off may log in",
    file: "src/access/log_ins.ts",
    find: "const usable = user?.isEnabled === true ? user : null;",
    replace: "const usable = user ?? null;",
    killers: [LOG_INS, TRANSCRIPTS],
  },
  {
    name: "access-fast-for-nobody",
    bug: "a log-in as a user who does not exist takes no time",
    file: "src/access/log_ins.ts",
    find: "await this.#hash.hash(digest, decoy);",
    replace: 'if (digest === "") await this.#hash.hash(digest, decoy);',
    killers: [LOG_INS],
  },
  {
    name: "access-right-without-limit",
    bug: "a right password is taken even after too many wrong ones",
    file: "src/access/log_ins.ts",
    find: 'if (!this.#attempts.mayTry(address, name)) return "limited";',
    replace: "",
    killers: [LOG_INS, AT_NODE],
  },
  {
    name: "access-many-at-once",
    bug: "an address has any number of passwords checked at once",
    file: "src/access/attempts.ts",
    find: "if (failures + pending > OF_ADDRESS.burst - 1) return null;",
    replace: "if (failures > OF_ADDRESS.burst - 1) return null;",
    killers: [LOG_INS, AT_NODE],
  },
  {
    name: "access-user-kept-out",
    bug: "others who guess a user's password keep that user out",
    file: "src/access/attempts.ts",
    find: "if (this.#known.has(pairOf(group, user))) return true;",
    replace: "",
    killers: [ATTEMPTS],
  },
  {
    name: "access-hash-per-verifier",
    bug: "a log-in computes a hash for each password of the user",
    file: "src/access/scrypt.ts",
    find: "      hashes.set(setting, hash);\n",
    replace: "",
    killers: [HASH],
  },
  {
    name: "access-queue-without-end",
    bug: "any number of passwords waits to be hashed",
    file: "src/access/scrypt.ts",
    find: "if (this.#waiting.length >= WAITING_MAX) throw new HashingBusy();",
    replace: "",
    killers: [HASH],
  },
  {
    name: "access-challenge-twice",
    bug: "an answer to a challenge can be sent again",
    file: "src/access/access_control.ts",
    find: `    const { challenge } = client;
    client.challenge = "";`,
    replace: "    const { challenge } = client;",
    killers: [AT_NODE],
  },
  {
    name: "access-any-server",
    bug: "the other side need not know the secret",
    file: "src/access/peer_proof.ts",
    find: "isSameHex(text, this.#secret.answer(this.#challenge, this.#nonce));",
    replace: "isSameHex(text, text);",
    killers: [PEERS],
  },
  {
    name: "access-copy-goes-back",
    bug: "a node that lags takes users back",
    file: "src/proxy/proxy_users.ts",
    find: "if (view.version > (this.#copy?.version ?? -1)) this.#adopt(this.#usersOf(view));",
    replace: "this.#adopt(this.#usersOf(view));",
    killers: [COPY],
  },
  {
    name: "access-proxy-open-at-start",
    bug: "a proxy lets everybody in before it knows the users",
    file: "src/proxy/proxy_users.ts",
    find: "#copy: Users | null = null;",
    replace: "#copy: Users | null = new Users();",
    killers: [COPY, AT_PROXY],
  },
  {
    name: "access-proxy-forgets-users",
    bug: "a user who is made through a proxy cannot use it at once",
    file: "src/proxy/proxy_frontend.ts",
    find: "const sink = isAboutUsers ? this.#changesUsers(connection, reply) : reply;",
    replace:
      "const sink = isAboutUsers && connection.isClosed ? this.#changesUsers(connection, reply) : reply;",
    killers: [AT_PROXY],
  },
  {
    name: "access-users-without-end",
    bug: "users have no limit of memory",
    file: "src/commands/user_writes.ts",
    find: "if (growth > 0 && users.usedBytes + growth > USERS_BYTES_MAX) throw TOO_MANY_BYTES;",
    replace: "if (growth < 0 && users.usedBytes + growth > USERS_BYTES_MAX) throw TOO_MANY_BYTES;",
    killers: [WRITES],
  },
  {
    name: "access-default-missing",
    bug: "a snapshot without the default user is taken",
    file: "src/store/user_snapshot.ts",
    find: "if (!this.#loaded.some(({ name }) => name === DEFAULT_USER_NAME)) {",
    replace: "if (!this.#loaded.some(({ name }) => name <= DEFAULT_USER_NAME)) {",
    killers: [SNAPSHOT],
  },
];
