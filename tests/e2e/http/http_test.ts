import { assert, assertEquals, assertMatch } from "@std/assert";
import { PATIENT } from "../../support/calm.ts";
import { freePorts } from "../../support/free_ports.ts";
import { ask, type LocalCluster, type Member } from "../../support/local_cluster.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { nodePlace } from "../../support/serving_node.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HTTP = { ...PATIENT, http: true };

function httpOf({ httpPort }: Member, path: string): string {
  return `http://127.0.0.1:${httpPort}${path}`;
}

async function get(member: Member, path: string): Promise<string> {
  const response = await fetch(httpOf(member, path));
  return `${response.status} ${await response.text()}`;
}

const CREATE = { "if-none-match": "*" };

async function put(
  member: Member,
  path: string,
  body: BodyInit,
  headers: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(httpOf(member, path), { method: "PUT", body, headers });
  await response.body?.cancel();
  return response.status;
}

Deno.test("any node and any proxy serve keys over HTTP", async () => {
  await withCluster(HTTP, async (cluster) => {
    const members = [...cluster.nodes, cluster.proxy];
    for (const member of members) {
      assertEquals(await put(member, `/keys/${member.name}`, `from ${member.name}`), 204);
      for (const other of members) {
        assertEquals(await get(other, `/keys/${member.name}`), `200 from ${member.name}`);
      }
    }
    assertEquals(replyText(await ask(cluster.proxy, ["GET", "n1"])), "from n1");
    const large = crypto.getRandomValues(new Uint8Array(65_536));
    const body = new Blob(Array.from({ length: 64 }, () => large));
    assertEquals(await put(cluster.proxy, "/keys/large", body), 204);
    const read = await fetch(httpOf(await anyFollower(cluster), "/keys/large"));
    assertEquals(
      new Uint8Array(await read.arrayBuffer()),
      new Uint8Array(await body.arrayBuffer()),
    );
    assertEquals(await answerTo(cluster.proxy, "Content-Length: 9000000"), "HTTP/1.1 413");
    // Deno 2.6 ends the connection when it has answered before it has read the body.
    if (Deno.env.get("REGENT_BINARY") !== undefined) return;
    assertEquals(await put(cluster.proxy, "/keys/large", new Blob([body, body, body])), 413);
  });
});

