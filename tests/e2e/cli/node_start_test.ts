import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { freePorts } from "../../support/free_ports.ts";
import { ask } from "../../support/local_cluster.ts";
import { runRegent } from "../../support/regent_process.ts";
import { replyText } from "../../support/reply_text.ts";
import { type NodePlace, nodePlace, withServingNode } from "../../support/serving_node.ts";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

Deno.test("a node alone", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    const place = nodePlace(`${dir}/n1`);
    await t.step("needs to be told what its cluster is", () => needsPeersOrRole(place));
    await t.step("founds a cluster of one with --role leader, and serves", () => founds(place));
    await t.step("serves its data again after a restart, with any --role", () => restarts(place));
    await t.step("keeps what it acknowledged before a kill -9", () => survives(place));
  });
});

Deno.test("a failed start gives its reason in one line", async (t) => {
  await withTemporaryDirectory(async (dir) => {
    const place = nodePlace(`${dir}/n1`);
    await withServingNode(place, ["--role", "leader"], async () => {
      await t.step("a second process on the directory", () => secondProcess(place));
      await t.step("a port in use", () => portInUse(place, `${dir}/n2`));
    });
    await t.step("another node's directory", () => anotherNode(place));
    await t.step("other members than the directory's", () => otherMembers(place));
    await t.step("a foreign file is passed over, and told", () => foreignFile(place));
    await t.step("a directory that cannot be made", () => impossibleDirectory(place));
  });
});

async function needsPeersOrRole({ args }: NodePlace): Promise<void> {
  for (const more of [[], ["--role", "follower"], ["--peers", "n2=127.0.0.1:1"]]) {
    const { code, stderr } = await runRegent([...args, ...more]);
    assertEquals(code, 2);
    assertMatch(stderr, /^regent: Cannot [^\n]+--peers[^\n]+\n$/);
  }
}

async function founds(place: NodePlace): Promise<void> {
  await withServingNode(place, ["--role", "leader"], async () => {
    assertEquals(replyText(await ask(place, ["SET", "k", "v"])), "OK");
    assertEquals(await ask(place, ["GET", "k"]), "v");
  });
}

async function restarts(place: NodePlace): Promise<void> {
  for (const flags of [[], ["--role", "follower"], ["--role", "leader"]]) {
    await withServingNode(place, flags, async () => {
      assertEquals(await ask(place, ["GET", "k"]), "v");
      assertEquals(await ask(place, ["INCR", "restarts"]), flags.length === 0 ? 1 : 2);
      if (flags[1] === "follower") await ask(place, ["DECR", "restarts"]);
    });
  }
}

async function survives(place: NodePlace): Promise<void> {
  const written = await withServingNode(place, [], async ({ kill }) => {
    const replies: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) replies.push(ask(place, ["SET", `survivor:${i}`, "v"]));
    await Promise.race(replies);
    kill();
    return (await Promise.all(replies)).map((reply, i) => reply === null ? null : i)
      .filter((i) => i !== null);
  });
  assert(written.length > 0);
  await withServingNode(place, [], async () => {
    for (const i of written) assertEquals(await ask(place, ["GET", `survivor:${i}`]), "v");
  });
}

async function secondProcess(place: NodePlace): Promise<void> {
  const other = nodePlace(place.dir);
  const { code, stderr } = await runRegent(other.args);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    new RegExp(`^regent: Cannot use ${place.dir}: another process \\(pid [0-9]+\\) has it open\n$`),
  );
}

async function portInUse(place: NodePlace, dir: string): Promise<void> {
  const [free = 0] = freePorts(1);
  const { raftPort } = place;
  for (const [port, raft, taken] of [[place.port, free, place.port], [free, raftPort, raftPort]]) {
    const ports = ["--port", String(port), "--raft-port", String(raft)];
    const { code, stderr } = await runRegent(
      ["node", "--id", "n2", ...ports, "--dir", `${dir}-${port}`, "--role", "leader"],
    );
    assertEquals(code, 1);
    const lines = stderr.trimEnd().split("\n").filter((line) => !/ info n2: /.test(line));
    assertEquals(lines, [`regent: Cannot listen on 127.0.0.1:${taken}: the port is in use`]);
  }
  const nodes = `127.0.0.1:${place.port}`;
  const proxy = await runRegent(["proxy", "--port", String(place.port), "--nodes", nodes]);
  assertEquals(proxy.code, 1);
  assertMatch(proxy.stderr, /regent: Cannot listen on 127\.0\.0\.1:[0-9]+: the port is in use\n$/);
}

async function anotherNode({ dir }: NodePlace): Promise<void> {
  const { code, stderr } = await runRegent([...nodePlace(dir, "n2").args, "--role", "leader"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, `regent: Cannot start node n2 on ${dir}: the directory belongs to`);
  assertStringIncludes(stderr, "node n1; start with --id n1, or choose another directory\n");
}

async function otherMembers({ args, raftPort }: NodePlace): Promise<void> {
  const peers = `n1=127.0.0.1:${raftPort},n2=127.0.0.1:2`;
  const { code, stderr } = await runRegent([...args, "--peers", peers]);
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    "Cannot change the members of n1's cluster by --peers: its members are n1,",
  );
}

async function foreignFile(place: NodePlace): Promise<void> {
  const strays = [place.dir, `${place.dir}/log`].map((dir) => `${dir}/holiday.jpg`);
  for (const stray of strays) Deno.writeTextFileSync(stray, "");
  await withServingNode(place, [], ({ said }) => {
    for (const stray of strays) assertStringIncludes(said(), stray);
    return Promise.resolve();
  });
  for (const stray of strays) Deno.removeSync(stray);
}

async function impossibleDirectory({ dir }: NodePlace): Promise<void> {
  const { code, stderr } = await runRegent([
    ...nodePlace(`${dir}/identity.json/n1`).args,
    "--role",
    "leader",
  ]);
  assertEquals(code, 1);
  assertMatch(stderr, /^regent: Cannot use [^\n]+identity.json\/n1: [^\n]+\n$/);
}
