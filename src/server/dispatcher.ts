import type { AccessControl } from "../access/access_control.ts";
import { NEW_CLIENT } from "../access/accounts.ts";
import type { Arguments } from "../base/byte_string.ts";
import { assert } from "../base/errors.ts";
import type { Command } from "../commands/command.ts";
import { CommandError, errorReplyOf } from "../commands/command_error.ts";
import { type LocalServer, SETTLED_BY_HANDLER } from "../commands/local.ts";
import type { Clock } from "../platform/clock.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { ClientPause } from "./client_pause.ts";
import type { Connection } from "./connection.ts";
import { ConnectionAccess } from "./connection_access.ts";
import type { PendingReply } from "./pending_reply.ts";
import { RequestHold } from "./request_hold.ts";

/**
 * The path of every request through a node or a proxy: its row is looked up, its arity and the
 * rights of its user are checked, it waits while clients are paused, and then it is served here, or submitted to the node or the
 * router. Node and proxy implement the steps that differ.
 *
 * `Request` is the form of a request: its arguments at a node, its text at a proxy.
 */
export abstract class Dispatcher<Request> {
  readonly clock: Clock;
  readonly pause: ClientPause;
  readonly access: ConnectionAccess;
  readonly #hold = new RequestHold();

  constructor(clock: Clock, control: AccessControl) {
    this.clock = clock;
    this.pause = new ClientPause(clock);
    this.access = new ConnectionAccess(control, this.#hold, clock);
  }

  /** The server that is passed to local commands. */
  protected abstract readonly local: LocalServer;
  /** The row of the request. @throws {CommandError} when the request is invalid */
  protected abstract rowOf(request: Request): Command;
  /** The command's name as the client wrote it. */
  protected abstract nameOf(request: Request): string;
  /** The arguments. */
  protected abstract argumentsOf(request: Request): Arguments;
  /** The arguments as text, however long they are. */
  protected abstract argsOf(request: Request): readonly string[];
  /** Submits a request that is not served here. @throws {CommandError} when it is refused */
  protected abstract submit(
    connection: Connection,
    command: Command,
    request: Request,
    reply: PendingReply,
  ): void;

  /** Begins to hold the requests of a connection if it is not known yet who exists. */
  protected waitsForUsers(_connection: Connection): boolean {
    return false;
  }

  /** Called after a local command, which may have changed the connection's protocol. */
  protected served(_connection: Connection): void {}

  /** Ends what it has begun for later. */
  stop(): void {
    this.access.control.audit.stop();
  }

  /** Drops the requests of a client that is gone. */
  protected forgetHeld(connection: Connection): void {
    this.#hold.forget(connection);
    this.pause.forget(connection);
  }

  /** Answers a request, now or later. */
  dispatch(connection: Connection, request: Request, reply: PendingReply): void {
    if (this.#hold.isAny && this.#waits(connection, request, reply)) return;
    let command: Command;
    try {
      command = this.rowOf(request);
    } catch (error) {
      const refusal = errorReplyOf(error);
      if (this.#isUserUnknown(connection, request, reply)) return;
      if (this.pause.isOn && this.#isHeld(connection, request, reply, false)) return;
      return reply.settle(this.#refuseMulti(connection, request) ?? refusal);
    }
    if (!connection.account.isUnlimited) {
      if (!isForPeers(command) && this.#isUserUnknown(connection, request, reply)) return;
      const denial = this.#denialOf(connection, command, request);
      if (denial !== null) return reply.settle(denial);
    }
    const { kind } = command;
    const isWrite = kind === "write";
    if (this.pause.isOn && this.#isHeld(connection, request, reply, isWrite)) return;
    if (connection.isInRefusedTransaction) {
      const refusal = refuseTransaction(connection, this.nameOf(request));
      if (refusal !== null) return reply.settle(refusal);
    }
    connection.lastCommand = command.name;
    if ((kind === "local" || this.access.control.isInUse) && this.access.isAudited(command)) {
      this.#audit(connection, command, request);
    }
    try {
      if (
        kind !== "local" || (command.isForLeader === true && this.local.ofLeader === null)
      ) {
        return this.submit(connection, command, request, reply);
      }
      const answer = this.#serve(connection, command, this.argsOf(request), reply);
      if (answer !== SETTLED_BY_HANDLER) reply.settle(answer);
      this.served(connection);
    } catch (error) {
      reply.settle(errorReplyOf(error));
    }
  }

  #serve(connection: Connection, command: Command, args: readonly string[], reply: PendingReply) {
    const { name, serve, isForNodes = false } = command;
    if (isForNodes && this.local.ofNode === null) {
      const words = name.replace("|", " ").toUpperCase();
      throw new CommandError(`ERR ${words} is for nodes, this is a proxy`);
    }
    assert(serve !== undefined, `the local command ${name} has no handler`);
    return serve(this.local, connection, args, reply);
  }

  /** Whether the request waits until an earlier one of its connection is decided. */
  #waits(connection: Connection, request: Request, reply: PendingReply): boolean {
    return this.#hold.holds(
      connection,
      reply,
      () => this.dispatch(connection, request, reply),
    );
  }

  /** Whether the request waits until the users are known. */
  #isUserUnknown(connection: Connection, request: Request, reply: PendingReply): boolean {
    if (connection.account !== NEW_CLIENT) return false;
    return this.waitsForUsers(connection) && this.#waits(connection, request, reply);
  }

  #denialOf(connection: Connection, command: Command, request: Request): ErrorReply | null {
    return this.access.refusal(connection, command, () => this.argumentsOf(request));
  }

  /** `MULTI` is not in the table, but as in Redis it needs a log-in. */
  #refuseMulti(connection: Connection, request: Request): Reply | null {
    const name = this.nameOf(request);
    const isMulti = name.length <= LENGTH_MAX && name.toLowerCase() === "multi";
    if (isMulti && !this.access.isLoggedIn(connection)) return this.access.mustLogIn;
    return refuseTransaction(connection, name);
  }

  #audit(connection: Connection, command: Command, request: Request): void {
    this.access.audit(connection, command, this.argumentsOf(request));
  }

