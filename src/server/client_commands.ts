import { parseInteger } from "../commands/arguments.ts";
import { CommandError, errorQuoting, quoted, SYNTAX_ERROR } from "../commands/command_error.ts";
import { MapReply, OK, type Reply, SetReply } from "../resp/reply.ts";
import type { Connection } from "./connection.ts";
import type { PendingReply } from "./pending_reply.ts";
import type { LocalHandler, ProcessCommands } from "./process_commands.ts";

const QUOTED_MAX = 128;

/** Redis's rule: printable ASCII without spaces. An empty name removes the name. */
export function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

/** The handlers of `CLIENT …`. */
export const CLIENT_HANDLERS: readonly (readonly [string, LocalHandler])[] = [
  ["client|getname", (_process, connection) => connection.name || null],
  // -1 means no redirection: there is no client-side caching.
  ["client|getredir", () => -1],
  ["client|id", (_process, connection) => connection.id],
  ["client|info", ({ clock }, connection) => describe(connection, clock.monotonicMs())],
  ["client|kill", kill],
  ["client|list", list],
  ["client|no-evict", onOrOff],
  ["client|no-touch", onOrOff],
  ["client|pause", pause],
  ["client|reply", setReplyMode],
  ["client|setinfo", (_process, connection, [, , attribute = "", value = ""]) => {
    return setInfo(connection, attribute, value);
  }],
  ["client|setname", (_process, connection, [, , name = ""]) => setName(connection, name)],
  ["client|trackinginfo", () => TRACKING],
  ["client|unpause", ({ pause }) => {
    pause.end();
    return OK;
  }],
];

const TRACKING = new MapReply([
  ["flags", new SetReply(["off"])],
  ["redirect", -1],
  ["prefixes", []],
]);

function setName(connection: Connection, name: string): Reply {
  if (!isClientName(name)) {
    throw new CommandError(
      "ERR Client names cannot contain spaces, newlines or special characters.",
    );
  }
  connection.name = name;
  return OK;
}

function setInfo(connection: Connection, attribute: string, value: string): Reply {
  const name = attribute.toLowerCase();
  if (!isClientName(value)) {
    throw new CommandError(`ERR ${name} cannot contain spaces, newlines or special characters.`);
  }
  if (name === "lib-name") connection.libraryName = value;
  else if (name === "lib-ver") connection.libraryVersion = value;
  else throw new CommandError(`ERR Unrecognized option '${attribute}'`);
  return OK;
}

/** `CLIENT PAUSE ms [WRITE|ALL]` pauses the clients of this process. */
function pause(
  { pause }: ProcessCommands,
  _connection: Connection,
  args: readonly string[],
): Reply {
  const mode = args[3]?.toLowerCase() ?? "all";
  if (args.length > 4) throw SYNTAX_ERROR;
  if (mode !== "all" && mode !== "write") {
    throw new CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL");
  }
  const durationMs = parseInteger(args[2] ?? "");
  if (durationMs === null) throw new CommandError("ERR timeout is not an integer or out of range");
  if (durationMs < 0) throw new CommandError("ERR timeout is negative");
  pause.begin(mode, Number(durationMs));
  return OK;
}

/** `CLIENT REPLY ON|OFF|SKIP`. Only ON is answered. */
function setReplyMode(
  _process: ProcessCommands,
  connection: Connection,
  [, , mode = ""]: readonly string[],
  reply: PendingReply,
): Reply {
  switch (mode.toLowerCase()) {
    case "on":
      connection.replyMode = "on";
      reply.isMuted = false;
      return OK;
    case "off":
      connection.replyMode = "off";
      reply.isMuted = true;
      return OK;
    case "skip":
      if (connection.replyMode === "on") connection.replyMode = "skip";
      reply.isMuted = true;
      return OK;
    default:
      throw SYNTAX_ERROR;
  }
}

function onOrOff(
  _process: ProcessCommands,
  _connection: Connection,
  [, , mode = ""]: readonly string[],
): Reply {
  if (!/^(on|off)$/i.test(mode)) throw SYNTAX_ERROR;
  return OK;
}

