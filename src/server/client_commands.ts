import { unknownSubcommand, wrongNumberOfArguments } from "../commands/request_errors.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { ProcessCommands } from "./process_commands.ts";

/** Redis's rule: printable ASCII without spaces; empty takes the name away. */
export function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

/** `CLIENT …`: what a client says and asks about connections. */
export function clientCommand(
  process: ProcessCommands,
  connection: Connection,
  args: readonly string[],
): Reply {
  const argument = args[2];
  switch (args[1]?.toUpperCase()) {
    case "ID":
      return args.length === 2 ? connection.id : wrongNumberOfArguments("client|id");
    case "GETNAME":
      return args.length === 2 ? connection.name || null : wrongNumberOfArguments("client|getname");
    case "SETNAME":
      return args.length === 3
        ? setName(connection, argument ?? "")
        : wrongNumberOfArguments("client|setname");
    case "SETINFO":
      return args.length === 4
        ? setInfo(connection, argument ?? "", args[3] ?? "")
        : wrongNumberOfArguments("client|setinfo");
    case "INFO":
      return args.length === 2
        ? describe(connection, process.clock.monotonicMs())
        : wrongNumberOfArguments("client|info");
    case "LIST":
      return list(process, args);
    case "KILL":
      return kill(process, connection, args);
    case "NO-EVICT":
    case "NO-TOUCH":
      return /^(on|off)$/i.test(argument ?? "") && args.length === 3
        ? OK
        : new ErrorReply("ERR syntax error");
    default:
      return unknownSubcommand(args);
  }
}

function setName(connection: Connection, name: string): Reply {
  if (!isClientName(name)) {
    return new ErrorReply(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  connection.name = name;
  return OK;
}

function setInfo(connection: Connection, attribute: string, value: string): Reply {
  const name = attribute.toLowerCase();
  if (!isClientName(value)) {
    return new ErrorReply(`ERR ${name} cannot contain spaces, newlines or special characters.`);
  }
  if (name === "lib-name") connection.libraryName = value;
  else if (name === "lib-ver") connection.libraryVersion = value;
  else return new ErrorReply(`ERR Unrecognized option '${attribute}'`);
  return OK;
}

function list(process: ProcessCommands, args: readonly string[]): Reply {
  const nowMs = process.clock.monotonicMs();
  const option = args[2]?.toUpperCase();
  let connections = [...process.connections.values()];
  if (option === "ID" && args.length > 3) {
    const ids = new Set(args.slice(3).map(Number));
    connections = connections.filter(({ id }) => ids.has(id));
  } else if (option === "TYPE" && args.length === 4) {
    if (args[3]?.toLowerCase() !== "normal") connections = [];
  } else if (option !== undefined) return new ErrorReply("ERR syntax error");
  return connections.map((connection) => describe(connection, nowMs)).join("");
}

/** `CLIENT KILL addr` or with the filters `ID`, `ADDR`, `LADDR` and `SKIPME`. */
function kill(process: ProcessCommands, self: Connection, args: readonly string[]): Reply {
  if (args.length === 3) {
    const victims = [...process.connections.values()].filter(({ remote }) => remote === args[2]);
    victims.forEach((victim) => cutOff(victim, self));
    return victims.length > 0 ? OK : new ErrorReply("ERR No such client");
  }
  if (args.length < 4 || args.length % 2 !== 0) return new ErrorReply("ERR syntax error");
  let skipSelf = true;
  let victims = [...process.connections.values()];
  for (let at = 2; at < args.length; at += 2) {
    const value = args[at + 1] ?? "";
    switch (args[at]?.toUpperCase()) {
      case "ID":
        victims = victims.filter(({ id }) => id === Number(value));
        break;
      case "ADDR":
        victims = victims.filter(({ remote }) => remote === value);
        break;
      case "LADDR":
        victims = victims.filter(({ local }) => local === value);
        break;
      case "SKIPME":
        skipSelf = value.toLowerCase() !== "no";
        break;
      default:
        return new ErrorReply("ERR syntax error");
    }
  }
  if (skipSelf) victims = victims.filter((victim) => victim !== self);
  victims.forEach((victim) => cutOff(victim, self));
  return victims.length;
}

function cutOff(victim: Connection, self: Connection): void {
  if (victim === self) victim.closeAfterReplies();
  else victim.destroy();
}

/** One line as in Redis's `CLIENT LIST`, with the fields that mean something here. */
function describe(connection: Connection, nowMs: number): string {
  const ageSeconds = Math.floor((nowMs - connection.openedMs) / 1000);
  const idleSeconds = Math.floor((nowMs - connection.lastReadMs) / 1000);
  return `id=${connection.id} addr=${connection.remote} laddr=${connection.local} ` +
    `name=${connection.name} age=${ageSeconds} idle=${idleSeconds} flags=N db=0 ` +
    `cmd=${connection.lastCommand} user=default lib-name=${connection.libraryName} ` +
    `lib-ver=${connection.libraryVersion} resp=${connection.protocol}\n`;
}
