import { assert, assertEquals } from "@std/assert";
import { withAccessNode } from "../support/access_node.ts";
import { RawRespClient } from "../support/raw_resp_client.ts";
import { hasRedisServer, startRedisServer } from "../support/redis_server.ts";

const hasRedis = await hasRedisServer();

/** One line of a transcript: `A: request` is sent on connection A, which is opened with its first. */
type Line = `${string}: ${string}`;

/** The replies to a transcript, as they came over the wire. */
async function replies(port: number, lines: readonly Line[]): Promise<string[]> {
  const clients = new Map<string, RawRespClient>();
  const found: string[] = [];
  try {
    for (const line of lines) {
      const [, name = "", text = ""] = /^(\w+): (.*)$/s.exec(line) ?? [];
      const client = clients.get(name) ?? await RawRespClient.connect(port);
      clients.set(name, client);
      // Requests with " && " between them are sent at once.
      const requests = text.split(" && ").map((one) => one.split(" "));
      found.push(
        await client.send(...requests).then((all) => all.join(""), () => "closed"),
      );
    }
  } finally {
    for (const client of clients.values()) client.close();
  }
  return found;
}

/** What cannot be the same: ids, ports, ages, modes; and the fields that only Regent has. */
function comparable(reply: string): string {
  return reply
    .replace(/\$2\r\nid\r\n:\d+/g, "id")
    .replace(/\$4\r\nmode\r\n\$\d+\r\n\w+/g, "mode")
    .replace(/\$11\r\nage-seconds\r\n[$,][^\r]*\r\n([\d.]+\r\n)?/g, "age")
    .replace(/\$11\r\nclient-info\r\n\$\d+\r\n[^\r]*\r\n/g, "client")
    .replace(/\$5\r\nfiles\r\n\$\d+\r\n[^\r]*\r\n/g, "")
    .replace(/\$\d+\r\n(user default .*) %F~\*/g, "$$34\r\n$1")
    .replace(/(\*[68]|%[34])\r\n(?=\$8\r\ncommands)/g, "selector")
    .replace(/^(\*12|%6)\r\n(?=\$5\r\nflags)/, "fields")
    .replace(/^(\*14|%7)\r\n(?=\$5\r\nflags)/, "fields");
}

