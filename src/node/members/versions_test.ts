import { assert, assertEquals, assertMatch } from "@std/assert";
import { MemoryClient, MemoryCluster } from "../../../tests/support/node/memory_cluster.ts";
import { MemoryLog } from "../../../tests/support/node/memory_log.ts";
import { MACHINE_RULES, StateMachine } from "../../commands/state_machine.ts";
import { rowOf } from "../../commands/table.ts";
import { ErrorReply, OK, type Reply } from "../../resp/reply.ts";
import { ClientOrder, Request } from "../clients/request.ts";
import type { Node } from "../node.ts";
import { type BuildVersions, unsupportedVersion } from "./versions.ts";

const PROTOCOL = { oldest: 3, newest: 3 };

/** The previous version, this one and the next. Each build understands one version more. */
function build(newest: number): BuildVersions {
  return { protocol: PROTOCOL, machine: { oldest: 1, newest } };
}

const rules = [0, 1, 2].map(() => MACHINE_RULES[0]).filter((rule) => rule !== undefined);

/** A cluster of nodes of these builds. */
async function clusterOf(...newest: number[]): Promise<MemoryCluster> {
  const builds = newest.map(build);
  return await MemoryCluster.start(newest.length, {
    versionsOf: (at) => builds[at] ?? build(1),
    machineOf: ({ machine }) => new StateMachine({ version: 0, versions: machine, rules }),
  });
}

const versions = (cluster: MemoryCluster) =>
  cluster.nodes.map((node) => node.report().machineVersion);

function set(node: Node) {
  return new MemoryClient(node).send("SET", "k", "v");
}

Deno.test("a new cluster begins with the newest version, before anything is written", async () => {
  const cluster = await clusterOf(2, 2, 2);
  cluster.until(() => cluster.nodes.some((node) => node.report().role === "leader"));
  const { leader } = cluster;
  const row = rowOf(["SET"]);
  if (row === undefined) throw new Error("no SET");
  const seen: number[] = [];
  const sink = { settle: () => void seen.push(leader.report().machineVersion) };
  leader.submit(new Request(row, ["SET", "k", "v"], new ClientOrder(), sink));
  cluster.until(() => seen.length > 0);
  assertEquals(seen, [2], "the version when the write was carried out");
  cluster.until(() => versions(cluster).every((version) => version === 2));
  cluster.stop();
});

Deno.test("a new log begins with the founders' writes, before those of clients, and only once", async () => {
  const versionsOf = () => build(1);
  const machines: StateMachine[] = [];
  const machineOf = () => {
    machines.push(new StateMachine({ version: 0 }));
    return machines.at(-1) as StateMachine;
  };
  const firstWrites = [["CONFIG", "SET", "maxmemory", "400"]];
  const cluster = await MemoryCluster.start(3, { versionsOf, machineOf, firstWrites });
  cluster.until(() => cluster.nodes.some((node) => node.report().role === "leader"));
  const { leader } = cluster;
  const written = new MemoryClient(leader).send("SET", "k", "v".repeat(500));
  const second = new MemoryClient(leader).send("SET", "l", "v");
  cluster.until(() => second.reply !== undefined);
  assertEquals(written.reply, OK);
  assertMatch((second.reply as ErrorReply).text, /^OOM .* of 400 bytes/);
  const set = new MemoryClient(leader).send("CONFIG", "SET", "maxmemory", "10kb");
  cluster.until(() => set.reply !== undefined);
  cluster.kill(leader);
  const next = () => cluster.nodes.find((one) => one !== leader && one.report().role === "leader");
  cluster.until(() => next()?.report().isServing === true);
  const third = new MemoryClient(next() ?? leader).send("SET", "l", "v");
  cluster.until(() => third.reply !== undefined);
  assertEquals(third.reply, OK);
  const bounds = () => machines.map((machine) => machine.memoryBytesMax);
  cluster.until(() => bounds().every((bytes) => bytes === 10_240));
  cluster.stop();
});

