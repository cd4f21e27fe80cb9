import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type AccessNode,
  type AccessProxy,
  withAccessNode,
  withAccessProxy,
} from "../../tests/support/access_node.ts";
import { RawRespClient } from "../../tests/support/raw_resp_client.ts";
import { until } from "../../tests/support/until.ts";

type Ask = (line: string) => Promise<string>;

const SECRET = "a secret of the cluster";

/** Runs a test with a node and a proxy of one cluster, and connections to them. */
async function withBoth(
  secrets: { readonly node: string | null; readonly proxy: string | null },
  test: (
    connect: (port: number) => Promise<Ask>,
    node: AccessNode,
    proxy: AccessProxy,
  ) => Promise<void>,
): Promise<void> {
  const clients: RawRespClient[] = [];
  const connect = async (port: number): Promise<Ask> => {
    const client = await RawRespClient.connect(port);
    clients.push(client);
    return async (line) =>
      (await client.send(...line.split(" && ").map((one) => one.split(" "))).catch(() => [
        "closed",
      ])).join("").trimEnd();
  };
  await withAccessNode(async (node) => {
    try {
      const run = (proxy: AccessProxy) => test(connect, node, proxy);
      await withAccessProxy([node.port], run, { secret: secrets.proxy, holdMsMax: 400 });
    } finally {
      for (const client of clients) client.close();
    }
  }, secrets.node);
}

const BOTH = { node: SECRET, proxy: SECRET };

Deno.test("a user who is made through a proxy can use it at once, with the same rights", async () => {
  await withBoth(BOTH, async (connect, node, proxy) => {
    const admin = await connect(proxy.port);
    const made = await admin(
      "ACL SETUSER ada on >secret +@read +acl|whoami %R~k && AUTH ada secret && ACL WHOAMI && GET k",
    );
    assertEquals(made, "+OK\r\n+OK\r\n$3\r\nada\r\n$-1");
    for (const port of [node.port, proxy.port]) {
      const ada = await connect(port);
      assertEquals(await ada("AUTH ada secret"), "+OK");
      assertMatch(await ada("SET k v"), /^-NOPERM .*'set' command/);
      assertMatch(await ada("ONCE 1-1 1 SET k v"), /^-NOPERM .*'once' command/);
      assertMatch(await ada("GET other"), /^-NOPERM .* one of the keys/);
      assertMatch(await ada("ACL LIST"), /^-NOPERM .*'acl\|list' command/);
      assertEquals(await ada("GET k"), "$-1");
    }
    assertMatch(proxy.lines.join("\n"), /audit denied user="ada" .*command="set"/);
    assertEquals(proxy.lines.filter((line) => line.includes("secret")), []);
  });
});

Deno.test("a change at a node holds at the proxy within a second, for open connections", async () => {
  await withBoth(BOTH, async (connect, node, proxy) => {
    const admin = await connect(node.port);
    await admin("ACL SETUSER ada on nopass +@all ~*");
    const ada = await connect(proxy.port);
    await until("she is known", async () => await ada("AUTH ada x") === "+OK");
    assertEquals(await ada("SET k v"), "+OK");
    const changedMs = performance.now();
    await admin("ACL SETUSER ada -set");
    await until("it holds", async () => (await ada("SET k v")).startsWith("-NOPERM"));
    assert(performance.now() - changedMs < 1_000, `after ${performance.now() - changedMs} ms`);
    assertEquals(await admin("ACL DELUSER ada"), ":1");
    await until("her connection ends", async () => await ada("PING") === "closed");
  });
});

Deno.test("when the default user needs a password, a proxy with the secret goes on", async () => {
  await withBoth(BOTH, async (connect, node, proxy) => {
    const admin = await connect(proxy.port);
    assertEquals(await admin("ACL SETUSER default >pw && PING"), "+OK\r\n+PONG");
    const other = await connect(proxy.port);
    assertEquals(await other("GET k"), "-NOAUTH Authentication required.");
    assertEquals(await other("INFO"), "-NOAUTH Authentication required.");
    assertEquals(await other("AUTH pw && SET k v && GET k"), "+OK\r\n+OK\r\n$1\r\nv");
    await withAccessProxy([node.port], async ({ port }) => {
      const next = await connect(port);
      assertEquals(await next("HELLO 3 AUTH default pw && GET k").then(lastLine), "v");
    }, { secret: SECRET });
  });
});

Deno.test("a proxy with no secret, or another one, cannot use a cluster that needs a log-in", async () => {
  for (const secret of [null, "a secret of another cluster"]) {
    await withBoth({ node: SECRET, proxy: SECRET }, async (connect, node, proxy) => {
      const admin = await connect(proxy.port);
      await admin("ACL SETUSER default >pw");
      await withAccessProxy([node.port], async ({ port, lines }) => {
        const client = await connect(port);
        const unknown = "-CLUSTERDOWN The users are not known yet, the request was not executed";
        for (const line of ["PING", "GET k", "AUTH pw", "INFO", "CLIENT LIST"]) {
          assertEquals(await client(line), unknown, line);
        }
        assertMatch(lines.join("\n"), secret === null ? /NOAUTH/ : /WRONGPASS invalid proof/);
      }, { secret, holdMsMax: 300 });
    });
  }
});

Deno.test("a proxy with a secret uses a node that has none", async () => {
  await withBoth({ node: null, proxy: SECRET }, async (connect, _node, proxy) => {
    const client = await connect(proxy.port);
    assertEquals(await client("SET k v && GET k"), "+OK\r\n$1\r\nv");
  });
});

Deno.test("a proxy that reaches no node lets nobody in", async () => {
  await withAccessProxy([1], async ({ port }) => {
    const client = await RawRespClient.connect(port);
    try {
      const replies = await client.send(["PING"], ["GET", "k"], ["QUIT"]);
      const unknown = "-CLUSTERDOWN The users are not known yet, the request was not executed\r\n";
      assertEquals(replies, [unknown, unknown, "+OK\r\n"]);
    } finally {
      client.close();
    }
  }, { holdMsMax: 100 });
});

function lastLine(text: string): string | undefined {
  return text.split("\r\n").at(-1);
}
