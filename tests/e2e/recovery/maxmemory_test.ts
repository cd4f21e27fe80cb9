import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { ErrorReply, MapReply, OK, type Reply } from "../../../src/resp/reply.ts";
import { CALM_FOR_A_WHILE } from "../../support/calm.ts";
import { ask, type LocalCluster } from "../../support/local_cluster.ts";
import { PatientClient } from "../../support/patient_client.ts";
import { RegentProcess, runRegent } from "../../support/regent_process.ts";
import { nodePlace, withServingNode } from "../../support/serving_node.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

const HOST = "127.0.0.1";
const KIB = 1024;
const FLAG = ["--memory-bytes-max", "512k"];

Deno.test("maxmemory belongs to the cluster", async (t) => {
  const options = { ...CALM_FOR_A_WHILE, nodeFlags: [...CALM_FOR_A_WHILE.nodeFlags, ...FLAG] };
  await withCluster(options, async (cluster) => {
    await t.step("a flag sets it at the founding, and all tell it", () => {
      return untilAllTell(cluster, 512 * KIB);
    });
    await t.step("writes are refused when it is reached, and go on when it is raised", () => {
      return fillsAndRaises(cluster);
    });
    await t.step("a node that does not lead sends the client on", () => sendsOn(cluster));
    await t.step("it stays when all start again, and another flag is warned of", () => {
      return staysOverRestarts(cluster);
    });
    await t.step("it is in a backup", () => isInBackups(cluster));
  });
});

async function bound(at: { readonly port: number }): Promise<number> {
  const reply = await ask(at, ["CONFIG", "GET", "maxmemory"]);
  if (reply instanceof MapReply) return Number(reply.pairs[0]?.[1]);
  return Array.isArray(reply) ? Number((reply as readonly Reply[])[1]) : NaN;
}

async function untilAllTell(cluster: LocalCluster, bytes: number): Promise<void> {
  const all = [...cluster.nodes, cluster.proxy];
  await until(`all tell a maxmemory of ${bytes}`, async () => {
    const told = await Promise.all(all.map(bound));
    return told.every((one) => one === bytes);
  });
  for (const node of cluster.nodes) {
    const info = String(await ask(node, ["INFO", "memory"]));
    assertStringIncludes(info, `\r\nmaxmemory:${bytes}\r\n`);
  }
}

/** Writes until a write is refused. @returns the error */
async function fill(client: PatientClient, name: string): Promise<string> {
  const value = "v".repeat(10 * KIB);
  for (let at = 0; at < 1_000; at++) {
    const reply = await client.request(["SET", `${name}:${at}`, value]);
    if (reply instanceof ErrorReply) return reply.text;
  }
  throw new Error("Cannot fill the memory: all was taken");
}

async function fillsAndRaises(cluster: LocalCluster): Promise<void> {
  const client = await PatientClient.connect(cluster.proxy);
  try {
    assertMatch(await fill(client, "first"), /^OOM .* of 524288 bytes \(maxmemory\)$/);
    assertEquals(await client.request(["CONFIG", "SET", "maxmemory", "2mb"]), OK);
    assertMatch(await fill(client, "second"), /^OOM .* of 2097152 bytes \(maxmemory\)$/);
    assertEquals(await client.request(["CONFIG", "SET", "maxmemory", "100kb"]), OK);
    assertMatch(await fill(client, "third"), /^OOM .* of 102400 bytes \(maxmemory\)$/);
    assertEquals(await client.request(["DEL", "first:0"]), 1);
    assertEquals(await client.request(["CONFIG", "SET", "maxmemory", "3mb"]), OK);
    assertEquals(await client.request(["SET", "first:0", "v"]), OK);
  } finally {
    client.close();
  }
  await untilAllTell(cluster, 3_072 * KIB);
}

async function sendsOn(cluster: LocalCluster): Promise<void> {
  const leader = await cluster.leader();
  const follower = cluster.nodes.find(({ name }) => name !== leader.name);
  assert(follower !== undefined);
  const reply = await ask(follower, ["CONFIG", "SET", "maxmemory", "1mb"]);
  assert(reply instanceof ErrorReply, "a follower takes no setting");
  assertEquals(reply.text, `MOVED 0 ${HOST}:${leader.port}`);
}

async function staysOverRestarts(cluster: LocalCluster): Promise<void> {
  for (const { process } of cluster.nodes) await process.signal("SIGKILL");
  for (const node of cluster.nodes) cluster.restart(node);
  await untilAllTell(cluster, 3_072 * KIB);
  const told =
    "the cluster's maxmemory is 3145728 bytes, and --memory-bytes-max 524288 is not applied";
  await until("each node warns of its flag", () => {
    return cluster.said().split(told).length === 1 + cluster.nodes.length;
  });
  assertStringIncludes(cluster.said(), "send CONFIG SET maxmemory 524288 to the leader or a proxy");
}

async function isInBackups(cluster: LocalCluster): Promise<void> {
  const file = `${cluster.dir}/one.backup`;
  const backup = await runRegent(["backup", "--from", `${HOST}:${cluster.proxy.port}`, file]);
  assertEquals([backup.code, backup.stderr], [0, ""]);
  const place = nodePlace(`${cluster.dir}/restored`);
  assertEquals((await runRegent(["restore", file, "--dir", place.dir, "--id", "n1"])).code, 0);
  await withServingNode(place, [], async () => {
    assertEquals(await bound(place), 3_072 * KIB);
  });
}

Deno.test("founders that were killed while they waited need no flags again", async () => {
  const dir = Deno.makeTempDirSync();
  const places = ["n1", "n2"].map((id) => nodePlace(`${dir}/${id}`, id));
  const peers = places.map(({ raftPort }, at) => `n${at + 1}=${HOST}:${raftPort}`).join(",");
  const processes: RegentProcess[] = [];
  const said = () => processes.map((one) => one.said).join("\n---\n");
  const start = (args: readonly string[]) => {
    const process = new RegentProcess(args);
    processes.push(process);
    return process;
  };
  try {
    for (const { args, dir } of places) { // one at a time, so that it waits
      const founder = start([...args, "--peers", peers, ...FLAG]);
      await until("it has a directory", () => existsSync(`${dir}/identity.json`), {
        describe: said,
      });
      await founder.signal("SIGKILL");
    }
    // They remember their Raft ports, and the initial settings of their cluster.
    places.forEach(({ port, dir }, at) =>
      start(["node", "--id", `n${at + 1}`, "--port", `${port}`, "--dir", dir])
    );
    await until("the cluster begins with its bound", async () => {
      const told = await Promise.all(places.map(bound));
      return told.every((one) => one === 512 * KIB);
    }, { describe: said });
  } finally {
    for (const one of processes) {
      await one.signal("SIGKILL");
      await one.ended();
    }
    Deno.removeSync(dir, { recursive: true });
  }
});
