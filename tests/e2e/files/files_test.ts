import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  answerTo,
  blobsOf,
  client,
  content,
  digest,
  digestOf,
  fileAt,
  FILES,
  get,
  holdersOf,
  KIB,
  MIB,
  OUT_SOON,
  put,
  stagingOf,
  untilHealthy,
  untilPlaced,
  untilState,
} from "../../support/files/files_cluster.ts";
import { ask } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

Deno.test("a file goes in through any member, comes out of all, and survives a restart", async () => {
  await withCluster(FILES, async (cluster) => {
    await untilPlaced(cluster, 3);
    const members = [...cluster.nodes, cluster.proxy];
    const contents = new Map(members.map(({ name }, at) => [`to ${name}`, content(at * MIB + at)]));
    for (const member of members) {
      const name = `to ${member.name}`;
      assertEquals((await put(member, name, contents.get(name) ?? "")).status, 201);
    }
    for (const member of members) {
      for (const [name, bytes] of contents) assertEquals(await get(member, name), bytes);
    }
    await untilHealthy(cluster, [...contents.keys()]);
    for (const node of cluster.nodes) await node.process.signal("SIGKILL");
    for (const node of cluster.nodes) await node.process.ended();
    for (const node of cluster.nodes) cluster.restart(node);
    await cluster.untilServing();
    for (const [name, bytes] of contents) {
      await until("the files are there again", async () => {
        const response = await fetch(fileAt(cluster.proxy, name), { client });
        return digest(new Uint8Array(await response.arrayBuffer())) === digest(bytes);
      });
    }
  });
});

Deno.test("one of many who create the same file wins, and an old version replaces nothing", async () => {
  await withCluster(FILES, async (cluster) => {
    await untilPlaced(cluster, 3);
    const members = [...cluster.nodes, cluster.proxy];
    const creators = Array.from(
      { length: 32 },
      (_, at) =>
        answerTo(members[at % members.length] ?? cluster.proxy, "one", `creator ${at}`, {
          "if-none-match": "*",
        }),
    );
    const answers = (await Promise.all(creators)).sort();
    assertEquals(answers, ["201 ", ...Array(31).fill("412")]);
    const first = (await fetch(fileAt(cluster.proxy, "one"), { client, method: "HEAD" })).headers
      .get(
        "etag",
      );
    const second = await put(cluster.proxy, "one", "second", { "if-match": first ?? "" });
    assertEquals(second.status, 204);
    assertEquals(
      (await put(cluster.proxy, "one", "third", { "if-match": first ?? "" })).status,
      412,
    );
    assertEquals(new TextDecoder().decode(await get(cluster.proxy, "one")), "second");
    // The replaced version stays for a while, for those who read it.
    await until("refused contents are gone", () => {
      return Promise.resolve(cluster.nodes.every((node) => blobsOf(node).length <= 2));
    }, { describe: () => cluster.said() });
  });
});

Deno.test("a reader does not notice that holders die while it reads", async () => {
  await withCluster(FILES, async (cluster) => {
    await untilPlaced(cluster, 3);
    const bytes = content(48 * MIB);
    assertEquals((await put(cluster.proxy, "song", bytes)).status, 201);
    await untilHealthy(cluster, ["song"]);
    const response = await fetch(fileAt(cluster.proxy, "song"), { client });
    const hash = createHash("sha256");
    let received = 0;
    for await (const chunk of response.body ?? []) {
      const before = received;
      received += chunk.length;
      hash.update(chunk);
      for (const [at, node] of cluster.nodes.slice(1).entries()) {
        const edge = (8 + 16 * at) * MIB;
        if (before < edge && received >= edge) await node.process.signal("SIGKILL");
      }
    }
    assertEquals(received, bytes.length);
    assertEquals(hash.digest("hex"), digest(bytes));
  });
});

