import { parseInteger } from "../base/integer.ts";
import { MapReply, OK, type Reply, SetReply } from "../resp/reply.ts";
import { type Command, rowsOf, subcommandsOf } from "./command.ts";
import { CommandError, errorQuoting, quoted, SYNTAX_ERROR } from "./command_error.ts";
import type { Client, LocalReply, LocalServer } from "./local.ts";

const QUOTED_MAX = 128;

/**
 * Maximum length of a client's name and library name, which are kept and shown by `CLIENT LIST`.
 */
const CLIENT_TEXT_MAX = 1024;

/**
 * Checks by Redis's rule: printable ASCII without spaces. An empty name removes the name.
 *
 * @throws {CommandError} in Redis's words, with `what` at the start
 */
export function checkClientText(text: string, what: string): void {
  if (text.length > CLIENT_TEXT_MAX) {
    throw new CommandError(`ERR ${what} cannot be longer than ${CLIENT_TEXT_MAX} characters.`);
  }
  if (!/^[!-~]*$/.test(text)) {
    throw new CommandError(`ERR ${what} cannot contain spaces, newlines or special characters.`);
  }
}

const TRACKING = new MapReply([
  ["flags", new SetReply(["off"])],
  ["redirect", -1],
  ["prefixes", []],
]);

function setName(client: Client, name: string): Reply {
  checkClientText(name, "Client names");
  client.name = name;
  return OK;
}

function setInfo(client: Client, attribute: string, value: string): Reply {
  const name = attribute.toLowerCase();
  checkClientText(value, name);
  if (name === "lib-name") client.libraryName = value;
  else if (name === "lib-ver") client.libraryVersion = value;
  else throw new CommandError(`ERR Unrecognized option '${attribute}'`);
  return OK;
}

/** `CLIENT PAUSE ms [WRITE|ALL]` pauses the clients of this process. */
function pause(
  { pause }: LocalServer,
  _client: Client,
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
  _server: LocalServer,
  client: Client,
  [, , mode = ""]: readonly string[],
  reply: LocalReply,
): Reply {
  switch (mode.toLowerCase()) {
    case "on":
      client.replyMode = "on";
      reply.isMuted = false;
      return OK;
    case "off":
      client.replyMode = "off";
      reply.isMuted = true;
      return OK;
    case "skip":
      if (client.replyMode === "on") client.replyMode = "skip";
      reply.isMuted = true;
      return OK;
    default:
      throw SYNTAX_ERROR;
  }
}

function onOrOff(
  _server: LocalServer,
  _client: Client,
  [, , mode = ""]: readonly string[],
): Reply {
  if (!/^(on|off)$/i.test(mode)) throw SYNTAX_ERROR;
  return OK;
}

/** `CLIENT LIST [TYPE type] [ID id …]` */
function list(
  server: LocalServer,
  _client: Client,
  args: readonly string[],
): Reply {
  const wanted = listed(server, args.slice(2));
  const nowMs = server.clock.monotonicMs();
  return wanted.map((client) => describeClient(client, nowMs)).join("");
}

function listed(server: LocalServer, args: readonly string[]): Client[] {
  const all = [...server.clients.values()];
  const option = args[0]?.toUpperCase();
  if (option === undefined) return all;
  if (option === "TYPE" && args.length === 2) {
    return all.filter(ofType(args[1] ?? ""));
  }
  if (option !== "ID" || args.length === 1) throw SYNTAX_ERROR;
  const ids = new Set(args.slice(1).map((text) => parseInteger(text)));
  if (ids.has(null)) throw new CommandError("ERR Invalid client ID");
  return all.filter(({ id }) => ids.has(id));
}

type Filter = (client: Client) => boolean;

/** `CLIENT KILL addr`, or with filters. A wrong filter is an error, and no client is killed. */
function kill(server: LocalServer, self: Client, args: readonly string[]): Reply {
  const clients = [...server.clients.values()];
  if (args.length === 3) {
    const victims = clients.filter(({ remote }) => remote === args[2]);
    victims.forEach((victim) => disconnect(victim, self));
    if (victims.length === 0) throw new CommandError("ERR No such client");
    return OK;
  }
  /** Filters by option. If one is given twice the last counts, as in Redis. */
  const filters = new Map<string, Filter>();
  let isSelfSkipped = true;
  for (let at = 2; at < args.length; at += 2) {
    const [option = "", value] = args.slice(at, at + 2);
    if (value === undefined) throw SYNTAX_ERROR;
    if (option.toUpperCase() === "SKIPME") {
      if (!/^(yes|no)$/i.test(value)) throw SYNTAX_ERROR;
      isSelfSkipped = value.toLowerCase() === "yes";
      continue;
    }
    filters.set(option.toUpperCase(), killFilter(server, option, value));
  }
  if (isSelfSkipped) filters.set("SKIPME", (client) => client !== self);
  const all = [...filters.values()];
  const victims = clients.filter((client) => all.every((filter) => filter(client)));
  victims.forEach((victim) => disconnect(victim, self));
  return victims.length;
}

