import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  MemoryClient,
  MemoryCluster,
  withMemoryCluster,
} from "../../tests/support/node/memory_cluster.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { ErrorReply, OK, type Reply } from "../resp/reply.ts";
import { LEADER_CHANGED, STOPPING } from "./clients/request.ts";
import type { Node } from "./node.ts";

// Every request to a node gets a reply when the node no longer leads, or stops.

type Answer = { reply: Reply | undefined };
const isAnswered = ({ reply }: Answer) => reply !== undefined;
const codeOf = ({ reply }: Answer) =>
  reply instanceof ErrorReply ? reply.text.split(" ")[0] : reply;

/** Writes of separate clients, one entry each while the pipeline has room. */
function writes(cluster: MemoryCluster, node: Node, count: number): Answer[] {
  return Array.from({ length: count }, () => {
    const write = new MemoryClient(node).send("INCR", "n");
    cluster.clock.advance(5);
    return write;
  });
}

function idOf(node: Node | undefined): string {
  assert(node !== undefined);
  return node.report().id;
}

Deno.test("a leader that stops answers all waiting requests, each by its outcome", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    cluster.isolate(leader);
    const asked = writes(cluster, leader, 8);
    const read = new MemoryClient(leader).send("GET", "n");
    const counts: number[] = [];
    leader.whenReplicated(2, 0, (count) => counts.push(count));
    const changes: Reply[] = [];
    const change = (reply: Reply) => void changes.push(reply);
    leader.membership.forget(idOf(followers[0]), false, change);
    leader.membership.transfer.start(idOf(followers[1]), change);
    cluster.clock.advance(5);
    assertEquals([[...asked, read].filter(isAnswered), counts, changes], [[], [], []]);
    leader.stop();
    const codes = asked.map(codeOf);
    assertEquals(codes.filter((code) => code === "UNKNOWN").length, 4, `${codes}`);
    for (const { reply } of asked.filter((one) => codeOf(one) !== "UNKNOWN")) {
      assertEquals(reply, STOPPING);
    }
    assertEquals([read.reply, changes, counts], [STOPPING, [STOPPING, STOPPING], [0]]);
    const late = ["SET k v", "GET k"].map((text) =>
      new MemoryClient(leader).send(...text.split(" "))
    );
    leader.whenReplicated(1, 0, (count) => counts.push(count));
    assertEquals([late.map(({ reply }) => reply), counts], [[STOPPING, STOPPING], [0, 0]]);
  }));

Deno.test("writes that wait for a successor are answered when the node stops before there is one", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers: [successor, other] } = cluster;
    assert(successor !== undefined && other !== undefined);
    // Neither of the two can vote for the successor.
    for (const node of [leader, other]) cluster.stallDisk(node);
    leader.membership.transfer.start(successor.report().id, () => {});
    const before = new MemoryClient(leader).send("SET", "k", "v");
    cluster.until(() => leader.report().role !== "leader");
    const after = new MemoryClient(leader).send("SET", "k", "v");
    assertEquals([before.reply, after.reply], [undefined, undefined]);
    leader.stop();
    assertEquals([before.reply, after.reply], [STOPPING, STOPPING]);
  }));

Deno.test("reads between writes are refused when leadership ends", () =>
  withMemoryCluster(3, (cluster) => {
    const old = cluster.leader;
    cluster.isolate(old);
    // Their writes are in flight, and no entry will answer the reads after them.
    const first = new MemoryClient(old);
    const write = first.send("SET", "k", "v");
    cluster.clock.advance(5);
    const behind = first.send("GET", "k");
    cluster.clock.advance(5);
    writes(cluster, old, 4);
    // None of these is proposed.
    const second = new MemoryClient(old);
    const open = [second.send("SET", "k", "w"), second.send("GET", "k")];
    cluster.until(() => old.report().role !== "leader");
    cluster.clock.settle();
    assertEquals([behind.reply, open[1]?.reply], [LEADER_CHANGED, LEADER_CHANGED]);
    assertEquals(open.map(codeOf)[0], "CLUSTERDOWN");
    assertEquals(write.reply, undefined, "it may yet be executed");
    cluster.network.heal();
    cluster.until(() => isAnswered(write));
    const read = new MemoryClient(old).send("GET", "k");
    cluster.until(() => isAnswered(read));
    assertEquals(read.reply, null);
  }));

