import { commandReply } from "../commands/command_reply.ts";
import { unknownSubcommand, wrongNumberOfArguments } from "../commands/request_errors.ts";
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
import { clientCommand } from "./client_commands.ts";
import type { Connection } from "./connection.ts";
import { hello } from "./hello.ts";
import type { PendingReply } from "./pending_reply.ts";
import type { ProcessCommands } from "./process_commands.ts";
import { bgsave, lastsave } from "./save_commands.ts";

type LocalHandler = (
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
) => Reply | null;

const RESET = new SimpleString("RESET");

const HANDLERS: ReadonlyMap<string, LocalHandler> = new Map<string, LocalHandler>([
  ["ping", (_process, _connection, args) => {
    if (args.length > 2) return wrongNumberOfArguments("ping");
    return args[1] ?? PONG;
  }],
  ["echo", (_process, _connection, args) => args[1] ?? ""],
  ["quit", (_process, connection) => {
    connection.closeAfterReplies();
    return OK;
  }],
  ["reset", (_process, connection) => {
    connection.protocol = 2;
    connection.name = "";
    return RESET;
  }],
  ["readonly", () => OK],
  ["readwrite", () => OK],
  ["hello", hello],
  ["auth", auth],
  ["select", select],
  ["client", clientCommand],
  ["command", (_process, _connection, args) => commandReply(args)],
  ["config", config],
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
  ["snapshot", (process, _connection, args, reply) => process.snapshot(args, reply)],
  ["fault", (process, _connection, args) => process.fault(args)],
]);

/** Executes a command of kind `local`; its arity has been checked. */
export function runLocal(
  process: ProcessCommands,
  name: string,
  args: readonly string[],
  reply: PendingReply,
): void {
  const handler = HANDLERS.get(name);
  const answer = handler === undefined
    ? new ErrorReply(`ERR ${name} is not served here`)
    : handler(process, reply.connection, args, reply);
  if (answer !== null) reply.settle(answer);
}

function auth(_process: ProcessCommands, _connection: Connection, args: readonly string[]): Reply {
  if (args.length > 3) return new ErrorReply("ERR syntax error");
  if (args.length === 3) {
    return new ErrorReply("WRONGPASS invalid username-password pair or user is disabled.");
  }
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

function config(process: ProcessCommands, _connection: Connection, args: readonly string[]): Reply {
  switch (args[1]?.toUpperCase()) {
    case "GET": {
      if (args.length < 3) return wrongNumberOfArguments("config|get");
      const patterns = args.slice(2).map((pattern) => pattern.toLowerCase());
      const isWanted = (name: string) => patterns.some((pattern) => matchesGlob(pattern, name));
      return new MapReply([...process.config].filter(([name]) => isWanted(name)));
    }
    case "RESETSTAT":
      return OK;
    case "SET":
    case "REWRITE":
      return new ErrorReply(
        "ERR Settings are flags of the process and cannot be changed by a client",
      );
    default:
      return unknownSubcommand(args);
  }
}

function wait(
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
  reply: PendingReply,
): Reply | null {
  const isWhole = (text: string | undefined) => /^[+-]?[0-9]{1,15}$/.test(text ?? "");
  if (!isWhole(args[1])) return new ErrorReply("ERR value is not an integer or out of range");
  if (!isWhole(args[2])) return new ErrorReply("ERR timeout is not an integer or out of range");
  if (Number(args[2]) < 0) return new ErrorReply("ERR timeout is negative");
  process.wait(connection, Math.max(0, Number(args[1])), Number(args[2]), reply);
  return null;
}
