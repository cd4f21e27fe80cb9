import { type Command, type Row, rowsOf, subcommandsOf } from "./command.ts";

const ALWAYS = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];
const PASSIVE = ["loading", "stale", "fast"];

function local(
  name: string,
  arity: number,
  flags: readonly string[],
  since: string,
  summary: string,
): Row {
  return { name, arity, kind: "local", flags, keys: null, since, summary };
}

/** Commands about the connection; whoever holds the connection executes them. */
export const connectionRows: readonly Command[] = [
  ...rowsOf("connection", ["connection"], [
    local("auth", -2, ALWAYS, "1.0.0", "Authenticates the connection"),
    local("echo", 2, PASSIVE, "1.0.0", "Returns its argument"),
    local(
      "hello",
      -1,
      ALWAYS,
      "6.0.0",
      "Chooses the protocol's version and tells about the server",
    ),
    {
      ...local("ping", -1, ["fast"], "1.0.0", "Returns PONG, or its argument"),
      tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    },
    local("quit", -1, ALWAYS, "1.0.0", "Closes the connection"),
    local("reset", 1, ALWAYS, "6.2.0", "Puts the connection into its first state"),
    local("select", 2, PASSIVE, "1.0.0", "Chooses the database; there is one, 0"),
  ]),
  ...rowsOf("cluster", ["connection"], [
    local("readonly", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster"),
    local("readwrite", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster"),
  ]),
];

const ADMIN = {
  flags: ["admin", "noscript", "loading", "stale"],
  categories: ["admin", "dangerous", "connection"],
};

/** `CLIENT …`: what a client says and asks about connections. */
export const clientRows: readonly Command[] = rowsOf("connection", [], [{
  name: "client",
  arity: -2,
  kind: "local",
  flags: [],
  keys: null,
  since: "2.4.0",
  summary: "Tells and sets what the server knows of connections",
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
    },
    {
      name: "getredir",
      arity: 2,
      since: "6.0.0",
      summary: "Returns the id of the client that is told of changed keys: -1, none is",
      help: [
        "GETREDIR",
        "    Return the client ID we are redirecting to when tracking is enabled.",
      ],
    },
    {
      name: "id",
      arity: 2,
      since: "5.0.0",
      summary: "Returns the connection's id",
      help: ["ID", "    Return the ID of the current connection."],
    },
    {
      name: "info",
      arity: 2,
      since: "6.2.0",
      summary: "Tells about the connection",
      tips: ["nondeterministic_output"],
      help: ["INFO", "    Return information about the current client connection."],
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
    },
    {
      ...ADMIN,
      name: "list",
      arity: -2,
      summary: "Tells about the connections",
      tips: ["nondeterministic_output"],
      help: [
        "LIST [options ...]",
        "    Return information about client connections. Options:",
        "    * ID <clientid> [<clientid> ...]",
        "      Return the clients with these IDs.",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Return clients of specified type.",
      ],
    },
    {
      ...ADMIN,
      name: "no-evict",
      arity: 3,
      since: "7.0.0",
      summary: "Accepted; no client is disconnected to free memory for others' data",
      help: ["NO-EVICT (ON|OFF)", "    Protect current client connection from eviction."],
    },
    {
      name: "no-touch",
      arity: 3,
      since: "7.2.0",
      summary: "Accepted; keys have no time of last access",
      help: ["NO-TOUCH (ON|OFF)", "    Will not touch LRU/LFU stats when this mode is on."],
    },
    {
      ...ADMIN,
      name: "pause",
      arity: -3,
      since: "2.9.50",
      summary: "Lets the requests, or the writes, of all clients of this process wait",
      help: [
        "PAUSE <timeout> [WRITE|ALL]",
        "    Suspend all, or just write, clients for <timeout> milliseconds.",
      ],
    },
    {
      name: "reply",
      arity: 3,
      since: "3.2.0",
      summary: "Says whether the connection wants replies",
      help: ["REPLY (ON|OFF|SKIP)", "    Control the replies sent to the current connection."],
    },
    {
      name: "setinfo",
      arity: 4,
      since: "7.2.0",
      summary: "Notes the name or the version of the client library",
      help: [
        "SETINFO <option> <value>",
        "    Set client meta attr. Options are:",
        "    * LIB-NAME: the client lib name.",
        "    * LIB-VER: the client lib version.",
      ],
    },
    {
      name: "setname",
      arity: 3,
      since: "2.6.9",
      summary: "Names the connection",
      help: ["SETNAME <name>", "    Assign the name <name> to the current connection."],
    },
    {
      name: "trackinginfo",
      arity: 2,
      since: "6.2.0",
      summary: "Tells whether the connection is told of changed keys: it is not",
      help: ["TRACKINGINFO", "    Report tracking status for the current connection."],
    },
    {
      ...ADMIN,
      name: "unpause",
      arity: 2,
      since: "6.2.0",
      summary: "Ends the pause of CLIENT PAUSE",
      help: ["UNPAUSE", "    Stop the current client pause, resuming traffic."],
    },
  ]),
}]);
