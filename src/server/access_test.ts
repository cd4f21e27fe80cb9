import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type AccessNode, withAccessNode } from "../../tests/support/access_node.ts";
import { chunksOf } from "../../tests/support/file_machine.ts";
import { RawRespClient } from "../../tests/support/raw_resp_client.ts";
import { until } from "../../tests/support/until.ts";
import { ClusterSecret, PeerHandshake } from "../access/peer_proof.ts";
import { encodeReply } from "../resp/encode.ts";
import { decodeReply } from "../resp/reply_scanner.ts";

type Ask = (line: string) => Promise<string>;

/** Runs a test with connections to a node, each by its name. */
async function withClients(
  test: (client: (name: string) => Promise<Ask>, node: AccessNode) => Promise<void>,
  secret: string | null = null,
): Promise<void> {
  await withAccessNode(async (node) => {
    const clients = new Map<string, RawRespClient>();
    const client = async (name: string): Promise<Ask> => {
      const raw = clients.get(name) ?? await RawRespClient.connect(node.port);
      clients.set(name, raw);
      return async (line) => {
        const [reply = ""] = await raw.send(line.split(" ")).catch(() => ["closed"]);
        return reply.trimEnd();
      };
    };
    try {
      await test(client, node);
    } finally {
      for (const raw of clients.values()) raw.close();
    }
  }, secret);
}

const NOPERM = "-NOPERM this user has no permissions to run the";

Deno.test("no password leaves the node that it was sent to", async () => {
  await withClients(async (client, node) => {
    const admin = await client("admin");
    const ada = await client("ada");
    const said: string[] = [];
    for (
      const line of [
        "ACL SETUSER ada on >hunter2 +ping",
        "ACL SETUSER ada >hunter2 (nonsense",
        "ACL SETUSER ada <hunter2x",
        "ACL SETUSER ada >hunter2 +hunter",
        "ACL LIST",
        "ACL GETUSER ada",
        "CLIENT LIST",
        "INFO",
        "HELLO 2 AUTH ada hunter2 NOPE x",
        "HELLO hunter2",
      ]
    ) said.push(await admin(line));
    for (
      const line of [
        "AUTH ada hunter2x",
        "AUTH hunter2",
        "AUTH ada hunter2",
        "GET k",
        "HELLO 3 AUTH ada hunter2",
      ]
    ) said.push(await ada(line));
    said.push(await admin("ACL LOG"), ...node.lines);
    for (const chunk of chunksOf(node.machine)) said.push(new TextDecoder().decode(chunk));
    assertEquals(said.filter((text) => text.includes("hunter2") && !text.includes("version")), []);
    assertStringIncludes(said.join("\n"), "#scrypt$32768$8$1$");
  });
});

Deno.test("a change of a user holds for open connections with their next request", async () => {
  await withClients(async (client) => {
    const admin = await client("admin");
    const ada = await client("ada");
    await admin("ACL SETUSER ada on nopass +@all ~*");
    assertEquals(await ada("AUTH ada x"), "+OK");
    assertEquals(await ada("SET k v"), "+OK");
    await admin("ACL SETUSER ada -set");
    assertEquals(await ada("SET k v"), `${NOPERM} 'set' command`);
    assertEquals(await ada("ONCE 1-1 1 SET k v"), `${NOPERM} 'set' command`);
    assertMatch(await ada("ONCE 1-1 1 DEL k"), /^-NOSESSION/);
    await admin("ACL SETUSER ada -once +set resetkeys ~a");
    assertEquals(await ada("ONCE 1-1 1 SET a v"), `${NOPERM} 'once' command`);
    assertEquals(
      await ada("COPY a b"),
      "-NOPERM this user has no permissions to access one of the keys used as arguments",
    );
  });
});

Deno.test("the connections of a deleted user end, those of others go on", async () => {
  await withClients(async (client, { frontend }) => {
    const admin = await client("admin");
    await admin("ACL SETUSER ada on nopass +@all");
    await admin("ACL SETUSER bob on nopass +@all");
    for (const name of ["ada", "bob"]) await (await client(name))(`AUTH ${name} x`);
    assertEquals(await admin("ACL DELUSER ada"), ":1");
    await until("its connection is closed", () => Promise.resolve(frontend.clients.size === 2));
    assertEquals(await (await client("bob"))("PING"), "+PONG");
    assertEquals(await (await client("ada"))("PING"), "closed");
  });
});

Deno.test("files are checked by their names, and a list by its prefix", async () => {
  await withClients(async (client) => {
    const admin = await client("admin");
    const ada = await client("ada");
    await admin("ACL SETUSER ada on nopass +@file ~* %FR~music/* %FR~doc? %FW~in/?");
    await ada("AUTH ada x");
    const denied = "-NOPERM this user has no permissions to access one of the files";
    assertEquals(await ada("FILE STAT music/a"), "$-1");
    assertEquals(await ada("FILE STAT in/a"), `${denied} used as arguments`);
    assertEquals(await ada("FILE DELETE music/a"), `${denied} used as arguments`);
    assertEquals(await ada("FILE DELETE in/a"), ":0");
    assertEquals(await ada("FILE WHERE x"), `${denied} used as arguments`);
    assertMatch(await ada("FILE LIST PREFIX music/"), /^\*2/);
    assertMatch(await ada("FILE LIST PREFIX music/x COUNT 3"), /^\*2/);
    for (
      const list of ["", " PREFIX musi", " PREFIX docs", " PREFIX in/", " PREFIX music/ PREFIX ''"]
    ) {
      assertEquals(await ada(`FILE LIST${list}`), `${denied} used as arguments`, list);
    }
    assertEquals(await ada("FILE DRAIN n1"), `${NOPERM} 'file|drain' command`);
    assertEquals(
      await ada("FILE COMMIT x"),
      "-ERR wrong number of arguments for 'file|commit' command",
    );
  });
});

