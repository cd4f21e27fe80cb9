import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../support/free_ports.ts";
import { ask, LocalCluster, type Member, roleOf } from "../../support/local_cluster.ts";
import { MachineWatch } from "../../support/machine_watch.ts";
import { RegentProcess } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { until } from "../../support/until.ts";
import { withCluster } from "../../support/with_cluster.ts";

function byName({ nodes }: LocalCluster, name: string): Member {
  const node = nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no ${name}`);
  return node;
}

Deno.test("an emptied disk under its old id elects nobody, and nothing acknowledged is lost", async () => {
  await withCluster({ proxies: 0 }, async (cluster) => {
    const [n1, n2, n3] = ["n1", "n2", "n3"].map((name) => byName(cluster, name)) as [
      Member,
      Member,
      Member,
    ];
    await n3.process.signal("SIGKILL");
    await until("a write is acknowledged by the other two", async () => {
      const leader = await cluster.leader();
      return await ask(leader, ["SET", "precious", "1"]) !== null &&
        await ask(leader, ["GET", "precious"]) === "1";
    }, { describe: () => cluster.said() });
    await n1.process.signal("SIGKILL");
    await n2.process.signal("SIGKILL");
    Deno.removeSync(n1.dir, { recursive: true });
    cluster.restart(n1); // the command of its first start
    cluster.restart(n3);
    const { code } = await n1.process.ended();
    assertEquals(code, 1);
    const lastLine = n1.process.said.trimEnd().split("\n").at(-1) ?? "";
    assertMatch(
      lastLine,
      /^regent: Cannot take part as n1: this data directory is not the one that the cluster knows n1 by, says n3, .* run regent remove n1 --from 127\.0\.0\.1:\d+, and start this node with --join, a new --id and an empty directory$/,
    );
    assertEquals((await roleOf(n3))?.leaderId, "");
    cluster.restart(n2);
    await until("n2 and n3 serve", async () => {
      const roles = await Promise.all([n2, n3].map(roleOf));
      return roles.some((role) => role?.role === "leader");
    }, { describe: () => cluster.said() });
    const leader = await cluster.leader();
    assertEquals(await ask(leader, ["GET", "precious"]), "1");
    // The command that the line suggests works.
    assertEquals(replyText(await ask(leader, ["CLUSTER", "FORGET", "n1"])), "OK");
    const n4 = cluster.join("n4", leader);
    await until("n4 has its vote", async () => (await roleOf(n4))?.role === "follower", {
      describe: () => cluster.said(),
    });
    assertEquals(await ask(n4, ["GET", "precious"]), "1");
  });
});

Deno.test("a cluster begins when all its founders are up, whatever happened to them before", async () => {
  const dir = Deno.makeTempDirSync();
  const ports = freePorts(6);
  const peers = [1, 2, 3].map((at) => `n${at}=127.0.0.1:${ports[at + 2]}`).join(",");
  const start = (at: number) =>
    new RegentProcess([
      ...["node", "--id", `n${at}`, "--port", String(ports[at - 1]), "--dir", `${dir}/n${at}`],
      ...["--raft-port", String(ports[at + 2]), "--peers", peers],
    ]);
  const processes = new Map([[1, start(1)], [2, start(2)]]);
  const said = () => [...processes.values()].map((one) => one.said).join("\n---\n");
  try {
    await until("n1 says for whom it waits", () => /waits for all members/.test(said()), {
      describe: said,
    });
    assertStringIncludes(said(), `2 of 3 heard; n3 127.0.0.1:${ports[5]}: refused`);
    await processes.get(1)?.signal("SIGKILL");
    Deno.removeSync(`${dir}/n1`, { recursive: true });
    processes.set(1, start(1));
    processes.set(3, start(3));
    await until("all follow one leader", async () => {
      const roles = await Promise.all([0, 1, 2].map((at) => roleOf({ port: ports[at] ?? 0 })));
      const leaders = new Set(roles.map((role) => role?.leaderId ?? ""));
      return leaders.size === 1 && !leaders.has("");
    }, { describe: said });
  } finally {
    for (const one of processes.values()) {
      await one.signal("SIGKILL");
      await one.ended();
    }
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("a copy of a data directory that runs beside the original is refused", async () => {
  await withCluster({ proxies: 0 }, async (cluster) => {
    const n3 = byName(cluster, "n3");
    await n3.process.signal("SIGTERM");
    const [port = 0, raftPort = 0] = freePorts(2);
    const dir = `${cluster.dir}/copy`;
    copyDirectory(n3.dir, dir);
    cluster.restart(n3);
    await cluster.untilServing();
    const copy = new RegentProcess([
      ...["node", "--id", "n3", "--port", String(port), "--raft-port", String(raftPort)],
      ...["--dir", dir],
    ]);
    const said = () => `${cluster.said()}\n--- copy\n${copy.said}`;
    try {
      // Nobody can know which of the two is the original: the refused one gives the reason and
      // ends.
      await until("one of the two ends", () => !copy.isRunning || !n3.process.isRunning, {
        describe: said,
      });
      const refused = copy.isRunning ? n3.process : copy;
      const other = copy.isRunning ? copy : n3.process;
      assertEquals((await refused.ended()).code, 1);
      assertMatch(
        refused.said.trimEnd().split("\n").at(-1) ?? "",
        /^regent: Cannot take part as n3: another process runs under this id, with a copy of this data directory, says n[12]; stop one of them, and start a new node with --join, a new --id and an empty directory$/,
      );
      assertEquals(other.isRunning, true);
      // The cluster goes on serving.
      await until("a write is acknowledged", async () => {
        const leader = await cluster.leader();
        return replyText(await ask(leader, ["SET", "k", "v"])) === "OK";
      }, { describe: said });
    } finally {
      await copy.signal("SIGKILL");
      await copy.ended();
    }
  });
});

Deno.test("a founder that waits for the others ends at once when it is asked to", async () => {
  const dir = Deno.makeTempDirSync();
  const ports = freePorts(4);
  const peers = `n1=127.0.0.1:${ports[1]},n2=127.0.0.1:${ports[3]}`;
  const args = ["node", "--id", "n1", "--port", String(ports[0]), "--raft-port", String(ports[1])];
  const start = () => new RegentProcess([...args, "--dir", `${dir}/n1`, "--peers", peers]);
  let node = start();
  try {
    for (let life = 1; life <= 2; life++) { // on an empty directory, and on what the first life left
      await until("it waits", () => /waits for all members/.test(node.said), {
        describe: () => node.said,
      });
      const watch = new MachineWatch();
      const askedMs = performance.now();
      await node.signal("SIGTERM");
      watch.stop();
      const endedMs = performance.now();
      const tookMs = endedMs - askedMs - watch.waitedMs(askedMs, endedMs);
      assertEquals((await node.ended()).code, 0, node.said);
      assert(tookMs < 2_000, `it took ${Math.round(tookMs)} ms to end`);
      node = start();
    }
  } finally {
    await node.signal("SIGKILL");
    await node.ended();
    Deno.removeSync(dir, { recursive: true });
  }
});

function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}
