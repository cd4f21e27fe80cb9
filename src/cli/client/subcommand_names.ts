/** What may follow the commands that have subcommands; the table does not tell. */
const NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "client",
    ["getname", "id", "info", "kill", "list", "no-evict", "no-touch", "setinfo", "setname"],
  ],
  [
    "cluster",
    [
      "fence",
      "forget",
      "help",
      "info",
      "join",
      "keyslot",
      "members",
      "myid",
      "nodes",
      "role",
      "shards",
      "slots",
      "transfer",
      "watch",
    ],
  ],
  ["command", ["count", "docs", "getkeys", "help", "info", "list"]],
  ["config", ["get", "resetstat"]],
  [
    "fault",
    ["crash", "delay", "drop", "heal", "help", "isolate", "list", "pause", "slow-disk"],
  ],
  ["session", ["close", "open"]],
  ["snapshot", ["begin", "end", "help", "read"]],
]);

/** The subcommands of a command, in lower case and in order; none for one that has none. */
export function subcommandNames(command: string): readonly string[] {
  return NAMES.get(command.toLowerCase()) ?? [];
}
