import type { Command } from "./command.ts";
import { type Row, rowsOf } from "./rows.ts";

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
    local("ping", -1, ["fast"], "1.0.0", "Returns PONG, or its argument"),
    local("quit", -1, ALWAYS, "1.0.0", "Closes the connection"),
    local("reset", 1, ALWAYS, "6.2.0", "Puts the connection into its first state"),
    local("select", 2, PASSIVE, "1.0.0", "Chooses the database; there is one, 0"),
    {
      ...local("client", -2, [], "2.4.0", "Tells and sets what the server knows of connections"),
      categories: [],
    },
  ]),
  ...rowsOf("cluster", ["connection"], [
    local("readonly", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster"),
    local("readwrite", 1, PASSIVE, "3.0.0", "Accepted for clients of Redis Cluster"),
  ]),
];