Deno.test("waiting changes of members are bounded, and get their outcome", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers } = cluster;
    for (const follower of followers) cluster.isolate(follower);
    const replies: Reply[][] = [];
    const ask = () => {
      const got: Reply[] = [];
      replies.push(got);
      leader.membership.forget(idOf(followers[0]), true, (reply) => got.push(reply));
    };
    ask();
    cluster.clock.advance(5);
    const address = { host: "memory", port: 17_099 };
    for (let count = 0; count < 70; count++) {
      const got: Reply[] = [];
      replies.push(got);
      leader.membership.join(
        `m${count}`,
        address,
        `directory ${count}`,
        (reply) => got.push(reply),
      );
    }
    const refused = replies.filter((got) => got.length > 0);
    assertEquals(refused.length, 7, "64 may wait");
    cluster.until(() => replies.every((got) => got.length === 1));
    const texts = replies.flat().map((reply) => reply instanceof ErrorReply ? reply.text : "OK");
    assertMatch(texts[0] ?? "", /^UNKNOWN The membership change was not confirmed in time/);
    for (const text of texts.slice(1)) assertMatch(text, /^TRYAGAIN .* this one was not started$/);
    cluster.network.heal();
    cluster.untilServing();
    const after = new MemoryClient(cluster.leader).send("SET", "k", "v");
    cluster.until(() => isAnswered(after));
    assertEquals(after.reply, OK);
    assert(cluster.leader.report().members.every(({ id }) => !id.startsWith("m")));
  }, { waitMs: 150 }));

Deno.test("a node whose turns take long yields to others in between, and answers all", async () => {
  let leap = () => {};
  /** Each write takes 20 ms of the event loop. */
  class Slow extends StateMachine {
    override begin(...asked: Parameters<StateMachine["begin"]>) {
      if (asked[0].kind === "write") leap();
      return super.begin(...asked);
    }
  }
  await withMemoryCluster(1, (cluster) => {
    const { leader } = cluster;
    leap = () => cluster.clock.leap(20);
    const asked: Answer[] = [];
    let betweenCount = 0;
    for (let count = 0; count < 20; count++) {
      asked.push(new MemoryClient(leader).send("INCR", "n"));
      asked.push(new MemoryClient(leader).send("GET", "n"));
      cluster.clock.after(0, () => betweenCount += asked.every(isAnswered) ? 0 : 1);
      cluster.clock.advance(1);
    }
    cluster.until(() => asked.every(isAnswered));
    assertEquals(asked.filter((_, at) => at % 2 === 0).map(({ reply }) => reply).at(-1), 20);
    assert(betweenCount >= 10, `others had ${betweenCount} turns`);
    const after = new MemoryClient(leader).send("INCR", "n");
    cluster.until(() => isAnswered(after));
    assertEquals(after.reply, 21);
  }, { machineOf: (versions) => new Slow({ versions: versions.machine }) });
});

Deno.test("writes that waited for a successor are resent when the same node leads on", () =>
  withMemoryCluster(3, (cluster) => {
    const { leader, followers: [successor, other] } = cluster;
    assert(successor !== undefined && other !== undefined);
    for (const node of [leader, other]) cluster.stallDisk(node);
    leader.membership.transfer.start(successor.report().id, () => {});
    cluster.until(() => leader.report().role !== "leader");
    const write = new MemoryClient(leader).send("SET", "k", "v");
    assertEquals(write.reply, undefined);
    cluster.kill(successor);
    for (const node of [leader, other]) cluster.healDisk(node);
    leader.campaign();
    cluster.until(() => isAnswered(write));
    assertEquals([leader.report().role, write.reply], ["leader", LEADER_CHANGED]);
    const again = new MemoryClient(leader).send("SET", "k", "v");
    cluster.until(() => isAnswered(again));
    assertEquals(again.reply, OK);
  }, { waitMs: 60_000 }));

