import { assert, assertEquals } from "@std/assert";
import {
  blobsOf,
  client,
  content,
  fileAt,
  FILES,
  get,
  holdersOf,
  KIB,
  put,
  untilHealthy,
  untilPlaced,
} from "../../support/files/files_cluster.ts";
import { ask, type Member } from "../../support/local_cluster.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

/** The status of an answer; 0 if the connection breaks within it. */
async function statusOf(member: Member, name: string): Promise<number> {
  try {
    const response = await fetch(fileAt(member, name), { client });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

Deno.test("an isolated node neither gives nor takes contents, and catches up when it is healed", async () => {
  await withCluster({ ...FILES, nodeFlags: ["--allow-faults"] }, async (cluster) => {
    await untilPlaced(cluster, 3);
    const [lonely, ...others] = (await cluster.followers()).reverse();
    const [other] = others;
    assert(lonely !== undefined && other !== undefined);
    const one = { "regent-copies": "1" };
    const names = Array.from({ length: 40 }, (_, at) => `file ${at}`);
    for (const name of names) await put(cluster.proxy, name, content(10 * KIB), one);
    const holders = await Promise.all(names.map((name) => holdersOf(cluster.proxy, name)));
    const ownedBy = (node: Member) => names[holders.findIndex(([id]) => id === node.name)] ?? "";
    const [own, foreign] = [ownedBy(lonely), ownedBy(other)];
    assert(own !== "" && foreign !== "");
    // Connections are open, and everything is as it should be.
    assertEquals([await statusOf(other, own), await statusOf(lonely, foreign)], [200, 200]);

    assertEquals(replyText(await ask(lonely, ["FAULT", "ISOLATE"])), "OK");
    await until("others cannot read from it", async () => await statusOf(other, own) !== 200);
    await until("it cannot read from others", async () => await statusOf(lonely, foreign) !== 200);
    const during = content(100 * KIB);
    assertEquals((await put(other, "during", during)).status, 201);
    assert(!(await holdersOf(cluster.proxy, "during")).includes(lonely.name));
    assert((await put(lonely, "lost", content(KIB))).status >= 500, "it stores a file");
    assertEquals(await statusOf(other, own) === 200, false, "others read from it again");
    const before = blobsOf(lonely).length;

    assertEquals(await ask(lonely, ["FAULT", "HEAL"]), 1);
    await untilHealthy(cluster, ["during", ...names]);
    assertEquals(blobsOf(lonely).length, before + 1);
    assertEquals(await get(lonely, "during"), during);
    assertEquals([await statusOf(other, own), await statusOf(lonely, foreign)], [200, 200]);
  });
});

Deno.test("a node that is isolated from one node exchanges contents with the others", async () => {
  await withCluster({ ...FILES, nodeFlags: ["--allow-faults"] }, async (cluster) => {
    await untilPlaced(cluster, 3);
    const [n1, n2, n3] = cluster.nodes;
    assert(n1 !== undefined && n2 !== undefined && n3 !== undefined);
    const one = { "regent-copies": "1" };
    const names = Array.from({ length: 40 }, (_, at) => `file ${at}`);
    for (const name of names) await put(cluster.proxy, name, content(10 * KIB), one);
    const holders = await Promise.all(names.map((name) => holdersOf(cluster.proxy, name)));
    const ownedBy = (node: Member) => names[holders.findIndex(([id]) => id === node.name)] ?? "";
    assertEquals(replyText(await ask(n1, ["FAULT", "ISOLATE", "FROM", "n2"])), "OK");
    await until("the two do not reach each other", async () => {
      const statuses = [await statusOf(n1, ownedBy(n2)), await statusOf(n2, ownedBy(n1))];
      return !statuses.includes(200);
    });
    for (const [from, of] of [[n1, n3], [n3, n1], [n2, n3], [n3, n2]] as const) {
      assertEquals(await statusOf(from, ownedBy(of)), 200, `${from.name} from ${of.name}`);
    }
    assertEquals(await ask(n1, ["FAULT", "HEAL"]), 1);
    await until("all is well again", async () => {
      const statuses = [await statusOf(n1, ownedBy(n2)), await statusOf(n2, ownedBy(n1))];
      return statuses.every((status) => status === 200);
    });
  });
});