function killFilter(server: LocalServer, option: string, value: string): Filter {
  switch (option.toUpperCase()) {
    case "ID": {
      const id = parseInteger(value);
      if (id === null || id < 1) throw new CommandError("ERR client-id should be greater than 0");
      return (client) => client.id === id;
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
      const nowMs = server.clock.monotonicMs();
      return ({ openedMs }) => nowMs - openedMs >= Number(seconds) * 1000;
    }
    case "TYPE":
      return ofType(value);
    case "USER":
      if (server.access.hasUser(value)) return ({ userName }) => userName === value;
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

function disconnect(victim: Client, self: Client): void {
  if (victim === self) victim.closeAfterReplies();
  else victim.destroy();
}

/** A line of Redis's `CLIENT LIST`, with the fields that have a meaning here. */
export function describeClient(client: Client, nowMs: number): string {
  const ageSeconds = Math.floor((nowMs - client.openedMs) / 1000);
  const idleSeconds = Math.floor((nowMs - client.lastReadMs) / 1000);
  return `id=${client.id} addr=${client.remote} laddr=${client.local} ` +
    `name=${client.name} age=${ageSeconds} idle=${idleSeconds} flags=N db=0 ` +
    `cmd=${client.lastCommand} user=${client.userName} lib-name=${client.libraryName} ` +
    `lib-ver=${client.libraryVersion} resp=${client.protocol}\n`;
}

const ADMIN = {
  flags: ["admin", "noscript", "loading", "stale"],
  categories: ["admin", "dangerous", "connection"],
};

/** `CLIENT …`: commands about client connections. */
export const clientRows: readonly Command[] = rowsOf("connection", [], [{
  name: "client",
  arity: -2,
  kind: "local",
  flags: [],
  keys: null,
  since: "2.4.0",
  summary: "Shows and changes what the server knows of connections",
  subcommands: subcommandsOf("client", {
    group: "connection",
    flags: ["noscript", "loading", "stale"],
    categories: ["connection"],
    since: "2.4.0",
  }, [
    {
      name: "getname",
      arity: 2,
      since: "2.6.9",
      summary: "Returns the connection's name",
      help: ["GETNAME", "    Return the name of the current connection."],
      serve: (_server, client) => client.name || null,
    },
    {
      name: "getredir",
      arity: 2,
      since: "6.0.0",
      summary: "Returns the id of the client that gets invalidation messages: always -1, for none",
      help: [
        "GETREDIR",
        "    Return the client ID we are redirecting to when tracking is enabled.",
      ],
      // -1 means no redirection: there is no client-side caching.
      serve: () => -1,
    },
    {
      name: "id",
      arity: 2,
      since: "5.0.0",
      summary: "Returns the connection's id",
      help: ["ID", "    Return the ID of the current connection."],
      serve: (_server, client) => client.id,
    },
    {
      name: "info",
      isText: true,
      arity: 2,
      since: "6.2.0",
      summary: "Returns the connection's details",
      tips: ["nondeterministic_output"],
      help: ["INFO", "    Return information about the current client connection."],
      serve: ({ clock }, client) => describeClient(client, clock.monotonicMs()),
    },
    {
      ...ADMIN,
      name: "kill",
      arity: -3,
      summary: "Closes connections",
      help: [
        "KILL <ip:port>",
        "    Kill connection made from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Kill connections. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made from the specified address",
        "    * ID <clientid>",
        "      Kill the connection with that ID.",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Kill connections made to specified local address",
        "    * MAXAGE <seconds>",
        "      Kill connections older than that.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Kill connections by type.",
        "    * USER <username>",
        "      Kill connections authenticated by <username>.",
        "    * SKIPME (YES|NO)",
        "      Skip killing current connection (default: yes).",
      ],
      serve: kill,
    },
    {
      ...ADMIN,
      name: "list",
      isText: true,
      arity: -2,
      summary: "Returns details of the connections",
      tips: ["nondeterministic_output"],
      help: [
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * ID <clientid> [<clientid> ...]",
        "      Return the clients with these IDs.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
      ],
      serve: list,
    },
    {
      ...ADMIN,
      name: "no-evict",
      arity: 3,
      since: "7.0.0",
      summary: "Accepted without effect: no client is ever evicted",
      help: ["NO-EVICT (ON|OFF)", "    Protect current client connection from eviction."],
      serve: onOrOff,
    },
    {
      name: "no-touch",
      arity: 3,
      since: "7.2.0",
      summary: "Accepted without effect: accesses still count for OBJECT FREQ",
      help: [
        "NO-TOUCH (ON|OFF)",
        "    Accepted without effect: accesses still count for OBJECT FREQ.",
      ],
      serve: onOrOff,
    },
    {
      ...ADMIN,
      name: "pause",
      arity: -3,
      since: "2.9.50",
      summary: "Holds the requests, or only the writes, of all clients of this process",
      help: [
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
      ],
      serve: pause,
    },
    {
      name: "reply",
      arity: 3,
      since: "3.2.0",
      summary: "Turns the replies to the connection on or off, or skips one",
      help: ["REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection."],
      serve: setReplyMode,
    },
    {
      name: "setinfo",
      arity: 4,
      since: "7.2.0",
      summary: "Sets the name or the version of the client library",
      help: [
        "SETINFO <option> <value>",
        "    Set client meta attr. Options are:",
        "    * LIB-NAME: the client lib name.",
        "    * LIB-VER: the client lib version.",
      ],
      serve: (_server, client, [, , attribute = "", value = ""]) =>
        setInfo(client, attribute, value),
    },
    {
      name: "setname",
      arity: 3,
      since: "2.6.9",
      summary: "Sets the connection's name",
      help: ["SETNAME <name>", "    Assign the name <name> to the current connection."],
      serve: (_server, client, [, , name = ""]) => setName(client, name),
    },
    {
      name: "trackinginfo",
      arity: 2,
      since: "6.2.0",
      summary: "Returns whether the connection gets invalidation messages: it never does",
      help: ["TRACKINGINFO", "    Report tracking status for the current connection."],
      serve: () => TRACKING,
    },
    {
      ...ADMIN,
      name: "unpause",
      arity: 2,
      since: "6.2.0",
      summary: "Ends the pause of CLIENT PAUSE",
      help: ["UNPAUSE", "    Stop the current client pause, resuming traffic."],
      serve: ({ pause }) => {
        pause.end();
        return OK;
      },
    },
  ]),
}]);