const TRANSCRIPTS: Readonly<Record<string, readonly Line[]>> = {
  "a new cluster needs no log-in": [
    "a: ACL WHOAMI",
    "a: AUTH anything",
    "a: AUTH default anything",
    "a: AUTH nobody anything",
    "a: AUTH",
    "a: AUTH a b c",
    "a: HELLO 3 AUTH nobody x",
    "a: HELLO 3 AUTH default x SETNAME me",
    "a: CLIENT GETNAME",
    "a: RESET",
  ],
  "a user logs in, and is somebody": [
    "a: ACL SETUSER ada on >secret >other ~k:* +@all",
    "b: AUTH ada wrong",
    "b: ACL WHOAMI",
    "b: AUTH ada secret",
    "b: ACL WHOAMI",
    "b: AUTH ada wrong",
    "b: ACL WHOAMI",
    "c: HELLO 3 AUTH ada other",
    "c: ACL WHOAMI",
    "c: RESET",
    "c: ACL WHOAMI",
    "a: ACL SETUSER ada off",
    "b: ACL WHOAMI",
    "d: AUTH ada secret",
  ],
  "without a log-in, only logging in is allowed": [
    "a: ACL SETUSER default >pw",
    "a: ACL WHOAMI",
    "b: PING",
    "b: GET k",
    "b: NOSUCH k",
    "b: GET",
    "b: MULTI",
    "b: HELLO",
    "b: HELLO 3",
    "b: HELLO 3 AUTH default wrong",
    "b: AUTH wrong",
    "b: ACL WHOAMI",
    "b: COMMAND COUNT",
    "b: RESET",
    "b: CLIENT ID",
    "b: AUTH pw",
    "b: PING",
    "b: RESET",
    "b: PING",
    "c: HELLO 3 AUTH default pw",
    "c: PING",
    "c: QUIT",
    "d: QUIT",
    "a: ACL SETUSER default nopass",
    "b: PING",
    "a: ACL SETUSER default off",
    "a: PING",
    "b: PING",
    "e: PING",
  ],
  "log-ins and other requests that are sent together": [
    "a: ACL SETUSER default >pw",
    "b: PING && AUTH pw && PING && SET k 1 && GET k",
    "b: RESET && PING && AUTH wrong && PING && AUTH pw && PING",
    "b: AUTH pw && HELLO 3 && ACL WHOAMI && HELLO 2 && ACL WHOAMI",
    "b: HELLO 3 AUTH default pw && CLIENT GETNAME && HELLO 2 AUTH default pw && CLIENT GETNAME",
    "b: ACL SETUSER bob >1 on +@all && ACL USERS && AUTH bob 1 && ACL WHOAMI && GET k",
  ],
  "what a user may do": [
    "a: ACL SETUSER ada on nopass %R~r:* %W~w:* +@read +set +acl|whoami -strlen (~s:* +strlen)",
    "b: AUTH ada x",
    "b: GET r:1",
    "b: GET w:1",
    "b: GET s:1",
    "b: SET w:1 v",
    "b: SET r:1 v",
    "b: SET w:1 v GET",
    "b: STRLEN s:1",
    "b: STRLEN r:1",
    "b: MGET r:1 r:2",
    "b: MGET r:1 x:2",
    "b: DEL w:1",
    "b: CONFIG GET port",
    "b: ACL LIST",
    "b: ACL WHOAMI",
    "b: SET w:1 && GET r:1 && NOPE",
    "a: ACL SETUSER ada +del",
    "b: DEL w:1",
    "a: ACL SETUSER ada resetkeys",
    "b: GET r:1",
    "b: DEL w:1",
    "b: PING",
  ],
  "the log of refusals": [
    "a: ACL SETUSER ada on nopass ~k +get",
    "b: AUTH ada x",
    "b: GET k",
    "b: GET other",
    "b: GET other",
    "b: SET k v",
    "b: ACL LOG",
    "c: AUTH nobody pw",
    "a: ACL LOG",
    "a: ACL LOG 1",
    "a: ACL LOG 0",
    "a: ACL LOG -1",
    "a: ACL LOG x",
    "a: ACL LOG RESET",
    "a: ACL LOG",
    "a: HELLO 3",
    "b: SET other v",
    "a: ACL LOG",
  ],
  "users are shown, changed and deleted": [
    "a: ACL SETUSER ada on nopass ~a* resetchannels &c* +@read -get (~b +set)",
    "a: ACL GETUSER ada",
    "a: ACL GETUSER nobody",
    "a: ACL LIST",
    "a: ACL USERS",
    "a: HELLO 3",
    "a: ACL GETUSER ada",
    "a: ACL GETUSER nobody",
    "a: ACL SETUSER ada +nope",
    "a: ACL SETUSER ada >x (",
    "a: ACL SETUSER a\0b on",
    "a: ACL SETUSER",
    "a: ACL SETUSER bob",
    "a: ACL DELUSER",
    "a: ACL DELUSER nobody bob bob",
    "a: ACL DELUSER default",
    "b: AUTH ada x",
    "a: ACL DELUSER ada",
    "b: PING",
    "a: ACL USERS",
  ],
  "a user who deletes itself": [
    "a: ACL SETUSER ada on nopass ~* +@all",
    "b: AUTH ada x",
    "b: ACL DELUSER ada && PING",
  ],
  "the rest of ACL": [
    "a: ACL",
    "a: ACL NOPE",
    "a: ACL CAT nope",
    "a: ACL CAT transaction x",
    "a: ACL SAVE",
    "a: ACL LOAD",
    "a: ACL GENPASS 0",
    "a: ACL GENPASS 4097",
    "a: ACL GENPASS x",
    "a: ACL DRYRUN nobody get k",
    "a: ACL DRYRUN default nope k",
    "a: ACL DRYRUN default get",
    "a: ACL DRYRUN default GET k",
    "a: ACL DRYRUN default CLIENT KILL a",
    "a: ACL SETUSER u ~a +get +client|id",
    "a: ACL DRYRUN u GET a",
    "a: ACL DRYRUN u GET b",
    "a: ACL DRYRUN u SET a b",
    "a: ACL DRYRUN u CLIENT ID",
    "a: ACL DRYRUN u CLIENT KILL x",
    "a: CLIENT KILL USER nobody",
    "a: CLIENT KILL USER default",
    "a: HELLO 3",
    "a: ACL DRYRUN u GET b",
    "a: ACL WHOAMI",
  ],
};

for (const [name, lines] of Object.entries(TRANSCRIPTS)) {
  Deno.test({
    name: `${name}, as in Redis${hasRedis ? "" : " (there is no redis-server on the PATH)"}`,
    ignore: !hasRedis,
    async fn() {
      const server = await startRedisServer();
      try {
        const expected = await replies(server.port, lines);
        await withAccessNode(async ({ port }) => {
          const actual = await replies(port, lines);
          for (const [at, line] of lines.entries()) {
            const shown = [actual[at] ?? "", expected[at] ?? ""].map(comparable);
            assertEquals([line, shown[0]], [line, shown[1]]);
          }
          assert(actual.length === lines.length);
        });
      } finally {
        await server.stop();
      }
    },
  });
}