Deno.test("a turn whose budget is used up continues in the next one, until all is answered", async () => {
  let leap = () => {};
  class Slow extends StateMachine {
    override begin(...asked: Parameters<StateMachine["begin"]>) {
      leap();
      return super.begin(...asked);
    }
  }
  await withMemoryCluster(1, (cluster) => {
    const { leader } = cluster;
    leap = () => cluster.clock.leap(0.2);
    const clients = Array.from({ length: 4 }, () => new MemoryClient(leader));
    const asked = clients.flatMap((client) =>
      Array.from({ length: 200 }, () => [client.send("INCR", "n"), client.send("GET", "n")]).flat()
    );
    const sinceMs = cluster.clock.monotonicMs();
    let betweenCount = 0;
    cluster.until(() => {
      if (asked.some(isAnswered) && !asked.every(isAnswered)) betweenCount++;
      return asked.every(isAnswered);
    });
    const numbers = asked.filter((_, at) => at % 2 === 0).map(({ reply }) => Number(reply));
    assertEquals(numbers.sort((a, b) => a - b), Array.from({ length: 800 }, (_, at) => at + 1));
    assert(betweenCount > 5, `others had ${betweenCount} turns`);
    const tookMs = cluster.clock.monotonicMs() - sinceMs;
    assert(tookMs < 500, `it took ${tookMs} ms, of which 320 were work`);
  }, { machineOf: (versions) => new Slow({ versions: versions.machine }), waitMs: 60_000 });
});

Deno.test("a node that may not take part says why and whom to ask, unless it has ended", () =>
  withMemoryCluster(3, (cluster) => {
    const [first, second] = cluster.followers;
    assert(first !== undefined && second !== undefined);
    const { id } = first.report();
    const by = cluster.leader.report().id;
    first.onRefused(by, "stranger", null);
    first.onRefused(by, "copy", null);
    const port = 7000 + Number(by.slice(1));
    assertEquals(cluster.refused.map(([refused]) => refused), [id, id]);
    const [stranger = "", copy = ""] = cluster.refused.map(([, why]) => why);
    assert(stranger.includes(`regent remove ${id} --from memory:${port}`), stranger);
    assert(copy.includes("a copy of this data directory"), copy);
    second.stop();
    second.onRefused(by, "copy", null);
    first.onRemoved();
    first.onRefused(by, "copy", null);
    assertEquals(cluster.refused.length, 2);
    return Promise.resolve();
  }));

Deno.test("a node that has stopped ignores what its transport and its writer still report", () =>
  withMemoryCluster(3, (cluster) => {
    const [stopped] = cluster.followers;
    const id = idOf(stopped);
    stopped?.stop();
    const before = stopped?.report();
    stopped?.onUnreachable(idOf(cluster.leader));
    cluster.clock.advance(3_000);
    assertEquals([stopped?.report().term, stopped?.report().role], [before?.term, before?.role]);
    assertEquals(cluster.leader.report().members.some((member) => member.id === id), true);
  }));

Deno.test("the reads of a node that learns of its removal are redirected to the leader", () =>
  withMemoryCluster(3, (cluster) => {
    const [follower] = cluster.followers;
    assert(follower !== undefined);
    cluster.isolate(cluster.leader);
    const read = new MemoryClient(follower).send("GET", "n");
    cluster.clock.advance(5);
    assertEquals(read.reply, undefined);
    follower.onRemoved();
    cluster.clock.advance(5);
    assertEquals(codeOf(read), "MOVED");
  }));