Deno.test("what only administrators may do is refused, and told to log collectors", async () => {
  await withClients(async (client, { lines }) => {
    const admin = await client("admin");
    assertEquals(await admin("CONFIG SET maxmemory 0"), "+OK");
    assertEquals(lines, [], "without users, nothing is told");
    await admin("ACL SETUSER ada on nopass +@all -@admin");
    const ada = await client("ada");
    await ada("AUTH ada x");
    for (
      const [line, name] of [
        ["CONFIG SET maxmemory 1", "config|set"],
        ["CLIENT KILL x", "client|kill"],
        ["FAULT CRASH", "fault|crash"],
        ["CLUSTER FORGET n1", "cluster|forget"],
        ["CLUSTER USERS", "cluster|users"],
        ["SNAPSHOT BEGIN", "snapshot|begin"],
        ["ACL SETUSER ada +@all", "acl|setuser"],
        ["FILE HELD n1 x", "file|held"],
      ] as const
    ) {
      assertEquals(await ada(line), `${NOPERM} '${name}' command`);
      assertEquals(
        lines.at(-1),
        `audit denied user="ada" client="127.0.0.1" command="${name}" reason="command" ` +
          `object="${name}"`,
      );
    }
    await admin("CONFIG SET maxmemory 0");
    assertEquals(
      lines.at(-1),
      'audit ran user="default" client="127.0.0.1" command="config|set" object="maxmemory"',
    );
    await admin("ACL SETUSER bob >secret");
    assertMatch(lines.at(-1) ?? "", /command="acl\|setuser" object="bob"$/);
    const count = lines.length;
    for (const line of ["ACL LIST", "CONFIG GET port", "CLIENT LIST", "GET k", "SET k v"]) {
      await admin(line);
    }
    assertEquals(lines.length, count, "what only shows something is not told");
  });
});

Deno.test("another process of the cluster proves itself, and may then do everything", async () => {
  const text = "a secret of the cluster";
  await withClients(async (client, { lines }) => {
    const admin = await client("admin");
    await admin("ACL SETUSER default off");
    const peer = await client("peer");
    assertEquals(await peer("GET k"), "-NOAUTH Authentication required.");
    const handshake = new PeerHandshake(new ClusterSecret(text));
    const step = handshake.next(decodeReply(`${await peer(handshake.first.join(" "))}\r\n`));
    assert(step.kind === "send");
    const proof = step.request.join(" ");
    assertEquals(handshake.next(decodeReply(`${await peer(proof)}\r\n`)), { kind: "done" });
    assertEquals(await peer("SET k v"), "+OK");
    assertEquals(await peer("ACL WHOAMI"), encodeReply("cluster peer", 2).trimEnd());
    assertEquals(await peer(proof), "-WRONGPASS invalid proof of the cluster secret");
    const again = await client("again");
    assertEquals(await again(proof), "-WRONGPASS invalid proof of the cluster secret");
    await again("CLUSTER CHALLENGE");
    assertEquals(await again(proof), "-WRONGPASS invalid proof of the cluster secret");
    assertEquals(await again("GET k"), "-NOAUTH Authentication required.");
    assertMatch(lines.at(-1) ?? "", /^audit denied client="127.0.0.1" command="cluster\|prove"/);
    assertEquals(await peer("RESET"), "+RESET");
    assertEquals(await peer("GET k"), "-NOAUTH Authentication required.");
  }, text);
});

Deno.test("without a secret nobody can prove anything", async () => {
  await withClients(async (client) => {
    const one = await client("one");
    assertEquals(await one("CLUSTER CHALLENGE"), "-ERR This process has no cluster secret");
    assertEquals(await one("CLUSTER PROVE a b"), "-ERR This process has no cluster secret");
  });
});

Deno.test("too many wrong passwords from one address are not checked any more", async () => {
  await withClients(async (client, { machine }) => {
    const admin = await client("admin");
    await admin("ACL SETUSER ada on >secret +@all");
    assertEquals(machine.users.find("ada")?.verifiers.length, 1);
    const guesses = await Promise.all(
      Array.from({ length: 24 }, async (_, at) => (await client(`c${at}`))(`AUTH ada ${at}`)),
    );
    assertEquals(guesses.filter((reply) => reply.startsWith("-WRONGPASS")).length, 20);
    const busy = "-ERR Too many passwords are being checked, log in again later";
    assertEquals(guesses.filter((reply) => reply === busy).length, 4);
    const limited = "-ERR Too many wrong passwords, log in again in some seconds";
    let last = "";
    for (let left = 40; last !== limited && left > 0; left--) {
      last = await admin(`AUTH ada ${left}`);
    }
    assertEquals([last, await admin("AUTH ada secret")], [limited, limited]);
    assertMatch(await admin("GET k"), /^\$-1/, "the connection goes on as it was");
  });
});
