import { randomBytes } from "node:crypto";
import type { AccessControl } from "../access/access_control.ts";
import { NOBODY, PEER } from "../access/accounts.ts";
import { type Arguments, textOf } from "../base/byte_string.ts";
import { describeClient } from "../commands/client_rows.ts";
import type { Command } from "../commands/command.ts";
import type { AccessServer } from "../commands/local.ts";
import { COMMANDS } from "../commands/table.ts";
import type { Clock } from "../platform/clock.ts";
import type { ErrorReply, Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { RequestHold } from "./request_hold.ts";

/** What only shows something. */
const READING =
  /\|(list|log|getuser|users|dryrun|get|info|help|blobs|work|read)$|^(lastsave|role)$/;

/** The commands that change something beyond keys and values. */
const ADMINISTRATIVE: ReadonlySet<Command> = new Set(
  COMMANDS.flatMap((command) => [command, ...command.subcommands ?? []])
    .filter(({ categories, name }) => categories.includes("admin") && !READING.test(name)),
);

/** The users and rights of the connections of one listener. */
export class ConnectionAccess implements AccessServer {
  readonly control: AccessControl;
  readonly #hold: RequestHold;
  readonly #clock: Clock;

  constructor(control: AccessControl, hold: RequestHold, clock: Clock) {
    this.control = control;
    this.#hold = hold;
    this.#clock = clock;
  }

  get log(): AccessServer["log"] {
    return this.control.log;
  }

  get isDefaultOpen(): boolean {
    return this.control.isDefaultOpen;
  }

  isLoggedIn(connection: Connection): boolean {
    return this.control.accountOf(connection) !== NOBODY;
  }

  /** The reply to a request that needs a log-in. */
  get mustLogIn(): ErrorReply {
    return this.control.mustLogIn;
  }

  /** Whether a line is written about each request of this command. */
  isAudited(command: Command): boolean {
    if (!ADMINISTRATIVE.has(command)) return false;
    return this.control.isInUse || command.name === "acl|setuser";
  }

  /** Writes a line about an administrative request, with its first argument. */
  audit(connection: Connection, { name }: Command, args: Arguments): void {
    if (connection.account === PEER) return;
    const object = args[name.includes("|") ? 2 : 1];
    this.control.audit.write("ran", {
      user: connection.userName,
      client: connection.host,
      command: name,
      ...(object === undefined ? {} : { object: textOf(object) }),
    });
  }

  /** Why a connection may not make a request; `null` if it may. */
  refusal(connection: Connection, command: Command, args: () => Arguments): ErrorReply | null {
    return this.control.refusal(connection, command, args, () => this.#describe(connection));
  }

  logIn(
    connection: Connection,
    { name, password }: { readonly name: string; readonly password: string },
    via: string,
    done: (refusal: ErrorReply | null) => void,
  ): void {
    const describe = () => this.#describe(connection);
    this.holdWhile(connection, async () => {
      const refusal = await this.control.logIn(connection, name, password, via, describe);
      return () => done(refusal);
    });
  }

  /** Holds the later requests of a connection until this is called. */
  holdUntil(connection: Connection): () => void {
    this.#hold.begin(connection);
    return () => this.#hold.end(connection);
  }

  /**
   * Holds the later requests of a connection until `work` has ended, and calls what it returns. A
   * failure ends the connection.
   */
  holdWhile(connection: Connection, work: () => Promise<() => void>): void {
    this.#hold.begin(connection);
    work().then((finish) => {
      if (connection.isClosed) return this.#hold.forget(connection);
      finish();
      this.#hold.end(connection);
    }).catch((error) => {
      this.#hold.forget(connection);
      connection.fail(error);
    });
  }

  logOut(connection: Connection): void {
    this.control.logOut(connection);
  }

  hasUser(name: string): boolean {
    return this.control.findUser(name) !== undefined;
  }

  randomHex(digits: number): string {
    return randomBytes(Math.ceil(digits / 2)).toString("hex").slice(0, digits);
  }

  challenge(connection: Connection): Reply {
    return this.control.challenge(connection);
  }

  prove(connection: Connection, nonce: string, proof: string): Reply {
    return this.control.prove(connection, nonce, proof);
  }

  /** Follows a change of the users: ends the connections of those that are gone. */
  update(connections: Iterable<Connection>): void {
    if (!this.control.update()) return;
    for (const connection of connections) {
      if (connection.account.isDeleted) connection.closeAfterReplies();
    }
  }

  #describe(connection: Connection): string {
    return describeClient(connection, this.#clock.monotonicMs());
  }
}
