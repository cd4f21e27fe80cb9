import { assertEquals } from "@std/assert";
import { openAccess } from "../../tests/support/open_access.ts";
import { serve } from "../../tests/support/serve.ts";
import { encodeReply } from "../resp/encode.ts";
import type { Reply } from "../resp/reply.ts";
import { type Client, type LocalReply, type LocalServer, SETTLED_BY_HANDLER } from "./local.ts";

/** A connection that has just come, and its requests as lines with the replies of RESP2. */
function start() {
  const ended: string[] = [];
  const client: Partial<Client> = {
    id: 7,
    protocol: 2,
    name: "",
    libraryName: "",
    libraryVersion: "",
    reset: () => ended.push("reset"),
    closeAfterReplies: () => ended.push("closed"),
  };
  const server: Partial<LocalServer> = {
    clock: { nowMs: () => 1_700_000_000_123, monotonicMs: () => 0 },
    access: openAccess(),
    hello: () => ({ version: "7.0.15", mode: "cluster", role: "master" }),
    info: (sections) => `about ${sections.join()}`,
    resetStatistics() {},
    reset: () => ended.push("all that it has set up"),
  };
  const ask = (line: string) => {
    let settled: Reply = null;
    const reply: LocalReply = { protocol: 2, isMuted: false, settle: (one) => settled = one };
    const answer: unknown = serve(line.split(" "), server, client, reply);
    const shown = answer === SETTLED_BY_HANDLER ? settled : answer as Reply;
    return encodeReply(shown, 2).replaceAll("\r\n", " ").trimEnd();
  };
  return { client, ask, ended };
}

const SYNTAX_ERROR = "-ERR syntax error";
const NO_INTEGER = "-ERR value is not an integer or out of range";
const WRONG_PASSWORD = "-WRONGPASS invalid username-password pair or user is disabled.";

// The replies are those of redis-server 7.0.15.
Deno.test("a connection is asked and answered as in Redis", () => {
  const { ask, ended } = start();
  const expected = [
    ["PING", "+PONG"],
    ["PING hi", "$2 hi"],
    ["PING a b", "-ERR wrong number of arguments for 'ping' command"],
    ["ECHO hi", "$2 hi"],
    ["SELECT 0", "+OK"],
    ["SELECT x", NO_INTEGER],
    ["SELECT 01", NO_INTEGER],
    ["SELECT 1", "-ERR DB index is out of range"], // there is one database
    ["AUTH a b c", SYNTAX_ERROR],
    [
      "AUTH x",
      "-ERR AUTH <password> called without any password configured for the default user. " +
      "Are you sure your configuration is correct?",
    ],
    ["AUTH default x", "+OK"],
    ["AUTH nobody x", WRONG_PASSWORD],
    ["READONLY", "+OK"],
    ["READWRITE", "+OK"],
    ["TIME", "*2 $10 1700000000 $6 123000"],
    ["CLIENT ID", ":7"],
    ["CLIENT GETREDIR", ":-1"],
    ["CLIENT TRACKINGINFO", "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0"],
    ["CLIENT NO-EVICT maybe", SYNTAX_ERROR],
    ["CLIENT NO-EVICT on", "+OK"],
    ["CLIENT REPLY nope", SYNTAX_ERROR],
    ["CONFIG RESETSTAT", "+OK"],
    ["CONFIG REWRITE", "-ERR The server is running without a config file"],
  ] as const;
  for (const [line, reply] of expected) assertEquals([line, ask(line)], [line, reply]);
  assertEquals(ended, []);
});

Deno.test("HELLO takes a protocol, a user and a name, all of them or nothing", () => {
  const { ask, client } = start();
  const about = (proto: number) =>
    `*14 $6 server $5 redis $7 version $6 7.0.15 $5 proto :${proto} $2 id :7 ` +
    "$4 mode $7 cluster $4 role $6 master $7 modules *0";
  const wrong = [
    ["HELLO x", "-ERR Protocol version is not an integer or out of range"],
    ["HELLO 4", "-NOPROTO unsupported protocol version"],
    ["HELLO 3 NOPE", "-ERR Syntax error in HELLO option 'NOPE'"],
    ["HELLO 3 SETNAME", "-ERR Syntax error in HELLO option 'SETNAME'"],
    ["HELLO 3 AUTH default", "-ERR Syntax error in HELLO option 'AUTH'"],
    ["HELLO 3 SETNAME me AUTH nobody x", WRONG_PASSWORD],
    [
      "HELLO 3 SETNAME a\nb",
      "-ERR Client names cannot contain spaces, newlines or special characters.",
    ],
  ] as const;
  for (const [line, reply] of wrong) assertEquals([line, ask(line)], [line, reply]);
  assertEquals([client.protocol, client.name], [2, ""]);
  assertEquals(ask("HELLO"), about(2));
  assertEquals(ask("HELLO 3 AUTH default x SETNAME me"), about(3));
  assertEquals([client.protocol, client.name], [3, "me"]);
  assertEquals(ask("HELLO 2"), about(2));
  assertEquals([client.protocol, client.name], [2, "me"]);
});

Deno.test("QUIT ends the connection behind its reply, and RESET all that was set up", () => {
  const { ask, ended } = start();
  assertEquals(ask("QUIT"), "+OK");
  assertEquals(ask("RESET"), "+RESET");
  assertEquals(ended, ["closed", "reset", "all that it has set up"]);
});

Deno.test("CLIENT SETINFO keeps the name and the version of a library", () => {
  const { ask, client } = start();
  assertEquals(ask("CLIENT SETINFO LIB-NAME redis-py"), "+OK");
  assertEquals(ask("CLIENT SETINFO lib-ver 5.0"), "+OK");
  assertEquals([client.libraryName, client.libraryVersion], ["redis-py", "5.0"]);
  assertEquals(ask("CLIENT SETINFO nope x"), "-ERR Unrecognized option 'nope'");
  const spaces = "cannot contain spaces, newlines or special characters.";
  assertEquals(ask("CLIENT SETINFO lib-name a\tb"), `-ERR lib-name ${spaces}`);
  assertEquals([client.libraryName, client.libraryVersion], ["redis-py", "5.0"]);
});