Deno.test("wherever a crash interrupts the founding, the founders' writes are made, and before all others", async () => {
  const found = async (log: MemoryLog, request: readonly string[] | null) => {
    const machine = new StateMachine({ version: 0, versions: build(1).machine, rules });
    const cluster = await MemoryCluster.start(1, {
      versionsOf: () => build(1),
      machineOf: () => machine,
      logOf: () => log,
      firstWrites: [["CONFIG", "SET", "maxmemory", "400"]],
    });
    cluster.untilServing();
    cluster.until(() => cluster.leader.report().machineVersion === 1);
    if (request !== null) {
      const answer = new MemoryClient(cluster.leader).send(...request);
      cluster.until(() => answer.reply !== undefined);
      assertEquals(answer.reply, OK);
    }
    cluster.clock.advance(1_000);
    cluster.until(() => cluster.leader.report().appliedIndex === log.lastIndex());
    cluster.stop();
    return machine.memoryBytesMax;
  };
  const whole = new MemoryLog();
  assertEquals(await found(whole, null), 400);
  const foundedIndex = whole.lastIndex();
  assertEquals(await found(whole, ["CONFIG", "SET", "maxmemory", "900"]), 900);
  const entries = whole.entries(1, whole.lastIndex(), Infinity);
  for (let kept = 0; kept <= entries.length; kept++) {
    const log = new MemoryLog();
    log.append(whole.hardState(), entries.slice(0, kept), () => {});
    const isChanged = entries.slice(foundedIndex, kept).some(({ data }) =>
      data?.commands.some(([name]) => name === "CONFIG")
    );
    assertEquals(await found(log, null), isChanged ? 900 : 400, `${kept} entries are left`);
  }
});

Deno.test("a leader that is behind with its work makes the first writes no second time", async () => {
  const logs = [0, 1, 2].map(() => new MemoryLog());
  const cluster = await MemoryCluster.start(3, {
    versionsOf: () => build(1),
    machineOf: ({ machine }) => new StateMachine({ version: 0, versions: machine, rules }),
    logOf: (at) => logs[at] ?? new MemoryLog(),
    firstWrites: Array.from({ length: 500 }, (_, at) => ["SET", `k${at}`, "v"]),
    turnStepsMax: 1,
    restMs: 2,
  });
  cluster.until(() => cluster.nodes.some((node) => node.report().commitIndex >= 3));
  const { leader, followers } = cluster;
  const commit = () => Math.min(...followers.map((node) => node.report().commitIndex));
  cluster.until(() => commit() === leader.report().lastIndex);
  cluster.isolate(leader);
  cluster.until(() => followers.some((node) => node.report().role === "leader"));
  for (const node of followers) assert(node.report().appliedIndex < commit(), "it is behind");
  cluster.until(() => followers.every((node) => node.report().machineVersion === 1));
  cluster.clock.advance(1_000);
  const entries = logs[cluster.nodes.indexOf(followers[0] ?? leader)]?.entries(
    1,
    commit(),
    Infinity,
  );
  const firstWrites = entries?.filter(({ data }) => (data?.commands.length ?? 0) > 0);
  const raises = entries?.filter(({ data }) => (data?.machineVersion ?? 0) > 0);
  assertEquals([firstWrites?.length, raises?.length], [1, 1]);
  cluster.stop();
});

Deno.test("a raise of the version leaves the settings as they are", async () => {
  const machines: StateMachine[] = [];
  const cluster = await MemoryCluster.start(1, {
    versionsOf: () => build(1),
    machineOf: ({ machine }) => {
      machines.push(new StateMachine({ version: 0, versions: machine, rules }));
      return machines.at(-1) as StateMachine;
    },
    firstWrites: [["CONFIG", "SET", "maxmemory", "400"]],
  });
  cluster.untilServing();
  const { leader } = cluster;
  const set = new MemoryClient(leader).send("CONFIG", "SET", "maxmemory", "10kb");
  cluster.until(() => set.reply !== undefined);
  cluster.kill(leader);
  await cluster.restart(leader, undefined, build(2));
  cluster.untilServing();
  cluster.until(() => cluster.leader.report().machineVersion === 2);
  cluster.clock.advance(1_000);
  assertEquals(machines.at(-1)?.memoryBytesMax, 10_240);
  cluster.stop();
});

Deno.test("a cluster of one begins with the newest version", async () => {
  const cluster = await clusterOf(2);
  cluster.untilServing();
  const written = set(cluster.leader);
  cluster.until(() => written.reply !== undefined);
  assertEquals(versions(cluster), [2]);
  cluster.stop();
});

Deno.test("the version is raised once all members support a newer one, a dead one too", async () => {
  const cluster = await clusterOf(1, 1, 1);
  cluster.untilServing();
  cluster.until(() => versions(cluster).every((version) => version === 1));
  const restartNewer = async (at: number) => {
    const node = cluster.nodes[at];
    if (node === undefined) throw new Error("no such node");
    cluster.kill(node);
    await cluster.restart(node, undefined, build(2));
    cluster.untilServing();
    cluster.clock.advance(3_000);
  };
  await restartNewer(0);
  await restartNewer(1);
  assertEquals(versions(cluster), [1, 1, 1]);
  const [, , last] = cluster.nodes;
  if (last === undefined) throw new Error("no third node");
  cluster.kill(last);
  cluster.clock.advance(5_000);
  assertEquals(versions(cluster).slice(0, 2), [1, 1]);
  await cluster.restart(last, undefined, build(2));
  cluster.until(() => versions(cluster).every((version) => version === 2));
  cluster.stop();
});

