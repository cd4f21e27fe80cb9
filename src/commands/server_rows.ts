import type { Command } from "./command.ts";
import { type Row, rowsOf } from "./rows.ts";

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
    local("command", -1, PASSIVE, ["connection"], "2.8.13", "Tells about the commands"),
    local("config", -2, [], [], "2.0.0", "Tells the settings"),
    local(
      "fault",
      -2,
      ["admin", "noscript", ...PASSIVE],
      ["admin", "dangerous"],
      "7.0.0",
      "Lets a node fail on purpose, if it was started with --allow-faults",
    ),
    local("info", -1, PASSIVE, ["dangerous"], "1.0.0", "Tells the state of the server"),
    local(
      "lastsave",
      1,
      [...PASSIVE, "fast"],
      ["admin", "dangerous"],
      "1.0.0",
      "Tells when the last snapshot was taken",
    ),
    local(
      "role",
      1,
      ["noscript", ...PASSIVE, "fast"],
      ["admin", "dangerous"],
      "2.8.12",
      "Tells the role in replication",
    ),
    local(
      "snapshot",
      -2,
      ["admin", "noscript"],
      ["admin", "dangerous"],
      "7.0.0",
      "Reads a snapshot of the whole state, for a backup",
    ),
    local("time", 1, [...PASSIVE, "fast"], [], "2.6.0", "Tells the server's clock"),
  ]),
  ...rowsOf("cluster", [], [
    local("cluster", -2, [], [], "3.0.0", "Tells about the cluster"),
  ]),
  ...rowsOf("generic", ["connection"], [
    local(
      "wait",
      3,
      ["noscript"],
      ["connection"],
      "3.0.0",
      "Tells how many replicas have the connection's writes",
    ),
  ]),
];
