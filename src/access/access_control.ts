import type { Arguments } from "../base/byte_string.ts";
import type { Logger } from "../base/logger.ts";
import { ACL_CATALOG } from "../commands/acl_catalog.ts";
import { denialOf } from "../commands/acl_request.ts";
import type { Command } from "../commands/command.ts";
import { rowOf } from "../commands/table.ts";
import type { Clock } from "../platform/clock.ts";
import { ErrorReply } from "../resp/reply.ts";
import { DEFAULT_USER_NAME, noPermission, type User } from "../security/mod.ts";
import { type Account, Accounts, NEW_CLIENT, NOBODY, PEER, type UserSource } from "./accounts.ts";
import { AclLog } from "./acl_log.ts";
import { AuditLines } from "./audit_lines.ts";
import { finishedRules } from "./finished_rules.ts";
import { LogIns } from "./log_ins.ts";
import type { ClusterSecret } from "./peer_proof.ts";
import { HashingBusy, SlowHash } from "./scrypt.ts";

/** A client's connection, as access control sees it. */
export interface AccessClient {
  /** The host of the client. */
  readonly host: string;
  /** `NEW_CLIENT` at first. */
  account: Account;
  /** What the client has to answer to prove that it is a peer; "" if nothing. */
  challenge: string;
}

export interface AccessOptions {
  /** The users as they are now; `null` while they are not known. */
  readonly users: () => UserSource | null;
  readonly clock: Clock;
  /** Gets a line for each refusal and each administrative action. */
  readonly logger: Logger;
  /** `null`: no connection is one of a peer. */
  readonly secret: ClusterSecret | null;
}

