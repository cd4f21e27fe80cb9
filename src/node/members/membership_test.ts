import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  incarnationOf,
  MemoryClient,
  MemoryCluster,
  withMemoryCluster,
} from "../../../tests/support/node/memory_cluster.ts";
import { silentLogger } from "../../base/logger.ts";
import { ErrorReply, OK, type Reply } from "../../resp/reply.ts";
import type { Node } from "../node.ts";
import type { ClusterConfiguration } from "./configuration.ts";
import { type Change, withAddress, withLearner, withoutMember, withVoter } from "./membership.ts";

/** The leader's reply to a change of members. */
function ask(
  cluster: MemoryCluster,
  change: (node: Node, done: (reply: Reply) => void) => void,
  node = cluster.leader,
): Reply {
  let answer: Reply | undefined;
  change(node, (reply) => answer = reply);
  cluster.until(() => answer !== undefined);
  return answer as Reply;
}

function forget(cluster: MemoryCluster, id: string, isForced = false): Reply {
  return ask(cluster, (node, done) => node.membership.forget(id, isForced, done));
}

function transfer(cluster: MemoryCluster, id: string): Reply {
  return ask(cluster, (node, done) => node.membership.transfer.start(id, done));
}

function refusal(reply: Reply): string {
  assert(reply instanceof ErrorReply, `not refused: ${JSON.stringify(reply)}`);
  return reply.text;
}

function idsOf(node: Node, isWanted: (isLearner: boolean) => boolean = () => true): string[] {
  const { members } = node.report();
  return members.filter(({ isLearner }) => isWanted(isLearner)).map(({ id }) => id);
}

const votersOf = (node: Node) => idsOf(node, (isLearner) => !isLearner);

function nodeOf(cluster: MemoryCluster, id: string): Node {
  const node = cluster.nodes.find((one) => one.report().id === id);
  assert(node !== undefined, `no node ${id}`);
  return node;
}

/** A client that always has a write in flight, and follows redirections. */
class Writer {
  readonly errors: string[] = [];
  acknowledged = 0;
  #node: Node;
  #client: MemoryClient;
  #answer: { reply: Reply | undefined };
  readonly #cluster: MemoryCluster;

  constructor(cluster: MemoryCluster) {
    this.#cluster = cluster;
    this.#node = cluster.leader;
    this.#client = new MemoryClient(this.#node);
    this.#answer = this.#client.send("INCR", "count");
  }

  step(): void {
    const { reply } = this.#answer;
    if (reply === undefined) return;
    if (typeof reply === "number") {
      this.acknowledged++;
    } else {
      const text = refusal(reply);
      const port = /^MOVED \d+ memory:(\d+)$/.exec(text)?.[1];
      const next = port === undefined ? undefined : this.#cluster.nodes[Number(port) - 7001];
      if (next === undefined) this.errors.push(text);
      else this.#node = next;
      this.#client = new MemoryClient(this.#node);
    }
    this.#answer = this.#client.send("INCR", "count");
  }

  until(holds: () => boolean): void {
    this.#cluster.until(() => {
      this.step();
      return holds();
    });
  }

  untilMore(count: number): void {
    const wanted = this.acknowledged + count;
    this.until(() => this.acknowledged >= wanted);
  }
}

Deno.test("from one node to five and back to three under load, without an error", () =>
  withMemoryCluster(1, async (cluster) => {
    const writer = new Writer(cluster);
    writer.untilMore(50);
    for (const id of ["n2", "n3", "n4", "n5"]) {
      await cluster.join();
      writer.until(() => votersOf(cluster.leader).includes(id));
      writer.untilMore(10);
    }
    assertEquals(
      cluster.nodes.map(votersOf),
      cluster.nodes.map(() => ["n1", "n2", "n3", "n4", "n5"]),
    );
    for (let round = 0; round < 2; round++) {
      const { leader } = cluster;
      const { id } = leader.report();
      let answer: Reply | undefined;
      leader.membership.forget(id, false, (reply) => answer = reply);
      writer.until(() => answer !== undefined);
      assertEquals(answer, OK);
      writer.until(() => cluster.ended.includes(id));
      cluster.kill(leader);
      writer.untilMore(20);
    }
    assertEquals(writer.errors, []);
    assertEquals(votersOf(cluster.leader).length, 3);
    const count = new MemoryClient(cluster.leader).send("GET", "count");
    writer.until(() => count.reply !== undefined);
    assert(
      Number(count.reply) >= writer.acknowledged - 1 &&
        Number(count.reply) <= writer.acknowledged + 1,
    );
  }));

