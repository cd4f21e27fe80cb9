import { assert } from "../base/errors.ts";
import { DEFAULT_USER, DEFAULT_USER_NAME, rulesOf, type User } from "../security/mod.ts";
import { compareBytes } from "./sorted_tree.ts";

/** Estimated memory of a user beside its texts, in bytes. */
const USER_BYTES = 500;
/** Estimated memory of a rule beside its text, in bytes. */
const RULE_BYTES = 32;

/** All users as they were at one moment. */
export interface UsersView {
  /** Number of changes of users so far. */
  readonly version: number;
  /** By name. */
  readonly users: readonly User[];
}

/** The users of a new cluster. */
export const NEW_USERS: UsersView = { version: 0, users: [DEFAULT_USER] };

/**
 * The users of the cluster: a part of the replicated state. Equal calls in equal order give equal
 * states. The user `default` is always there.
 */
export class Users {
  #version = 0;
  readonly #byName = new Map<string, User>([[DEFAULT_USER_NAME, DEFAULT_USER]]);
  #usedBytes = userBytes(DEFAULT_USER);
  /** `null` after a change. */
  #view: UsersView | null = NEW_USERS;

  /** Number of changes so far. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#byName.size;
  }

  /** Estimated memory in bytes; 0 while there is only the first user, as it was at the start. */
  get usedBytes(): number {
    return this.#version === 0 ? 0 : this.#usedBytes;
  }

  find(name: string): User | undefined {
    return this.#byName.get(name);
  }

  /** The users as they are now, which later changes do not reach. */
  view(): UsersView {
    const byName = (one: User, other: User) => compareBytes(one.name, other.name);
    this.#view ??= {
      version: this.#version,
      users: [...this.#byName.values()].sort(byName),
    };
    return this.#view;
  }

  /** Adds a user, or replaces the one of that name. */
  set(user: User): void {
    this.#count(user.name, -1);
    this.#byName.set(user.name, user);
    this.#count(user.name, 1);
    this.#changed();
  }

  /** Deletes a user. Returns whether there was one. */
  delete(name: string): boolean {
    assert(name !== DEFAULT_USER_NAME, "Cannot delete the default user");
    if (!this.#byName.has(name)) return false;
    this.#count(name, -1);
    this.#byName.delete(name);
    this.#changed();
    return true;
  }

  /** Restores what a snapshot holds. To be called before anything else. */
  restore({ version, users }: UsersView): void {
    this.#byName.clear();
    this.#usedBytes = 0;
    for (const user of users) {
      this.#byName.set(user.name, user);
      this.#count(user.name, 1);
    }
    this.#version = version;
    this.#view = null;
    assert(this.#byName.has(DEFAULT_USER_NAME), "Cannot restore users without the default one");
  }

  #changed(): void {
    this.#version++;
    this.#view = null;
  }

  #count(name: string, sign: 1 | -1): void {
    const user = this.#byName.get(name);
    if (user !== undefined) this.#usedBytes += sign * userBytes(user);
  }
}

/** Estimated memory of a user in bytes. */
export function userBytes(user: User): number {
  let bytes = USER_BYTES + user.name.length;
  for (const rule of rulesOf(user)) bytes += RULE_BYTES + rule.length;
  return bytes;
}
