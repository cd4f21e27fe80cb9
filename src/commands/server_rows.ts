import { type Command, type Row, rowsOf, subcommandsOf } from "./command.ts";
import { configSet } from "./config_set.ts";

const PASSIVE = ["loading", "stale"];

function local(
  name: string,
  arity: number,
  flags: readonly string[],
  categories: readonly string[],
  since: string,
  summary: string,
): Row {
  return { name, arity, kind: "local", flags, categories, keys: null, since, summary };
}

const commandSubcommands = subcommandsOf("command", {
  group: "server",
  flags: PASSIVE,
  categories: ["connection"],
  since: "2.8.13",
}, [
  {
    name: "count",
    arity: 2,
    summary: "Returns the number of commands",
    help: ["COUNT", "    Return the total number of commands in this server."],
  },
  {
    name: "docs",
    arity: -2,
    since: "7.0.0",
    tips: ["nondeterministic_output_order"],
    summary: "Tells what commands are for",
    help: [
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
    ],
  },
  {
    name: "getkeys",
    arity: -4,
    summary: "Returns the keys of a request",
    help: ["GETKEYS <full-command>", "    Return the keys from a full command."],
  },
  {
    name: "getkeysandflags",
    arity: -4,
    since: "7.0.0",
    summary: "Returns the keys of a request, and how it uses them",
    help: [
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full command.",
    ],
  },
  {
    name: "info",
    arity: -2,
    tips: ["nondeterministic_output_order"],
    summary: "Tells about commands in the form that clients read",
    help: [
      "INFO [<command-name> ...]",
      "    Return details about multiple commands.",
      "    If no command names are given, details for all commands are returned.",
    ],
  },
  {
    name: "list",
    arity: -2,
    since: "7.0.0",
    tips: ["nondeterministic_output_order"],
    summary: "Returns the names of the commands",
    help: [
      "LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>|MODULE <name>)]",
      "    Return a list of all commands in this server.",
    ],
  },
]);

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
  },
  {
    name: "resetstat",
    arity: 2,
    summary: "Sets the counters of INFO to zero",
    help: ["RESETSTAT", "    Reset statistics reported by the INFO command."],
  },
  {
    name: "rewrite",
    arity: 2,
    since: "2.8.0",
    summary: "Refused: there is no configuration file, settings are flags",
    help: ["REWRITE", "    Rewrite the configuration file."],
  },
  {
    name: "set",
    arity: -4,
    // Not for all nodes, as in Redis: what can be set belongs to the cluster, and the leader takes it.
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
  },
  {
    name: "delay",
    arity: -3,
    isForNodes: true,
    summary: "Delays messages",
    help: [
      "DELAY <delay-ms> [FROM <id>[,<id> ...]] [<ms>]",
      "    Let messages from and to these peers, or all, take so much longer.",
    ],
  },
  {
    name: "drop",
    arity: -3,
    isForNodes: true,
    summary: "Loses messages at random",
    help: [
      "DROP <percent> [FROM <id>[,<id> ...]] [<ms>]",
      "    Lose so many of a hundred messages from and to these peers, or all.",
    ],
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
  },
  {
    name: "isolate",
    arity: -2,
    isForNodes: true,
    summary: "Loses all messages",
    help: [
      "ISOLATE [FROM <id>[,<id> ...]] [IN|OUT|BOTH] [<ms>]",
      "    Lose all messages from (IN) and to (OUT) these peers, or all.",
    ],
  },
  {
    name: "list",
    arity: 2,
    isForNodes: true,
    summary: "Returns the faults that are on",
    help: ["LIST", "    Return the faults that are on."],
  },
  {
    name: "pause",
    arity: -2,
    isForNodes: true,
    summary: "Plays dead",
    help: [
      "PAUSE [<ms>]",
      "    Play dead on the network: peers and clients get nothing, but FAULT is answered.",
      "    <ms> is how long a fault lasts, here and below; without it, until it is healed.",
    ],
  },
  {
    name: "slow-disk",
    arity: -3,
    isForNodes: true,
    summary: "Slows the disk",
    help: [
      "SLOW-DISK <delay-ms> [<ms>]",
      "    Let each sync of the disk take so much longer.",
    ],
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
    summary: "Holds a snapshot of all that is committed",
    help: [
      "BEGIN",
      "    Hold a snapshot of all that is committed; return its id, entry, term and size.",
    ],
  },
  {
    name: "end",
    arity: 3,
    isForNodes: true,
    summary: "Lets a snapshot go",
    help: ["END <id>", "    Let it go, as the end of the connection does."],
  },
  {
    name: "read",
    arity: 5,
    isForNodes: true,
    summary: "Returns a piece of a snapshot",
    help: [
      "READ <id> <offset> <bytes>",
      "    Return bytes of its file, up to 1048576; none are left when it returns fewer.",
    ],
  },
]);

/** Commands about the process and the cluster; node and proxy each answer for themselves. */
export const serverRows: readonly Command[] = [
  ...rowsOf("server", [], [
    local(
      "bgsave",
      -1,
      ["admin", "noscript", "no_async_loading"],
      ["admin", "dangerous"],
      "1.0.0",
      "Takes a snapshot of the state, beside all other work",
    ),
    {
      ...local("command", -1, PASSIVE, ["connection"], "2.8.13", "Tells about the commands"),
      tips: ["nondeterministic_output_order"],
      subcommands: commandSubcommands,
    },
    {
      ...local("config", -2, [], [], "2.0.0", "Tells the settings"),
      subcommands: configSubcommands,
    },
    {
      ...local(
        "fault",
        -2,
        ["admin", "noscript", ...PASSIVE],
        ["admin", "dangerous"],
        "0.1.0",
        "Lets a node fail on purpose, if it was started with --allow-faults",
      ),
      subcommands: faultSubcommands,
    },
    {
      ...local("info", -1, PASSIVE, ["dangerous"], "1.0.0", "Tells the state of the server"),
      tips: ["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    },
    {
      ...local(
        "lastsave",
        1,
        [...PASSIVE, "fast"],
        ["admin", "dangerous"],
        "1.0.0",
        "Tells when the last snapshot was taken",
      ),
      tips: ["nondeterministic_output"],
    },
    local(
      "role",
      1,
      ["noscript", ...PASSIVE, "fast"],
      ["admin", "dangerous"],
      "2.8.12",
      "Tells the role in replication",
    ),
    {
      ...local(
        "snapshot",
        -2,
        ["admin", "noscript"],
        ["admin", "dangerous"],
        "0.1.0",
        "Reads a snapshot of the whole state, for a backup",
      ),
      subcommands: snapshotSubcommands,
    },
    {
      ...local("time", 1, [...PASSIVE, "fast"], [], "2.6.0", "Tells the server's clock"),
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
        "Tells how many replicas have the connection's writes",
      ),
      tips: ["request_policy:all_shards", "response_policy:agg_min"],
    },
  ]),
];
