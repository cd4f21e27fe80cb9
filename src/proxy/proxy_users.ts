import type { UserSource } from "../access/accounts.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { decodeReply, ReplyFormatError } from "../resp/reply_scanner.ts";
import { decodeUser, DEFAULT_USER_NAME, encodeUser, type User } from "../security/mod.ts";
import { Users, type UsersView } from "../store/users.ts";

/** Time in ms after which a copy that failed is tried again. */
const RETRY_MS = 250;
/** Maximum time in ms for which a change of users that went through this proxy waits for the copy. */
const FRESH_MS_MAX = 1_000;

export interface ProxyUsersOptions {
  readonly router: { read(args: readonly string[], answered: (text: string) => void): void };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when there is a new copy. */
  readonly changed: () => void;
}

/**
 * A proxy's copy of the users. It is made when a node first reports, and whenever one reports a
 * change. If no node answers, the proxy goes on with the copy that it has. Passwords are hashes in
 * it, as in the state.
 */
export class ProxyUsers {
  readonly #options: ProxyUsersOptions;
  #copy: Users | null = null;
  /** The newest version that a node has reported. */
  #reported = 0;
  #isCopying = false;
  /** Whether the copy that is being made may be older than what is wanted. */
  #isAgainWanted = false;
  /** The reason of the last failure; empty once a copy was made. */
  #problem = "";
  #waiting: (() => void)[] = [];

  constructor(options: ProxyUsersOptions) {
    this.#options = options;
  }

  /** `null` before the first copy. */
  get source(): UserSource | null {
    return this.#copy;
  }

  /** Notes the version that a node has reported. */
  note(version: number): void {
    this.#reported = Math.max(this.#reported, version);
    if (this.#copy === null && version === 0 && this.#reported === 0) {
      return this.#adopt(new Users());
    }
    if (this.#reported > (this.#copy?.version ?? -1)) this.#begin();
  }

  /**
   * Makes a copy that has all that was committed before this call.
   *
   * @param done called when there is one, or after a second
   */
  refresh(done: () => void): void {
    let isDone = false;
    const once = () => {
      if (isDone) return;
      isDone = true;
      cancel();
      done();
    };
    const cancel = this.#options.clock.after(FRESH_MS_MAX, once);
    this.#isAgainWanted = this.#isCopying;
    this.#waiting.push(once);
    this.#begin();
  }

  #begin(): void {
    if (this.#isCopying) return;
    this.#isCopying = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#options.router.read(["CLUSTER", "USERS"], (text) => this.#answered(text, waiting));
  }

  #answered(text: string, waiting: readonly (() => void)[]): void {
    const view = viewIn(text);
    if (typeof view === "string") {
      this.#fail(view);
      this.#waiting.push(...waiting);
      return;
    }
    this.#isCopying = false;
    this.#problem = "";
    // A view of a node that lags is not newer than the copy.
    if (view.version > (this.#copy?.version ?? -1)) this.#adopt(this.#usersOf(view));
    for (const done of waiting) done();
    const isAgainWanted = this.#isAgainWanted || this.#reported > view.version;
    this.#isAgainWanted = false;
    if (isAgainWanted) this.#begin();
  }

  #fail(problem: string): void {
    const { logger, clock } = this.#options;
    if (problem !== this.#problem) logger.warn(`cannot copy the users: ${problem}`);
    this.#problem = problem;
    clock.after(RETRY_MS, () => {
      this.#isCopying = false;
      this.#begin();
    });
  }

  #adopt(users: Users): void {
    this.#copy = users;
    this.#options.changed();
  }

  /** Keeps the objects of users that are as they were: log-ins of theirs are remembered. */
  #usersOf({ version, users }: UsersView): Users {
    const known = this.#copy;
    const kept = users.map((user) => {
      const before = known?.find(user.name);
      return before !== undefined && isSame(before, user) ? before : user;
    });
    const copy = new Users();
    copy.restore({ version, users: kept });
    return copy;
  }
}

function isSame(one: User, other: User): boolean {
  const [a, b] = [encodeUser(one), encodeUser(other)];
  return a.length === b.length && a.every((text, at) => text === b[at]);
}

/** The users in a reply, or why there are none. */
function viewIn(text: string): UsersView | string {
  let reply: Reply;
  try {
    reply = decodeReply(text);
  } catch (error) {
    if (error instanceof ReplyFormatError) return error.message;
    throw error;
  }
  if (reply instanceof ErrorReply) return reply.text;
  const [version, list] = Array.isArray(reply) ? reply as readonly Reply[] : [];
  if (typeof version !== "number" || !Array.isArray(list)) return "the reply is malformed";
  const users = (list as readonly Reply[]).map((fields) => decodeUser(fields));
  const known = users.filter((user) => user !== null);
  const hasDefault = known.some(({ name }) => name === DEFAULT_USER_NAME);
  if (known.length < users.length || !hasDefault) return "the reply is malformed";
  return { version, users: known };
}
