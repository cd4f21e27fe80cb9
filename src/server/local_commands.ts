import { assert } from "../base/errors.ts";
import type { Command } from "../commands/command.ts";
import { errorReplyOf, wrongNumberOfArguments } from "../commands/command_error.ts";
import { commandReply, helpReply } from "../commands/command_reply.ts";
import { matchesGlob } from "../commands/glob.ts";
import {
  ErrorReply,
  MapReply,
  OK,
  PONG,
  type Reply,
  SimpleString,
  VerbatimReply,
} from "../resp/reply.ts";
import { CLIENT_HANDLERS, isClientName } from "./client_commands.ts";
import type { Connection } from "./connection.ts";
import { REDIS_VERSION } from "./limits.ts";
import { type Answer, type PendingReply, SETTLED_BY_HANDLER } from "./pending_reply.ts";
import type { LocalHandler, ProcessCommands } from "./process_commands.ts";
import { bgsave, lastsave } from "./snapshot_commands.ts";

export const WRONG_PASSWORD: ErrorReply = new ErrorReply(
  "WRONGPASS invalid username-password pair or user is disabled.",
);

/** Whether it is the only user, who has no password: any password is right, as in Redis. */
export function isKnownUser(name: string | undefined): boolean {
  return name === "default";
}

/** `HELLO [protover [AUTH username password] [SETNAME clientname]]` */
export function hello(
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
): Reply {
  const version = args[1];
  if (version !== undefined && version !== "2" && version !== "3") {
    return /^-?[0-9]+$/.test(version)
      ? new ErrorReply("NOPROTO unsupported protocol version")
      : new ErrorReply("ERR Protocol version is not an integer or out of range");
  }
  let name: string | null = null;
  for (let at = 2; at < args.length;) {
    const option = args[at]?.toUpperCase();
    const left = args.length - at - 1;
    if (option === "SETNAME" && left >= 1) {
      name = args[at + 1] ?? "";
      at += 2;
    } else if (option === "AUTH" && left >= 2) {
      if (!isKnownUser(args[at + 1])) return WRONG_PASSWORD;
      at += 3;
    } else return new ErrorReply(`ERR Syntax error in HELLO option '${args[at]}'`);
  }
  if (name !== null && !isClientName(name)) {
    return new ErrorReply(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  if (name !== null) connection.name = name;
  if (version !== undefined) connection.protocol = version === "3" ? 3 : 2;
  reply.protocol = connection.protocol; // the reply itself is in the new protocol
  const { mode, role } = process.hello();
  return new MapReply([
    ["server", "redis"],
    ["version", REDIS_VERSION],
    ["proto", connection.protocol],
    ["id", connection.id],
    ["mode", mode],
    ["role", role],
    ["modules", []],
  ]);
}

const MULTI_REFUSED = new ErrorReply(
  "ERR transactions are not supported: nothing is executed until EXEC or DISCARD",
);
const NOT_EXECUTED = new ErrorReply(
  "ERR not executed: the MULTI before it was refused; EXEC or DISCARD ends that",
);
const ABORTED = new ErrorReply("EXECABORT Transaction discarded because of previous errors.");

/**
 * Keeps the commands of a refused transaction from being executed one by one. Clients send them
 * after `MULTI` without waiting for its answer, and report the whole transaction as failed.
 *
 * @param name the command's, as the client wrote it
 * @returns the answer to the request; `null` if it is to be served as any other
 */
export function refuseTransaction(connection: Connection, name: string): Reply | null {
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

const RESET = new SimpleString("RESET");

/** Handlers by full name. A container's own handler serves its subcommands without one. */
const HANDLERS: ReadonlyMap<string, LocalHandler> = new Map<string, LocalHandler>([
  ...CLIENT_HANDLERS,
  ["ping", (_process, _connection, args) => {
    if (args.length > 2) throw wrongNumberOfArguments("ping");
    return args[1] ?? PONG;
  }],
  ["echo", (_process, _connection, args) => args[1] ?? ""],
  ["quit", (_process, connection) => {
    connection.closeAfterReplies();
    return OK;
  }],
  ["reset", (process, connection, _args, reply) => {
    reply.isMuted = false;
    connection.reset();
    process.reset(connection);
    return RESET;
  }],
  ["readonly", () => OK],
  ["readwrite", () => OK],
  ["hello", hello],
  ["auth", auth],
  ["select", select],
  ["command", (_process, _connection, args) => commandReply(args)],
  ["config|get", configGet],
  ["config|resetstat", () => OK],
  ["config|rewrite", () => new ErrorReply("ERR The server is running without a config file")],
  ["info", (process, _connection, args) => new VerbatimReply(process.info(args.slice(1)))],
  ["time", (process) => {
    const nowMs = process.clock.nowMs();
    const seconds = Math.floor(nowMs / 1000);
    return [String(seconds), String(Math.round((nowMs - seconds * 1000) * 1000))];
  }],
  ["role", (process) => process.role()],
  ["cluster", (process, connection, args, reply) => process.cluster(connection, args, reply)],
  ["wait", wait],
  ["bgsave", ({ snapshots }, _connection, args) => bgsave(snapshots, args)],
  ["lastsave", ({ snapshots }) => lastsave(snapshots)],
  [
    "snapshot",
    ({ ofNode }, connection, args, reply) =>
      ofNode?.snapshot(connection, args, reply) ?? forNodes("snapshot"),
  ],
  ["fault", ({ ofNode }, _connection, args) => ofNode?.fault(args) ?? forNodes("fault")],
]);

/** Executes a command of kind `local`, whose arity has been checked. */
export function runLocal(
  process: ProcessCommands,
  connection: Connection,
  command: Command,
  args: readonly string[],
  reply: PendingReply,
): void {
  const answer = answerOf(process, connection, command, args, reply);
  if (answer !== SETTLED_BY_HANDLER) reply.settle(answer);
}

function answerOf(
  process: ProcessCommands,
  connection: Connection,
  { name, isForNodes = false }: Command,
  args: readonly string[],
  reply: PendingReply,
): Answer {
  const [container = name, subcommand] = name.split("|");
  const isNode = process.ofNode !== null;
  if (subcommand === "help") return helpReply(container, isNode);
  if (isForNodes && !isNode) return forNodes(name);
  const handler = HANDLERS.get(name) ?? HANDLERS.get(container);
  assert(handler !== undefined, `the local command ${name} has no handler`);
  try {
    return handler(process, connection, args, reply);
  } catch (error) {
    return errorReplyOf(error);
  }
}

function forNodes(name: string): ErrorReply {
  return new ErrorReply(
    `ERR ${name.replace("|", " ").toUpperCase()} is for nodes, this is a proxy`,
  );
}

function auth(_process: ProcessCommands, _connection: Connection, args: readonly string[]): Reply {
  if (args.length > 3) return new ErrorReply("ERR syntax error");
  if (args.length === 3) return isKnownUser(args[1]) ? OK : WRONG_PASSWORD;
  return new ErrorReply(
    "ERR AUTH <password> called without any password configured for the default user. " +
      "Are you sure your configuration is correct?",
  );
}

function select(
  _process: ProcessCommands,
  _connection: Connection,
  args: readonly string[],
): Reply {
  if (!/^(0|-?[1-9][0-9]{0,9})$/.test(args[1] ?? "")) {
    return new ErrorReply("ERR value is not an integer or out of range");
  }
  return args[1] === "0" ? OK : new ErrorReply("ERR DB index is out of range");
}

function configGet(
  process: ProcessCommands,
  _connection: Connection,
  args: readonly string[],
): Reply {
  const patterns = args.slice(2).map((pattern) => pattern.toLowerCase());
  const isWanted = (name: string) => patterns.some((pattern) => matchesGlob(pattern, name));
  return new MapReply([...process.config].filter(([name]) => isWanted(name)));
}

function wait(
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
): Answer {
  const isWhole = (text: string | undefined) => /^[+-]?[0-9]{1,15}$/.test(text ?? "");
  if (!isWhole(args[1])) return new ErrorReply("ERR value is not an integer or out of range");
  if (!isWhole(args[2])) return new ErrorReply("ERR timeout is not an integer or out of range");
  if (Number(args[2]) < 0) return new ErrorReply("ERR timeout is negative");
  process.wait(connection, Math.max(0, Number(args[1])), Number(args[2]), reply);
  return SETTLED_BY_HANDLER;
}
