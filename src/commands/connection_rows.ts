import { MapReply, OK, PONG, type Reply, SimpleString } from "../resp/reply.ts";
import { checkClientText } from "./client_rows.ts";
import { type Command, type Row, rowsOf } from "./command.ts";
import {
  CommandError,
  errorQuoting,
  NOT_AN_INTEGER,
  quoted,
  SYNTAX_ERROR,
  wrongNumberOfArguments,
} from "./command_error.ts";
import {
  type Answer,
  type Client,
  type LocalReply,
  type LocalRun,
  type LocalServer,
  SETTLED_BY_HANDLER,
} from "./local.ts";

const ALWAYS = ["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"];
const PASSIVE = ["loading", "stale", "fast"];

const NO_PASSWORD_NEEDED = new CommandError(
  "ERR AUTH <password> called without any password configured for the default user. " +
    "Are you sure your configuration is correct?",
);
const NOT_LOGGED_IN = new CommandError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH " +
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol " +
    "version at the same time",
);
const RESET = new SimpleString("RESET");

/** What `HELLO` asks for besides the description of the server. */
interface HelloOptions {
  readonly version: string | undefined;
  readonly user: { readonly name: string; readonly password: string } | null;
  readonly clientName: string | null;
}

/** Parses `HELLO [protover [AUTH username password] [SETNAME clientname]]`. */
function parseHello(args: readonly string[]): HelloOptions {
  const version = args[1];
  if (version !== undefined && version !== "2" && version !== "3") {
    throw new CommandError(
      /^-?[0-9]+$/.test(version)
        ? "NOPROTO unsupported protocol version"
        : "ERR Protocol version is not an integer or out of range",
    );
  }
  let clientName: string | null = null;
  let user: HelloOptions["user"] = null;
  for (let at = 2; at < args.length;) {
    const option = args[at]?.toUpperCase();
    const left = args.length - at - 1;
    if (option === "SETNAME" && left >= 1) {
      clientName = args[at + 1] ?? "";
      at += 2;
    } else if (option === "AUTH" && left >= 2) {
      user = { name: args[at + 1] ?? "", password: args[at + 2] ?? "" };
      at += 3;
    } else throw errorQuoting(`ERR Syntax error in HELLO option '${quoted(args[at] ?? "", 128)}'`);
  }
  if (clientName !== null) checkClientText(clientName, "Client names");
  return { version, user, clientName };
}

function hello(
  server: LocalServer,
  client: Client,
  args: readonly string[],
  reply: LocalReply,
): Answer {
  const options = parseHello(args);
  if (options.user === null) {
    if (!server.access.isLoggedIn(client)) throw NOT_LOGGED_IN;
    return greet(server, client, options, reply);
  }
  server.access.logIn(client, options.user, "HELLO", (refusal) => {
    reply.settle(refusal ?? greet(server, client, options, reply));
  });
  return SETTLED_BY_HANDLER;
}

function greet(
  server: LocalServer,
  client: Client,
  { version, clientName }: HelloOptions,
  reply: LocalReply,
): Reply {
  if (clientName !== null) client.name = clientName;
  if (version !== undefined) client.protocol = version === "3" ? 3 : 2;
  reply.protocol = client.protocol; // the reply itself is in the new protocol
  const { version: redisVersion, mode, role } = server.hello();
  return new MapReply([
    ["server", "redis"],
    ["version", redisVersion],
    ["proto", client.protocol],
    ["id", client.id],
    ["mode", mode],
    ["role", role],
    ["modules", []],
  ]);
}

/** `AUTH [username] password` */
function auth(
  { access }: LocalServer,
  client: Client,
  args: readonly string[],
  reply: LocalReply,
): Answer {
  if (args.length > 3) throw SYNTAX_ERROR;
  const [, first = "", second] = args;
  if (second === undefined && access.isDefaultOpen) throw NO_PASSWORD_NEEDED;
  const user = second === undefined
    ? { name: "default", password: first }
    : { name: first, password: second };
  access.logIn(client, user, "AUTH", (refusal) => reply.settle(refusal ?? OK));
  return SETTLED_BY_HANDLER;
}

function select(_server: LocalServer, _client: Client, args: readonly string[]): Reply {
  if (!/^(0|-?[1-9][0-9]{0,9})$/.test(args[1] ?? "")) throw NOT_AN_INTEGER;
  if (args[1] !== "0") throw new CommandError("ERR DB index is out of range");
  return OK;
}

function ping(_server: LocalServer, _client: Client, args: readonly string[]): Reply {
  if (args.length > 2) throw wrongNumberOfArguments("ping");
  return args[1] ?? PONG;
}

function quit(_server: LocalServer, client: Client): Reply {
  client.closeAfterReplies();
  return OK;
}

function reset(
  server: LocalServer,
  client: Client,
  _args: readonly string[],
  reply: LocalReply,
): Reply {
  reply.isMuted = false;
  client.reset();
  server.access.logOut(client);
  server.reset(client);
  return RESET;
}

function local(
  name: string,
  arity: number,
  flags: readonly string[],
  since: string,
  summary: string,
  serve: LocalRun,
): Row {
  return { name, arity, kind: "local", flags, keys: null, since, summary, serve };
}

/** Commands about the connection. The process that holds the connection executes them. */
export const connectionRows: readonly Command[] = [
  ...rowsOf("connection", ["connection"], [
    local("auth", -2, ALWAYS, "1.0.0", "Authenticates the connection", auth),
    local(
      "echo",
      2,
      PASSIVE,
      "1.0.0",
      "Returns its argument",
      (_server, _client, args) => args[1] ?? "",
    ),
    local(
      "hello",
      -1,
      ALWAYS,
      "6.0.0",
      "Sets the protocol version and describes the server",
      hello,
    ),
    {
      ...local("ping", -1, ["fast"], "1.0.0", "Returns PONG, or its argument", ping),
      tips: ["request_policy:all_shards", "response_policy:all_succeeded"],
    },
    local("quit", -1, ALWAYS, "1.0.0", "Closes the connection", quit),
    local("reset", 1, ALWAYS, "6.2.0", "Resets the connection", reset),
    local("select", 2, PASSIVE, "1.0.0", "Selects the database; the only one is 0", select),
  ]),
  ...rowsOf("cluster", ["connection"], [
    local("readonly", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster", () => OK),
    local("readwrite", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster", () => OK),
  ]),
];