  /** Whether the request waits until `CLIENT PAUSE` ends. */
  #isHeld(
    connection: Connection,
    request: Request,
    reply: PendingReply,
    isWrite: boolean,
  ): boolean {
    const serve = () => this.dispatch(connection, request, reply);
    return this.pause.holds(connection, reply, isWrite, serve);
  }
}

/** Whether other processes of the cluster send it before they are known. */
function isForPeers({ group, flags }: Command): boolean {
  return group === "cluster" && flags.includes("no_auth");
}

/** The connection, as far as transactions matter. */
type TransactionState = Pick<Connection, "isInRefusedTransaction">;

const MULTI_REFUSED = new ErrorReply(
  "ERR transactions are not supported: nothing is executed until EXEC or DISCARD",
);
const NOT_EXECUTED = new ErrorReply(
  "ERR not executed: MULTI was refused; send EXEC or DISCARD to continue",
);
const ABORTED = new ErrorReply("EXECABORT Transaction discarded because of previous errors.");

/**
 * Keeps the commands of a refused transaction from being executed one by one. Clients send them
 * after `MULTI` without waiting for its answer, and report the whole transaction as failed.
 *
 * @param name the command's, as the client wrote it
 * @returns the answer to the request; `null` if it is served like any other
 */
export function refuseTransaction(connection: TransactionState, name: string): Reply | null {
  const word = name.length > LENGTH_MAX ? "" : name.toLowerCase();
  if (!connection.isInRefusedTransaction) {
    if (word !== "multi") return null;
    connection.isInRefusedTransaction = true;
    return MULTI_REFUSED;
  }
  switch (word) {
    case "exec":
      connection.isInRefusedTransaction = false;
      return ABORTED;
    case "discard":
      connection.isInRefusedTransaction = false;
      return OK;
    case "quit":
    case "reset":
      return null;
    default:
      return NOT_EXECUTED;
  }
}

/** Length of the longest name above, `discard`. */
const LENGTH_MAX = 7;
