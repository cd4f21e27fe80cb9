import { Glob, PATTERN_BYTES_MAX } from "../base/glob.ts";
import { MapReply, OK, type Reply, SimpleString, VerbatimReply } from "../resp/reply.ts";
import { argument, isOption } from "./arguments.ts";
import { redisRole } from "./cluster_view.ts";
import { type Command, type Row, rowsOf, subcommandsOf } from "./command.ts";
import {
  CommandError,
  NOT_AN_INTEGER,
  PATTERN_TOO_LONG,
  SYNTAX_ERROR,
  wrongNumberOfArguments,
} from "./command_error.ts";
import { configSet } from "./config_set.ts";
import {
  type Answer,
  type Client,
  type FaultName,
  leaderOf,
  type LocalReply,
  type LocalRun,
  type LocalServer,
  nodeOf,
  SETTLED_BY_HANDLER,
} from "./local.ts";

const PASSIVE = ["loading", "stale"];

function local(
  name: string,
  arity: number,
  flags: readonly string[],
  categories: readonly string[],
  since: string,
  summary: string,
  serve: LocalRun | null,
): Row {
  const row: Row = { name, arity, kind: "local", flags, categories, keys: null, since, summary };
  return serve === null ? row : { ...row, serve };
}

function configGet({ config }: LocalServer, _client: Client, args: readonly string[]): Reply {
  let bytes = 0;
  for (let at = 2; at < args.length; at++) bytes += args[at]?.length ?? 0;
  if (bytes > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;
  const patterns = new Set(args.slice(2).map((pattern) => pattern.toLowerCase()));
  const globs = [...patterns].map((pattern) => new Glob(pattern));
  return new MapReply([...config].filter(([name]) => globs.some((glob) => glob.matches(name))));
}

/** The handler that begins a fault of that kind. */
function faultOf(kind: FaultName): LocalRun {
  return ({ ofNode }, _client, args) => nodeOf(ofNode).faults.begin(kind, args.slice(2));
}

const healFaults: LocalRun = ({ ofNode }, _client, args) => {
  if (args.length > 3) throw wrongNumberOfArguments("fault|heal");
  return nodeOf(ofNode).faults.heal(args[2]);
};

const beginSnapshot: LocalRun = ({ ofNode }, client, _args, reply) => {
  nodeOf(ofNode).beginSnapshot(client, reply);
  return SETTLED_BY_HANDLER;
};

const readSnapshot: LocalRun = ({ ofNode }, client, args, reply) => {
  const [, , id = "", offset = "", bytes = ""] = args;
  nodeOf(ofNode).readSnapshot(client, { id, offset, bytes }, reply);
  return SETTLED_BY_HANDLER;
};

function info(server: LocalServer, _client: Client, args: readonly string[]): Reply {
  return new VerbatimReply(server.info(args.slice(1)));
}

function time({ clock }: LocalServer): Reply {
  const nowMs = clock.nowMs();
  const seconds = Math.floor(nowMs / 1000);
  return [String(seconds), String(Math.round((nowMs - seconds * 1000) * 1000))];
}

const NODES_ONLY = new CommandError("ERR Snapshots are taken by nodes, send this to one of them");

/** `BGSAVE [SCHEDULE]`, with Redis's replies. */
function bgsave({ snapshots }: LocalServer, _client: Client, args: readonly string[]): Reply {
  const isKnown = args.length === 1 ||
    (args.length === 2 && isOption(argument(args, 1), "SCHEDULE"));
  if (!isKnown) throw SYNTAX_ERROR;
  if (snapshots === null) throw NODES_ONLY;
  if (snapshots.take()) return new SimpleString("Background saving started");
  throw new CommandError("ERR Background save already in progress");
}

/** `LASTSAVE`: seconds of the Unix epoch; 0 if there is no snapshot yet. */
function lastsave({ snapshots }: LocalServer): Reply {
  if (snapshots === null) throw NODES_ONLY;
  const { lastMs, timeMs } = snapshots.report();
  return Math.floor((lastMs ?? timeMs) / 1000);
}

function wait(
  { ofLeader }: LocalServer,
  _client: Client,
  args: readonly string[],
  reply: LocalReply,
): Answer {
  const isWhole = (text: string | undefined) => /^[+-]?[0-9]{1,15}$/.test(text ?? "");
  if (!isWhole(args[1])) throw NOT_AN_INTEGER;
  if (!isWhole(args[2])) throw new CommandError("ERR timeout is not an integer or out of range");
  if (Number(args[2]) < 0) throw new CommandError("ERR timeout is negative");
  leaderOf(ofLeader).wait(Math.max(0, Number(args[1])), Number(args[2]), reply);
  return SETTLED_BY_HANDLER;
}

const ADMIN = {
  flags: ["admin", "noscript", ...PASSIVE],
  categories: ["admin", "dangerous"],
};

const configSubcommands = subcommandsOf("config", { group: "server", ...ADMIN, since: "2.0.0" }, [
  {
    name: "get",
    arity: -3,
    summary: "Returns settings by their names",
    help: [
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
    ],
    serve: configGet,
  },
  {
    name: "resetstat",
    arity: 2,
    summary: "Sets the counters of INFO to zero",
    help: ["RESETSTAT", "    Reset statistics reported by the INFO command."],
    serve: (server) => {
      server.resetStatistics();
      return OK;
    },
  },
  {
    name: "rewrite",
    arity: 2,
    since: "2.8.0",
    summary: "Refused: there is no configuration file, settings are flags",
    help: ["REWRITE", "    Rewrite the configuration file."],
    serve: () => {
      throw new CommandError("ERR The server is running without a config file");
    },
  },
  {
    name: "set",
    arity: -4,
    // In Redis each node needs its own CONFIG SET. Here the setting belongs to the whole cluster.
    kind: "write",
    summary: "Changes a setting of the cluster: maxmemory",
    help: ["SET <directive> <value>", "    Set the configuration <directive> to <value>."],
    run: configSet,
  },
]);

const faultSubcommands = subcommandsOf("fault", { group: "server", ...ADMIN, since: "0.1.0" }, [
  {
    name: "crash",
    arity: 2,
    isForNodes: true,
    summary: "Ends the process at once",
    help: ["CRASH", "    End the process at once, as if killed."],
    serve: ({ ofNode }) => nodeOf(ofNode).faults.crash(),
  },
  {
    name: "delay",
    arity: -3,
    isForNodes: true,
    summary: "Delays messages",
    help: [
      "DELAY <delay-ms> [FROM <id>[,<id> ...]] [<ms>]",
      "    Delay messages from and to these peers, or all, by <delay-ms>.",
    ],
    serve: faultOf("delay"),
  },
  {
    name: "drop",
    arity: -3,
    isForNodes: true,
    summary: "Drops messages at random",
    help: [
      "DROP <percent> [FROM <id>[,<id> ...]] [<ms>]",
      "    Drop this percentage of the messages from and to these peers, or all.",
    ],
    serve: faultOf("drop"),
  },
  {
    name: "heal",
    arity: -2,
    isForNodes: true,
    summary: "Ends faults",
    help: [
      "HEAL [<subcommand>]",
      "    End all faults, or those of one kind; returns how many there were.",
    ],
    serve: healFaults,
  },
  {
    name: "isolate",
    arity: -2,
    isForNodes: true,
    summary: "Drops all messages",
    help: [
      "ISOLATE [FROM <id>[,<id> ...]] [IN|OUT|BOTH] [<ms>]",
      "    Drop all messages from (IN) and to (OUT) these peers, or all.",
    ],
    serve: faultOf("isolate"),
  },
  {
    name: "list",
    arity: 2,
    isForNodes: true,
    summary: "Returns the active faults",
    help: ["LIST", "    Return the active faults."],
    serve: ({ ofNode }) => nodeOf(ofNode).faults.list(),
  },
  {
    name: "pause",
    arity: -2,
    isForNodes: true,
    summary: "Sends nothing to peers and clients",
    help: [
      "PAUSE [<ms>]",
      "    Be silent on the network: peers and clients get nothing, but FAULT is answered.",
      "    <ms> is the duration of any kind of fault; without it a fault lasts until healed.",
    ],
    serve: faultOf("pause"),
  },
  {
    name: "slow-disk",
    arity: -3,
    isForNodes: true,
    summary: "Slows the disk",
    help: [
      "SLOW-DISK <delay-ms> [<ms>]",
      "    Delay each sync of the disk by <delay-ms>.",
    ],
    serve: faultOf("slow-disk"),
  },
]);

const snapshotSubcommands = subcommandsOf("snapshot", {
  group: "server",
  flags: ["admin", "noscript"],
  categories: ["admin", "dangerous"],
  since: "0.1.0",
}, [
  {
    name: "begin",
    arity: 2,
    isForNodes: true,
    summary: "Opens a snapshot of all that is committed",
    help: [
      "BEGIN",
      "    Open a snapshot of all that is committed; return its id, entry, term and size.",
    ],
    serve: beginSnapshot,
  },
  {
    name: "end",
    arity: 3,
    isForNodes: true,
    summary: "Closes a snapshot",
    help: ["END <id>", "    Close it, as the end of the connection does."],
    serve: ({ ofNode }, client, args) => nodeOf(ofNode).endSnapshot(client, argument(args, 2)),
  },
  {
    name: "read",
    arity: 5,
    isForNodes: true,
    summary: "Returns a piece of a snapshot",
    help: [
      "READ <id> <offset> <bytes>",
      "    Return bytes of its file, up to 1048576; fewer than requested at its end.",
    ],
    serve: readSnapshot,
  },
]);

/** Commands about the process and the cluster. */
export const serverRows: readonly Command[] = [
  ...rowsOf("server", [], [
    local(
      "bgsave",
      -1,
      ["admin", "noscript", "no_async_loading"],
      ["admin", "dangerous"],
      "1.0.0",
      "Takes a snapshot of the state in the background",
      bgsave,
    ),
    {
      ...local(
        "config",
        -2,
        [],
        [],
        "2.0.0",
        "Shows the settings, and changes those of the cluster",
        null,
      ),
      subcommands: configSubcommands,
    },
    {
      ...local(
        "fault",
        -2,
        ["admin", "noscript", ...PASSIVE],
        ["admin", "dangerous"],
        "0.1.0",
        "Injects faults into a node that was started with --allow-faults",
        null,
      ),
      subcommands: faultSubcommands,
    },
    {
      ...local(
        "info",
        -1,
        PASSIVE,
        ["dangerous"],
        "1.0.0",
        "Returns the state of the server",
        info,
      ),
      isText: true,
      tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    },
    {
      ...local(
        "lastsave",
        1,
        [...PASSIVE, "fast"],
        ["admin", "dangerous"],
        "1.0.0",
        "Returns when the last snapshot was taken",
        lastsave,
      ),
      tips: ["nondeterministic_output"],
    },
    local(
      "role",
      1,
      ["noscript", ...PASSIVE, "fast"],
      ["admin", "dangerous"],
      "2.8.12",
      "Returns the role in replication",
      (server, client) => redisRole(server.clusterView(client)),
    ),
    {
      ...local(
        "snapshot",
        -2,
        ["admin", "noscript"],
        ["admin", "dangerous"],
        "0.1.0",
        "Reads a snapshot of the whole state, for a backup",
        null,
      ),
      subcommands: snapshotSubcommands,
    },
    {
      ...local("time", 1, [...PASSIVE, "fast"], [], "2.6.0", "Returns the server's clock", time),
      tips: ["nondeterministic_output"],
    },
  ]),
  ...rowsOf("generic", ["connection"], [
    {
      ...local(
        "wait",
        3,
        ["noscript"],
        ["connection"],
        "3.0.0",
        "Waits until replicas have the connection's writes, and returns how many do",
        wait,
      ),
      isForLeader: true,
      tips: ["request_policy:all_shards", "response_policy:agg_min"],
    },
  ]),
];