/** The beginning of the answer to a PUT of which only the header is sent. */
async function answerTo({ httpPort = 0 }: Member, header: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: httpPort });
  const text = `PUT /keys/a HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array("HTTP/1.1 413".length);
  await connection.read(buffer);
  return new TextDecoder().decode(buffer);
}

async function anyFollower(cluster: LocalCluster): Promise<Member> {
  const [follower] = await cluster.followers();
  assert(follower !== undefined);
  return follower;
}

Deno.test("over HTTP a leader's death is a pause, and no write is lost or made twice", async () => {
  await withCluster(HTTP, async (cluster) => {
    const follower = await anyFollower(cluster);
    assertEquals(await put(follower, "/keys/before", "1"), 204);
    const leader = await cluster.leader();
    await leader.process.signal("SIGKILL");
    const answers = await Promise.all(
      // One that was made twice would find the key, and be answered with 412.
      Array.from({ length: 20 }, (_, at) => put(follower, `/keys/key:${at}`, `${at}`, CREATE)),
    );
    assertEquals(answers, answers.map(() => 204));
    assertEquals(await get(follower, "/keys/before"), "200 1");
    const { members } = JSON.parse((await get(follower, "/cluster")).slice(4));
    const dead = members.find(({ id }: { id: string }) => id === leader.name);
    assertEquals([dead.role, dead.isAlive], ["-", false]);
  });
});

Deno.test("a node is live without a majority, and ready only with one", async () => {
  await withCluster(HTTP, async (cluster) => {
    const [node, ...others] = cluster.nodes;
    assert(node !== undefined);
    for (const member of [node, cluster.proxy]) {
      assertEquals(await get(member, "/livez"), '200 {"status":"live"}');
      assertEquals(await get(member, "/readyz"), '200 {"status":"ready"}');
    }
    for (const { process } of others) await process.signal("SIGKILL");
    assertMatch(await get(node, "/readyz"), /^503 .*"code":"not-ready"/);
    assertEquals(await get(node, "/livez"), '200 {"status":"live"}');
    for (const member of others) cluster.restart(member);
    await until("it is ready again", async () => (await get(node, "/readyz")).startsWith("200"), {
      describe: () => cluster.said(),
    });
  });
});

Deno.test("who watches over HTTP sees the leader die and another one take over", async () => {
  await withCluster(HTTP, async (cluster) => {
    const leader = await cluster.leader();
    const { body } = await fetch(httpOf(cluster.proxy, "/events"));
    assert(body !== null);
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const leaders = () =>
      text.split("\n\n").filter((event) => event.startsWith("event: cluster\ndata: ")).map(
        (event) => {
          const { members } = JSON.parse(event.slice("event: cluster\ndata: ".length));
          return members.find(({ role }: { role: string }) => role === "leader")?.id;
        },
      );
    const readUntil = async (isSeen: () => boolean) => {
      while (!isSeen()) text += (await reader.read()).value ?? "";
    };
    await readUntil(() => leaders().at(-1) === leader.name);
    await leader.process.signal("SIGKILL");
    await readUntil(() => ![leader.name, undefined].includes(leaders().at(-1)));
    await reader.cancel();
  });
});

Deno.test("metrics are those of the process that is asked", async () => {
  await withCluster(HTTP, async (cluster) => {
    const leader = await cluster.leader();
    await put(leader, "/keys/a", "x");
    for (const member of [...cluster.nodes, cluster.proxy]) {
      const text = await get(member, "/metrics");
      assertMatch(text, /^regent_up 1$/m);
      assertMatch(text, /^regent_leader_known 1$/m);
      const hasKey = async () => (await get(member, "/metrics")).includes("\nregent_keys 1\n");
      await until(`${member.name} has the key`, hasKey);
      assertMatch(text, /^regent_http_connections [0-9]+$/m);
      assertEquals(text.includes('role="leader"} 1'), member === leader, text);
    }
  });
});

Deno.test("what is no HTTP is refused, and hurts nobody", async () => {
  await withCluster({ ...HTTP, nodes: 1 }, async (cluster) => {
    const [node] = cluster.nodes;
    assert(node !== undefined);
    for (
      const bytes of [
        "*1\r\n$4\r\nPING\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /keys/a HTTP/1.1\r\nHost: http://[\r\n\r\n",
        `GET /${"x".repeat(100_000)} HTTP/1.1\r\n\r\n`,
        "\r\n".repeat(10_000),
        "\0".repeat(1_000),
      ]
    ) {
      using connection = await Deno.connect({ port: node.httpPort ?? 0 });
      await connection.write(new TextEncoder().encode(bytes));
      await connection.closeWrite();
      const buffer = new Uint8Array(1 << 16);
      let text = "";
      for (;;) {
        const length = await connection.read(buffer).catch(() => null);
        if (length === null) break;
        text += new TextDecoder().decode(buffer.subarray(0, length));
      }
      assert(!/^HTTP\/1.1 2/.test(text), text);
      // Deno 2.6 answers itself.
      if (Deno.env.get("REGENT_BINARY") !== undefined) continue;
      assertMatch(text, /^(HTTP\/1.1 4[^]*application\/problem\+json[^]*"code":|$)/);
    }
    assertEquals(await get(node, "/livez"), '200 {"status":"live"}');
    assertEquals(replyText(await ask(node, ["PING"])), "PONG");
    assert(!node.process.said.includes("rror"), node.process.said);
  });
});

Deno.test("a port for HTTP that is in use ends a node only if it was asked for", async () => {
  await withTemporaryDirectory(async (directory) => {
    const [clientPort = 0, raftPort = 0] = freePorts(2);
    const port = clientPort + 1_000;
    using _holder = Deno.listen({ hostname: "127.0.0.1", port });
    const { args } = nodePlace(directory);
    const leader = [...args, "--role", "leader"];
    const { code, stderr } = await runRegent([...leader, "--http-port", String(port)]);
    assertEquals(code, 1);
    assertMatch(stderr, new RegExp(`Cannot listen on 127.0.0.1:${port}: the port is in use`));
    const node = new RegentProcess(
      [
        ...["node", "--id", "n1", "--dir", directory, "--port", String(clientPort)],
        ...["--raft-port", String(raftPort), "--role", "leader", "--http-port", "auto"],
      ],
    );
    try {
      await until("it serves without HTTP", () => node.said.includes("serves no HTTP"), {
        describe: () => node.said,
      });
      assertEquals(replyText(await ask({ port: clientPort }, ["PING"])), "PONG");
    } finally {
      await node.signal("SIGKILL");
      await node.ended();
    }
    for (const command of ["node", "proxy"]) {
      const { stdout } = await runRegent([command, "--help"]);
      assertMatch(stdout, /--http-port [^]*?\(default auto\)/);
    }
    const wrong = await runRegent([...leader, "--http-port", "none"]);
    assertMatch(
      wrong.stderr,
      /--http-port.*: expected a whole number from 1 to 65535, auto or off/,
    );
    assertEquals(wrong.code, 2);
  });
});