Deno.test("leadership goes where it is asked to go, and no write fails", () =>
  withMemoryCluster(3, (cluster) => {
    const writer = new Writer(cluster);
    for (const id of ["n1", "n2", "n3", "n2"]) {
      writer.untilMore(5);
      let answer: Reply | undefined;
      cluster.leader.membership.transfer.start(id, (reply) => answer = reply);
      writer.until(() => answer !== undefined);
      assertEquals([answer, cluster.leader.report().id], [OK, id]);
      writer.untilMore(5);
    }
    assertEquals(writer.errors, []);
    return Promise.resolve();
  }));

Deno.test("a transfer that cannot succeed ends with a reason, and its leader goes on", () =>
  withMemoryCluster(3, async (cluster) => {
    const { leader } = cluster;
    const writer = new Writer(cluster);
    const [quiet] = cluster.followers;
    assert(quiet !== undefined, "there are followers");
    const { id } = quiet.report();
    assertEquals(
      refusal(transfer(cluster, "n9")),
      "ERR n9 is not a member of this cluster: its members are n1, n2, n3",
    );
    cluster.stallDisk(quiet); // it answers, and never gets what it lacks
    let answer: Reply | undefined;
    leader.membership.transfer.start(id, (reply) => answer = reply);
    writer.until(() => answer !== undefined);
    const { id: leaderId } = leader.report();
    assertEquals(
      refusal(answer as Reply),
      `ERR ${id} did not take over in time, ${leaderId} stays the leader`,
    );
    cluster.healDisk(quiet);
    writer.untilMore(5);
    assertEquals(writer.errors, []);
    cluster.isolate(quiet);
    cluster.until(() => /does not answer/.test(refusal(transfer(cluster, id))));
    const learner = await cluster.join();
    const { id: learnerId } = learner.report();
    cluster.until(() => votersOf(cluster.leader).includes(learnerId));
    assertEquals(transfer(cluster, learnerId), OK);
  }));

Deno.test("leadership is transferred to one member at a time", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    const [first = "", second = ""] = cluster.followers.map((node) => node.report().id);
    const replies: Reply[] = [];
    for (const id of [first, second]) {
      leader.membership.transfer.start(id, (reply) => replies.push(reply));
    }
    assertEquals(replies.map(refusal), [
      `ERR leadership is being transferred to ${first} already`,
    ]);
    cluster.until(() => replies.length === 2);
    assertEquals([replies[1], cluster.leader.report().id], [OK, first]);
    return Promise.resolve();
  }));

Deno.test("a learner that lags cannot be made leader, and does not become a voter", () =>
  withMemoryCluster(1, async (cluster) => {
    const learner = await cluster.join();
    cluster.stallDisk(learner);
    const writer = new Writer(cluster);
    writer.untilMore(100);
    assertEquals(idsOf(cluster.leader, (isLearner) => isLearner), ["n2"]);
    assertEquals(
      refusal(transfer(cluster, "n2")),
      "ERR n2 is a learner: only a voting member can lead",
    );
    assertEquals(learner.report().role, "learner");
    cluster.healDisk(learner);
    writer.until(() => votersOf(cluster.leader).includes("n2"));
    assertEquals(writer.errors, []);
  }));

Deno.test("a harmful change is refused with the reason", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    const join = (id: string) =>
      ask(cluster, (node, done) => {
        node.membership.join(id, { host: "memory", port: 17099 }, "i", done);
      });
    const [dead, other] = cluster.followers.map((node) => node.report().id);
    assert(dead !== undefined && other !== undefined, "there are two followers");
    assertEquals(
      refusal(join(other)),
      `ERR ${other} is a member already, with another data directory: start it on that one, ` +
        `or remove it and join under a new id`,
    );
    cluster.kill(nodeOf(cluster, dead));
    cluster.until(() => leader.report().members.some(({ isConnected }) => !isConnected));
    assertEquals(
      refusal(forget(cluster, other)),
      `ERR Removing ${other} would leave 1 of 2 voting members that answer, and 2 are needed: ` +
        `${dead} does not answer; start it again, or use FORCE`,
    );
    assertEquals(
      refusal(forget(cluster, "n9")),
      "ERR n9 is not a member of this cluster: its members are n1, n2, n3",
    );
    assertEquals(forget(cluster, dead), OK);
    assertEquals(forget(cluster, dead), OK); // said again after a lost answer
    assertEquals(
      refusal(join(dead)),
      `ERR ${dead} was removed from this cluster, and a removed id is never used again: ` +
        `choose another`,
    );
    assertEquals(forget(cluster, other), OK);
    const last = leader.report().id;
    assertEquals(
      refusal(forget(cluster, last)),
      `ERR ${last} is the only voting member, and a cluster needs one`,
    );
    return Promise.resolve();
  }));