Deno.test("copies of a dead node are made elsewhere, and superfluous ones go when it returns", async () => {
  const options = { ...FILES, nodes: 4, nodeFlags: OUT_SOON, proxyFlags: ["--copies", "2"] };
  await withCluster(options, async (cluster) => {
    await untilPlaced(cluster, 4);
    const names = Array.from({ length: 24 }, (_, at) => `file ${at}`);
    for (const name of names) {
      assertEquals((await put(cluster.proxy, name, content(100 * KIB))).status, 201);
    }
    await untilHealthy(cluster, names);
    const digests = await Promise.all(names.map((name) => digestOf(cluster.proxy, name)));
    const [dead] = await cluster.followers();
    assert(dead !== undefined);
    assert(blobsOf(dead).length > 0, "the node holds no copy");
    await dead.process.signal("SIGKILL");
    await untilState(cluster, dead.name, "out");
    await untilHealthy(cluster, names);
    for (const [at, name] of names.entries()) {
      assertEquals(await digestOf(cluster.proxy, name), digests[at]);
    }
    cluster.restart(dead);
    await cluster.untilServing();
    await untilState(cluster, dead.name, "up");
    await until("each file has two copies on the disks", () => {
      const copies = cluster.nodes.reduce((sum, node) => sum + blobsOf(node).length, 0);
      return Promise.resolve(copies === 2 * names.length);
    }, { describe: () => cluster.said() });
    await untilHealthy(cluster, names);
    for (const [at, name] of names.entries()) {
      assertEquals(await digestOf(dead, name), digests[at]);
    }
  });
});

Deno.test("an upload that breaks off leaves nothing", async () => {
  await withCluster(FILES, async (cluster) => {
    await untilPlaced(cluster, 3);
    using connection = await Deno.connect({
      hostname: "127.0.0.1",
      port: cluster.proxy.httpPort ?? 0,
    });
    const header =
      "PUT /files/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33554432\r\n\r\n";
    await connection.write(new TextEncoder().encode(header));
    for (let sent = 0; sent < 8 * MIB;) sent += await connection.write(content(MIB));
    await until("the content arrives at holders", () => {
      return Promise.resolve(cluster.nodes.some((node) => stagingOf(node).length > 0));
    }, { describe: () => cluster.said() });
    connection.close();
    await until("nothing is left of it", () => {
      return Promise.resolve(
        cluster.nodes.every((node) => stagingOf(node).length + blobsOf(node).length === 0),
      );
    }, { describe: () => cluster.said() });
    assertEquals(
      (await fetch(fileAt(cluster.proxy, "half"), { client, method: "HEAD" })).status,
      404,
    );
  });
});

Deno.test("a flipped byte is never served, and is repaired", async () => {
  await withCluster(FILES, async (cluster) => {
    await untilPlaced(cluster, 3);
    const bytes = content(3 * MIB);
    assertEquals((await put(cluster.proxy, "song", bytes)).status, 201);
    await untilHealthy(cluster, ["song"]);
    const [node] = cluster.nodes;
    const [path = ""] = node === undefined ? [] : blobsOf(node);
    assert(node !== undefined && path !== "");
    const stored = await Deno.readFile(path);
    const flipped = Uint8Array.from(stored);
    flipped[2 * MIB] = (flipped[2 * MIB] ?? 0) ^ 1;
    await Deno.writeFile(path, flipped);
    assertEquals(await get(node, "song"), bytes);
    await until("the copy is repaired", async () => {
      try {
        return Buffer.compare(await Deno.readFile(path), stored) === 0;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return false;
        throw error;
      }
    }, { describe: () => cluster.said() });
    await untilHealthy(cluster, ["song"]);
  });
});

Deno.test("a full disk refuses files and nothing else", async () => {
  const options = { ...FILES, flagsOf: { n1: ["--files-reserve-bytes", "1024g"] } };
  await withCluster(options, async (cluster) => {
    await untilPlaced(cluster, 3);
    // Two of three copies are a majority.
    assertEquals((await put(cluster.proxy, "two", content(MIB))).status, 201);
    assert(!(await holdersOf(cluster.proxy, "two")).includes("n1"));
  });
  const full = { ...FILES, nodeFlags: ["--files-reserve-bytes", "1024g"] };
  await withCluster(full, async (cluster) => {
    await untilPlaced(cluster, 3);
    const response = await fetch(fileAt(cluster.proxy, "large"), {
      client,
      method: "PUT",
      body: content(MIB),
    });
    const problem = await response.json();
    assertEquals([response.status, problem.code], [507, "insufficient-storage"]);
    assertEquals(
      (await fetch(fileAt(cluster.proxy, "large"), { client, method: "HEAD" })).status,
      404,
    );
    assertEquals(String(await ask(cluster.proxy, ["DEL", "nothing"])), "0");
  });
});