const NOAUTH = new ErrorReply("NOAUTH Authentication required.");
const USERS_UNKNOWN = new ErrorReply(
  "CLUSTERDOWN The users are not known yet, the request was not executed",
);
const WRONG_PASSWORD = new ErrorReply(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const TOO_MANY_FAILURES = new ErrorReply(
  "ERR Too many wrong passwords, log in again in some seconds",
);
const BUSY = new ErrorReply("ERR Too many passwords are being checked, log in again later");
const NO_SECRET = new ErrorReply("ERR This process has no cluster secret");
const NOT_PROVED = new ErrorReply("WRONGPASS invalid proof of the cluster secret");

/** A log-in is checked again if the user changes meanwhile, but not for ever. */
const CHECKS_MAX = 3;

/**
 * The rights of the connections of one process, node or proxy: who they are, and what they may do.
 * The caller checks each request of an account that is not `isUnlimited`, before it is executed or
 * proposed, and again if it was held.
 */
export class AccessControl {
  /** Whether the users were ever changed, so that administrative actions are worth a line. */
  isInUse = false;
  readonly log: AclLog;
  readonly audit: AuditLines;
  readonly #options: AccessOptions;
  readonly #accounts: Accounts;
  readonly #hash = new SlowHash();
  readonly #logIns: LogIns;

  constructor(options: AccessOptions) {
    const { clock, logger, users } = options;
    this.#options = options;
    this.log = new AclLog(clock);
    this.audit = new AuditLines(clock, logger);
    this.#accounts = new Accounts(ACL_CATALOG, users);
    this.#logIns = new LogIns(clock, this.#hash);
    this.update();
  }

  get hasSecret(): boolean {
    return this.#options.secret !== null;
  }

  /** The reply to a request that needs a log-in. */
  get mustLogIn(): ErrorReply {
    return this.#accounts.areKnown ? NOAUTH : USERS_UNKNOWN;
  }

  findUser(name: string): User | undefined {
    return this.#accounts.find(name);
  }

  /** To be called after the users have changed. Returns whether connections may have to end. */
  update(): boolean {
    this.isInUse = this.#options.users()?.version !== 0;
    return this.#accounts.update();
  }

  /**
   * The account of a client, which is decided with its first request. As in Redis, one that had to
   * log in then does not have to as long as the default user needs no password, and one that did
   * not have to stays as it is.
   */
  accountOf(client: AccessClient): Account {
    if (client.account === NOBODY) return this.#accounts.ofNewClient();
    if (client.account !== NEW_CLIENT) return client.account;
    const account = this.#accounts.ofNewClient();
    if (this.#accounts.areKnown) client.account = account;
    return account;
  }

  /**
   * Why a client may not make a request; `null` if it may. To be called unless the account is
   * unlimited.
   *
   * @param row of the request, which was checked
   * @param describe the client's line of `CLIENT LIST`
   */
  refusal(
    client: AccessClient,
    row: Command,
    args: () => Arguments,
    describe: () => string,
  ): ErrorReply | null {
    const account = this.accountOf(client);
    if (account.isUnlimited) return null;
    if (account === NOBODY) {
      if (row.flags.includes("no_auth")) return null;
      return this.mustLogIn;
    }
    const denial = denialOf(account.permission, row, args, rowOf);
    if (denial === null) return null;
    const { kind, object } = denial;
    const line = describe();
    this.log.add({ reason: kind, object, username: account.name, client: line });
    this.audit.write("denied", {
      user: account.name,
      client: client.host,
      command: row.name,
      reason: kind,
      object,
    });
    return new ErrorReply(noPermission(denial));
  }

  /**
   * Logs a client in.
   *
   * @param via the command, for the log
   * @returns `null`, or the refusal
   */
  async logIn(
    client: AccessClient,
    name: string,
    password: string,
    via: string,
    describe: () => string,
  ): Promise<ErrorReply | null> {
    if (!this.#accounts.areKnown) return USERS_UNKNOWN;
    for (let check = 0; check < CHECKS_MAX; check++) {
      const user = this.findUser(name);
      const verdict = await this.#logIns.check(user, name, password, client.host);
      if (verdict === "busy") return BUSY;
      if (verdict === "limited") return TOO_MANY_FAILURES;
      if (verdict === "wrong") break;
      if (user === undefined || this.findUser(name) !== user) continue;
      client.account = this.#accounts.of(user);
      return null;
    }
    this.log.add({ reason: "auth", object: via, username: name, client: describe() });
    this.audit.write("denied", { user: name, client: client.host, command: via, reason: "auth" });
    return WRONG_PASSWORD;
  }

  /** Whether `AUTH` without a name is a mistake: the default user has no password. */
  get isDefaultOpen(): boolean {
    return this.findUser(DEFAULT_USER_NAME)?.needsNoPassword === true;
  }

  /** Makes a client a new one. */
  logOut(client: AccessClient): void {
    client.account = NEW_CLIENT;
    client.challenge = "";
  }

  /** `CLUSTER CHALLENGE` */
  challenge(client: AccessClient): string | ErrorReply {
    const { secret } = this.#options;
    if (secret === null) return NO_SECRET;
    return client.challenge = secret.newNonce();
  }

  /** `CLUSTER PROVE`. Each challenge can be answered once. */
  prove(client: AccessClient, nonce: string, proof: string): string | ErrorReply {
    const { secret } = this.#options;
    const { challenge } = client;
    client.challenge = "";
    if (secret === null) return NO_SECRET;
    if (challenge === "" || !secret.isProof(proof, challenge, nonce)) {
      const fields = { client: client.host, command: "cluster|prove", reason: "auth" };
      this.audit.write("denied", fields);
      return NOT_PROVED;
    }
    client.account = PEER;
    return secret.answer(challenge, nonce);
  }

  /**
   * Makes the rules of `ACL SETUSER` ready to be replicated.
   *
   * @throws {AclError} if a rule is refused
   * @returns the finished rules, or an error if it cannot be done now
   */
  async finishedRules(
    name: string,
    rules: readonly string[],
  ): Promise<readonly string[] | ErrorReply> {
    const tools = { catalog: ACL_CATALOG, hash: this.#hash };
    try {
      return await finishedRules(tools, this.findUser(name) ?? null, name, rules);
    } catch (error) {
      if (error instanceof HashingBusy) return BUSY;
      throw error;
    }
  }
}