Deno.test("a member that was away learns of its removal when it comes back", () =>
  withMemoryCluster(3, async (cluster) => {
    const [away] = cluster.followers;
    assert(away !== undefined, "there are followers");
    const { id } = away.report();
    cluster.kill(away);
    cluster.until(() => forget(cluster, id) === OK);
    cluster.clock.advance(5_000);
    const back = await cluster.restart(away);
    cluster.until(() => cluster.ended.includes(id));
    assertEquals(back.report().isServing, false);
    assertEquals(votersOf(cluster.leader).length, 2);
  }));

Deno.test("a member that comes back elsewhere is found, and the log says where", () => {
  const lines: string[] = [];
  const logger = { ...silentLogger, info: (line: string) => void lines.push(line) };
  return withMemoryCluster(3, async (cluster) => {
    const [away] = cluster.followers;
    assert(away !== undefined, "there are followers");
    const { id } = away.report();
    cluster.kill(away);
    const back = await cluster.restart(away, 17050);
    const addressAt = (node: Node) =>
      node.report().members.find((member) => member.id === id)?.raftAddress.port;
    cluster.until(() => cluster.nodes.every((node) => addressAt(node) === 17050));
    const written = new MemoryClient(cluster.leader).send("SET", "k", "v");
    const read = new MemoryClient(back).send("GET", "k");
    cluster.until(() => written.reply !== undefined && read.reply !== undefined);
    assertEquals(cluster.ended, []);
    assertEquals(lines.filter((line) => line.includes("reached")), [
      `${id} is now reached at memory:17050`,
    ]);
  }, { logger });
});

Deno.test("concurrent changes are made one after the other", () =>
  withMemoryCluster(1, (cluster) => {
    const { leader } = cluster;
    const answers: Reply[] = [];
    for (let number = 2; number <= 6; number++) {
      const address = { host: "memory", port: 17000 + number };
      leader.membership.join(`n${number}`, address, "i", (reply) => answers.push(reply));
    }
    leader.membership.forget("n3", false, (reply) => answers.push(reply));
    cluster.until(() => answers.length === 6);
    assertEquals(answers, answers.map(() => OK));
    assertEquals(idsOf(leader), ["n1", "n2", "n4", "n5", "n6"]);
    return Promise.resolve();
  }));

Deno.test("a follower names the leader, which makes changes", () =>
  withMemoryCluster(3, (cluster) => {
    const [follower] = cluster.followers;
    const reply = ask(cluster, (node, done) => node.membership.forget("n9", false, done), follower);
    const port = Number(cluster.leader.report().id.slice(1)) + 7000;
    assertEquals(refusal(reply), `MOVED 0 memory:${port}`);
    const { id } = follower?.report() ?? { id: "" };
    const transferred = ask(
      cluster,
      (node, done) => node.membership.transfer.start(id, done),
      follower,
    );
    assertEquals(refusal(transferred), `MOVED 0 memory:${port}`);
    return Promise.resolve();
  }));

Deno.test("a learner becomes a voter when it has almost everything that is committed", () =>
  withMemoryCluster(1, async (cluster) => {
    const { leader } = cluster;
    const client = new MemoryClient(leader);
    for (let entry = 0; entry < 100; entry++) {
      const written = client.send("SET", `k${entry}`, "x".repeat(60_000));
      cluster.until(() => written.reply !== undefined);
    }
    const learner = await cluster.join();
    const match = () => leader.report().members.find(({ id }) => id === "n2")?.matchIndex ?? 0;
    cluster.until(() => match() > 0);
    cluster.stallDisk(learner);
    const untilMs = cluster.clock.monotonicMs() + 1_000;
    cluster.until(() => cluster.clock.monotonicMs() > untilMs);
    assert(match() < 60, `it has ${match()} of 100 entries`);
    assert(!votersOf(leader).includes("n2"));
    cluster.healDisk(learner);
    cluster.until(() => votersOf(leader).includes("n2"));
    assert(match() > 60, `it had no more than ${match()} of 100 entries`);
  }));

Deno.test("a change that is not agreed on is not reported as done", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader } = cluster;
    const ids = cluster.followers.map((follower) => follower.report().id);
    for (const follower of cluster.followers) cluster.isolate(follower);
    const reply = ask(cluster, (node, done) => {
      node.membership.forget(ids[0] ?? "", true, done);
    }, leader);
    assertMatch(refusal(reply), /^UNKNOWN /);
    return Promise.resolve();
  }));

