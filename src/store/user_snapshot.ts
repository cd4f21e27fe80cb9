import { type ByteString, textOf } from "../base/byte_string.ts";
import {
  decodeUser,
  DEFAULT_USER_NAME,
  encodeUser,
  type User,
  USERS_MAX,
} from "../security/mod.ts";
import {
  integerField,
  lengthOf,
  type SnapshotItem,
  textField,
  wrongItem,
} from "./snapshot_items.ts";
import { type EncodedItem, encodeParts } from "./snapshot_strings.ts";
import { Users, type UsersView } from "./users.ts";

/** The items of all users. There are none while they are as at the start. */
export function* encodeUsers({ version, users }: UsersView): Generator<EncodedItem, void> {
  if (version === 0) return;
  yield JSON.stringify(["users", version, users.length]);
  for (const user of users) {
    const [name, ...rules] = encodeUser(user);
    yield JSON.stringify(["user", name, rules.length]);
    yield* encodeParts("rules", rules.map((rule) => [rule]));
  }
}

/** Maximum number of rules of a user, more than any has. */
const RULES_MAX = 2 ** 20;

/** A user whose rules are being loaded. */
interface OpenUser {
  readonly item: SnapshotItem;
  readonly name: string;
  readonly count: number;
  readonly rules: string[];
}

/** Builds the users of a state from the items of a snapshot, in order. */
export class UserLoader {
  readonly users = new Users();
  readonly #loaded: User[] = [];
  #announced: { readonly version: number; readonly count: number } | null = null;
  #open: OpenUser | null = null;

  /** Whether the first item was taken. */
  get hasBegun(): boolean {
    return this.#announced !== null;
  }

  /**
   * Takes the first item.
   *
   * @throws {SnapshotFormatError} as do all methods
   */
  begin(item: SnapshotItem): void {
    lengthOf(item, 3, 3);
    if (this.#announced !== null) throw wrongItem(item, "it is there already");
    this.#announced = {
      version: integerField(item, 1, 1),
      count: integerField(item, 2, 1, USERS_MAX),
    };
  }

  /** Takes `["user", name, rules]`. */
  take(item: SnapshotItem): void {
    if (this.#announced === null) throw wrongItem(item, "its kind is not due");
    this.#close();
    lengthOf(item, 3, 3);
    if (this.#loaded.length >= this.#announced.count) throw wrongItem(item, "there are too many");
    const name = textField(item, 1);
    const last = this.#loaded.at(-1);
    if (last !== undefined && name <= last.name) throw wrongItem(item, "it is out of order");
    this.#open = { item, name, count: integerField(item, 2, 1, RULES_MAX), rules: [] };
  }

  /** Takes `["rules", rule, …]`. */
  addRules(item: SnapshotItem, rules: readonly ByteString[]): void {
    const open = this.#open;
    if (open === null) throw wrongItem(item, "its kind is not due");
    if (open.rules.length + rules.length > open.count) throw wrongItem(item, "there are too many");
    for (const rule of rules) open.rules.push(textOf(rule));
  }

  /** Checks that everything was there. */
  finish(item: SnapshotItem): void {
    if (this.#announced === null) return;
    this.#close();
    const { version, count } = this.#announced;
    if (this.#loaded.length !== count) throw wrongItem(item, "users are missing");
    if (!this.#loaded.some(({ name }) => name === DEFAULT_USER_NAME)) {
      throw wrongItem(item, "the default user is missing");
    }
    this.users.restore({ version, users: this.#loaded });
  }

  #close(): void {
    if (this.#open === null) return;
    const { item, name, count, rules } = this.#open;
    if (rules.length !== count) throw wrongItem(item, "rules are missing");
    const user = decodeUser([name, ...rules]);
    if (user === null) throw wrongItem(item, "it is no user");
    this.#loaded.push(user);
    this.#open = null;
  }
}