/** `CLIENT LIST [TYPE type] [ID id …]` */
function list(
  process: ProcessCommands,
  _connection: Connection,
  args: readonly string[],
): Reply {
  const wanted = listed(process, args.slice(2));
  const nowMs = process.clock.monotonicMs();
  return wanted.map((connection) => describe(connection, nowMs)).join("");
}

function listed(process: ProcessCommands, args: readonly string[]): Connection[] {
  const all = [...process.connections.values()];
  const option = args[0]?.toUpperCase();
  if (option === undefined) return all;
  if (option === "TYPE" && args.length === 2) {
    return all.filter(ofType(args[1] ?? ""));
  }
  if (option !== "ID" || args.length === 1) throw SYNTAX_ERROR;
  const ids = args.slice(1).map((text) => parseInteger(text));
  if (ids.includes(null)) throw new CommandError("ERR Invalid client ID");
  return all.filter(({ id }) => ids.includes(id));
}

type Filter = (connection: Connection) => boolean;

/** `CLIENT KILL addr`, or with filters. A wrong filter is an error, and no client is killed. */
function kill(process: ProcessCommands, self: Connection, args: readonly string[]): Reply {
  const connections = [...process.connections.values()];
  if (args.length === 3) {
    const victims = connections.filter(({ remote }) => remote === args[2]);
    victims.forEach((victim) => cutOff(victim, self));
    if (victims.length === 0) throw new CommandError("ERR No such client");
    return OK;
  }
  const filters: Filter[] = [];
  let isSelfSkipped = true;
  for (let at = 2; at < args.length; at += 2) {
    const [option = "", value] = args.slice(at, at + 2);
    if (value === undefined) throw SYNTAX_ERROR;
    if (option.toUpperCase() === "SKIPME") {
      if (!/^(yes|no)$/i.test(value)) throw SYNTAX_ERROR;
      isSelfSkipped = value.toLowerCase() === "yes";
      continue;
    }
    filters.push(killFilter(option, value, process.clock.monotonicMs()));
  }
  if (isSelfSkipped) filters.push((connection) => connection !== self);
  const victims = connections.filter((connection) => filters.every((filter) => filter(connection)));
  victims.forEach((victim) => cutOff(victim, self));
  return victims.length;
}

function killFilter(option: string, value: string, nowMs: number): Filter {
  switch (option.toUpperCase()) {
    case "ID": {
      const id = parseInteger(value);
      if (id === null || id < 1) throw new CommandError("ERR client-id should be greater than 0");
      return (connection) => connection.id === id;
    }
    case "ADDR":
      return ({ remote }) => remote === value;
    case "LADDR":
      return ({ local }) => local === value;
    case "MAXAGE": {
      const seconds = parseInteger(value);
      if (seconds === null || seconds < 1) {
        throw new CommandError("ERR maxage should be greater than 0");
      }
      return ({ openedMs }) => nowMs - openedMs >= Number(seconds) * 1000;
    }
    case "TYPE":
      return ofType(value);
    case "USER":
      if (value === "default") return () => true;
      throw errorQuoting(`ERR No such user '${quoted(value, QUOTED_MAX)}'`);
    default:
      throw SYNTAX_ERROR;
  }
}

/** All connections are of type `normal`. Redis's other types are known, and match no connection. */
function ofType(type: string): Filter {
  const name = type.toLowerCase();
  if (name === "normal") return () => true;
  if (["master", "pubsub", "replica", "slave"].includes(name)) return () => false;
  throw errorQuoting(`ERR Unknown client type '${quoted(type, QUOTED_MAX)}'`);
}

function cutOff(victim: Connection, self: Connection): void {
  if (victim === self) victim.closeAfterReplies();
  else victim.destroy();
}

/** A line of Redis's `CLIENT LIST`, with the fields that have a meaning here. */
function describe(connection: Connection, nowMs: number): string {
  const ageSeconds = Math.floor((nowMs - connection.openedMs) / 1000);
  const idleSeconds = Math.floor((nowMs - connection.lastReadMs) / 1000);
  return `id=${connection.id} addr=${connection.remote} laddr=${connection.local} ` +
    `name=${connection.name} age=${ageSeconds} idle=${idleSeconds} flags=N db=0 ` +
    `cmd=${connection.lastCommand} user=default lib-name=${connection.libraryName} ` +
    `lib-ver=${connection.libraryVersion} resp=${connection.protocol}\n`;
}