Deno.test("a node that is too old for the log stops with one line before it applies", async () => {
  const cluster = await clusterOf(2, 2, 2);
  cluster.untilServing();
  cluster.until(() => versions(cluster).every((version) => version === 2));
  const [old] = cluster.followers;
  if (old === undefined) throw new Error("no follower");
  const id = old.report().id;
  cluster.kill(old);
  const written = set(cluster.leader);
  cluster.until(() => written.reply !== undefined);
  const again = await cluster.restart(old, undefined, build(1));
  cluster.until(() => cluster.failed.length > 0);
  assertEquals(cluster.failed.map(([who]) => who), [id]);
  assertMatch(cluster.failed[0]?.[1] ?? "", /version 2, and this version of Regent understands 1:/);
  assertEquals(again.report().machineVersion, 0, "something was applied");
  const later = set(cluster.leader);
  cluster.until(() => later.reply !== undefined);
  assertEquals(later.reply, OK, "the others go on");
  cluster.stop();
});

Deno.test("a write that the cluster's version does not know is refused, and nothing else", async () => {
  const cluster = await clusterOf(2, 1, 2);
  cluster.untilServing();
  cluster.until(() => versions(cluster).every((version) => version > 0));
  assertEquals(versions(cluster), [1, 1, 1]);
  const { leader } = cluster;
  const row = rowOf(["SET"]);
  if (row === undefined) throw new Error("no SET");
  const newer = { ...row, name: "newer", machineSince: 2 };
  const answers: Reply[] = [];
  const sink = { settle: (reply: Reply) => void answers.push(reply) };
  const isOld = leader.report().machineVersionMax === 1;
  leader.submit(new Request(newer, ["SET", "k", "v"], new ClientOrder(), sink));
  leader.submit(new Request(row, ["SET", "k", "w"], new ClientOrder(), sink));
  cluster.until(() => answers.length === 2);
  const [first, second] = answers;
  assertEquals(second, OK);
  if (!isOld) {
    assertMatch(first instanceof ErrorReply ? first.text : "", /^ERR 'newer' is not known/);
  }
  cluster.stop();
});

Deno.test("files can be written once all members know them, through ONCE too", async () => {
  const cluster = await clusterOf(2, 2, 1);
  cluster.untilServing();
  const [, , old] = cluster.nodes;
  if (old === undefined) throw new Error("no third node");
  if (cluster.leader === old) old.membership.transfer.start("n1", () => {});
  cluster.until(() => cluster.leader !== old && cluster.leader.report().isServing);
  cluster.until(() => versions(cluster).every((version) => version === 1));
  const ask = (...args: string[]) => {
    const answer = new MemoryClient(cluster.leader).send(...args);
    cluster.until(() => answer.reply !== undefined);
    return answer.reply;
  };
  const announce = ["FILE", "NODE", "n1", "h:1", "1", "1", "1"];
  const session = String(ask("SESSION", "OPEN"));
  for (const args of [announce, ["ONCE", session, "1", ...announce]]) {
    const reply = ask(...args);
    const text = reply instanceof ErrorReply ? reply.text : "";
    assertMatch(text, /is not known to state machine version 1, .* was not executed$/);
  }
  assertEquals(ask("FILE", "LIST"), ["", []]);
  cluster.kill(old);
  await cluster.restart(old, undefined, build(2));
  cluster.until(() => versions(cluster).every((version) => version === 2));
  assertEquals(ask(...announce), OK);
  assertEquals(ask("ONCE", session, "1", ...announce), OK);
  cluster.stop();
});

Deno.test("an old node whose removal lets the others raise the version ends as removed", async () => {
  const cluster = await clusterOf(2, 2, 1);
  cluster.untilServing();
  const [first, , old] = cluster.nodes;
  if (first === undefined || old === undefined) throw new Error("no nodes");
  if (cluster.leader === old) old.membership.transfer.start("n1", () => {});
  cluster.until(() => cluster.leader !== old && cluster.leader.report().isServing);
  let answer: Reply | undefined;
  cluster.leader.membership.forget("n3", false, (reply) => answer = reply);
  cluster.until(() => answer !== undefined);
  assertEquals(answer, OK);
  cluster.until(() => first.report().machineVersion === 2);
  cluster.until(() => cluster.ended.length + cluster.failed.length > 0);
  assertEquals([cluster.ended, cluster.failed], [["n3"], []]);
  cluster.stop();
});

Deno.test("a log of another version says which build understands it", () => {
  const supported = { oldest: 2, newest: 3 };
  for (const version of [0, 2, 3]) assertEquals(unsupportedVersion(supported, version), null);
  assertMatch(unsupportedVersion(supported, 4) ?? "", /version 4, .* start a newer version/);
  assertMatch(unsupportedVersion(supported, 1) ?? "", /version 1, .* start an older version/);
});
