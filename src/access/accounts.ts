import {
  type CommandCatalog,
  DEFAULT_USER_NAME,
  type Permission,
  permissionOf,
  type User,
} from "../security/mod.ts";

/** Where the users are found, as they are now. */
export interface UserSource {
  /** Changes with the users. */
  readonly version: number;
  find(name: string): User | undefined;
}

const NOTHING: Permission = { isUnlimited: false, selectors: [] };
const EVERYTHING: Permission = { isUnlimited: true, selectors: [] };

/**
 * Who makes the requests of a connection, and what they may do. All connections of a user share one
 * object, which follows the changes of that user.
 */
export class Account {
  readonly name: string;
  permission: Permission;
  /** Whether every request is allowed: read with each request, so that it is a field. */
  isUnlimited: boolean;
  /** Whether the user is gone, so that its connections have to end. */
  isDeleted = false;

  constructor(name: string, permission: Permission) {
    this.name = name;
    this.permission = permission;
    this.isUnlimited = permission.isUnlimited;
  }

  setPermission(permission: Permission): void {
    this.permission = permission;
    this.isUnlimited = permission.isUnlimited;
  }
}

/** A connection that has sent no request. The first one decides whether it has to log in. */
export const NEW_CLIENT: Account = new Account(DEFAULT_USER_NAME, NOTHING);

/** A connection that has to log in, or could do nothing when its first request came. */
export const NOBODY: Account = new Account(DEFAULT_USER_NAME, NOTHING);

/**
 * Another process of the cluster, which has proved that it knows the cluster's secret. It has
 * checked the requests of its clients itself. No user can have this name, which has a space.
 */
export const PEER: Account = new Account("cluster peer", EVERYTHING);

/** The accounts of all users who have connections. */
export class Accounts {
  readonly #catalog: CommandCatalog;
  readonly #source: () => UserSource | null;
  readonly #accounts = new Map<string, { readonly account: Account; user: User }>();

  /** @param source `null` while the users are not known */
  constructor(catalog: CommandCatalog, source: () => UserSource | null) {
    this.#catalog = catalog;
    this.#source = source;
  }

  /** Whether the users are known, so that anybody can be let in. */
  get areKnown(): boolean {
    return this.#source() !== null;
  }

  find(name: string): User | undefined {
    return this.#source()?.find(name);
  }

  /** The account of a connection without a log-in: the default user's, if that needs none. */
  ofNewClient(): Account {
    const user = this.find(DEFAULT_USER_NAME);
    return user?.isEnabled === true && user.needsNoPassword ? this.of(user) : NOBODY;
  }

  of(user: User): Account {
    const known = this.#accounts.get(user.name);
    if (known !== undefined && known.user === user) return known.account;
    const permission = permissionOf(this.#catalog, user);
    if (known !== undefined) {
      known.user = user;
      known.account.setPermission(permission);
      return known.account;
    }
    const account = new Account(user.name, permission);
    this.#accounts.set(user.name, { account, user });
    return account;
  }

  /** Follows changes of the users. Returns whether one is gone that may have connections. */
  update(): boolean {
    let isAnyDeleted = false;
    for (const [name, { account }] of [...this.#accounts]) {
      const user = this.find(name);
      if (user !== undefined) {
        this.of(user);
        continue;
      }
      account.isDeleted = true;
      account.setPermission(NOTHING);
      this.#accounts.delete(name);
      isAnyDeleted = true;
    }
    return isAnyDeleted;
  }
}