Deno.test("the leader records the data directories of members known only by name", async () => {
  const cluster = await MemoryCluster.start(3, { founders: new Map() });
  cluster.untilServing();
  const recorded = () =>
    cluster.leader.membership.committed.members.map(({ incarnation }) => incarnation);
  cluster.until(() => recorded().every((incarnation) => incarnation !== undefined));
  assertEquals(recorded(), ["n1", "n2", "n3"].map(incarnationOf));
  cluster.stop();
});

const address = (port: number) => ({ host: "h", port });

/** Learners are in parentheses, removed ids have a minus. */
function configuration(...names: string[]): ClusterConfiguration {
  const members = names.filter((name) => !name.startsWith("-")).map((name) => {
    const id = name.replaceAll(/[()]/g, "");
    return { id, raftAddress: address(Number(id.slice(1))), isLearner: id !== name };
  });
  const removed = names.filter((name) => name.startsWith("-")).map((name) => name.slice(1));
  return { members, removed };
}

function text(change: Change): string[] {
  assert(typeof change !== "string", `refused: ${change}`);
  const names = change.members.map(({ id, isLearner }) => isLearner ? `(${id})` : id);
  return [...names, ...change.removed.map((id) => `-${id}`)];
}

function health(live: string[]) {
  return { isLive: (id: string) => live.includes(id) };
}

const ALL = health(["n1", "n2", "n3", "n4", "n5"]);

Deno.test("a new node joins as a learner, and may ask again from the same directory", () => {
  const present = withLearner(configuration("n1"), "n2", address(2), "i2");
  assert(typeof present !== "string");
  assertEquals(text(present), ["n1", "(n2)"]);
  assertEquals(present.members[1]?.incarnation, "i2");
  assertEquals(withLearner(present, "n2", address(2), "i2"), present);
  assertMatch(String(withLearner(present, "n2", address(2), "i9")), /with another data directory/);
  const moved = withLearner(present, "n2", address(9), "i2");
  assert(typeof moved !== "string");
  assertEquals(moved.members[1]?.raftAddress, address(9));
});

Deno.test("a node that must not join gets the reason", () => {
  const members = configuration("n1", "n2", "(n3)", "-n4");
  const refusal = (id: string) => String(withLearner(members, id, address(0), "i"));
  for (const id of ["n2", "n3"]) {
    assertMatch(refusal(id), /is a member already, with another data directory/);
  }
  assertMatch(refusal("n4"), /a removed id is never used again/);
  assertEquals(
    withLearner(members, "n5", address(2), "i5"),
    "h:2 is the address of n2: remove that one first, or choose another port",
  );
});

Deno.test("a removal leaves a majority that answers, or is forced", () => {
  const members = configuration("n1", "n2", "n3", "n4", "n5");
  assertEquals(text(withoutMember(members, "n5", false, ALL)), ["n1", "n2", "n3", "n4", "-n5"]);
  const three = health(["n1", "n2", "n3"]);
  assertEquals(text(withoutMember(members, "n5", false, three)), ["n1", "n2", "n3", "n4", "-n5"]);
  assertEquals(
    withoutMember(members, "n3", false, three),
    "Removing n3 would leave 2 of 4 voting members that answer, and 3 are needed: n4, n5 do not " +
      "answer; start them again, or use FORCE",
  );
  assertEquals(text(withoutMember(members, "n3", true, three)), ["n1", "n2", "n4", "n5", "-n3"]);
});

Deno.test("learners can leave at any time, and the last voter never", () => {
  const members = configuration("n1", "(n2)");
  assertEquals(text(withoutMember(members, "n2", false, health([]))), ["n1", "-n2"]);
  for (const isForced of [false, true]) {
    assertEquals(
      withoutMember(members, "n1", isForced, ALL),
      "n1 is the only voting member, and a cluster needs one",
    );
  }
});

Deno.test("a change to the current state changes nothing", () => {
  const members = configuration("n1", "n2", "-n3");
  assertEquals(withoutMember(members, "n3", false, ALL), members);
  assertEquals(withAddress(members, "n2", address(2)), members);
  assertEquals(withAddress(members, "n9", address(2)), members);
  assertEquals(
    withoutMember(members, "n9", false, ALL),
    "n9 is not a member of this cluster: its members are n1, n2",
  );
});

Deno.test("a learner gets its vote and keeps its place", () => {
  assertEquals(text(withVoter(configuration("n1", "(n2)", "n3"), "n2")), ["n1", "n2", "n3"]);
});
