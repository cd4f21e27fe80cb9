import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { MemoryCluster } from "../../tests/support/node/memory_cluster.ts";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { replyOf } from "../../tests/support/reply_of.ts";
import { NEW_CLIENT } from "../access/accounts.ts";
import { silentLogger } from "../base/logger.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { Faults } from "../faults/faults.ts";
import type { Node } from "../node/node.ts";
import { ErrorReply, MapReply, type Reply, SimpleString } from "../resp/reply.ts";
import { decodeReply } from "../resp/reply_scanner.ts";
import {
  nodeView,
  roleReply,
  StateSubscribers,
  SUBSCRIBERS_MAX,
  watchState,
} from "./cluster_commands.ts";
import type { Connection } from "./connection.ts";
import { Rates, type RespListener } from "./listener.ts";
import { NodeFrontend } from "./node_frontend.ts";
import { PendingReply } from "./pending_reply.ts";

const TOTALS = { connections: 3, requests: 40, rejected: 1, inputBytes: 500, outputBytes: 600 };

/** Nodes with a client at each; `ask` waits for the answer. */
class AskedCluster {
  readonly cluster: MemoryCluster;
  readonly faults: Faults;
  readonly machine = new StateMachine();
  /** Number of times that the listener was asked to reset its totals. */
  resetCount = 0;
  readonly #frontends: Map<Node, NodeFrontend>;
  readonly #connections: Map<number, Connection>;

  constructor(cluster: MemoryCluster, hasFaults: boolean) {
    this.cluster = cluster;
    const { clock } = cluster;
    this.faults = new Faults(new ManualClock(), silentLogger);
    const connection = {
      id: 5,
      remote: "127.0.0.1:4005",
      local: "127.0.0.1:7001",
      openedMs: 0,
      lastReadMs: 0,
      lastCommand: "client|list",
      account: NEW_CLIENT,
      host: "127.0.0.1",
      userName: "default",
      name: "",
      libraryName: "",
      libraryVersion: "",
      protocol: 3,
      isClosed: false,
      noteSettled() {},
      prepare() {},
      reset() {},
    } as unknown as Connection;
    this.#connections = new Map([[5, connection]]);
    const listener = {
      totals: TOTALS,
      rates: new Rates(TOTALS, 0),
      clock,
      address: { host: "127.0.0.1", port: 7001 },
      connections: this.#connections,
      limits: { clientsMax: 10_000 },
      resetTotals: () => this.resetCount++,
    } as unknown as RespListener;
    this.#frontends = new Map(cluster.nodes.map((node) => [
      node,
      new NodeFrontend({
        node,
        machine: this.machine,
        clock,
        facts: PROCESS_FACTS,
        config: new Map([["port", "7001"]]),
        listener: () => listener,
        ...(hasFaults ? { faultTools: { faults: this.faults, crash: () => {} } } : {}),
      }),
    ]));
  }

  ask(node: Node, ...args: string[]): Reply {
    const connection = this.#connections.get(5);
    assert(connection !== undefined);
    const reply = new PendingReply(connection, 3);
    this.#frontends.get(node)?.handle(connection, args, reply);
    this.cluster.until(() => reply.text !== null);
    return decodeReply(reply.text ?? "");
  }

  fields(node: Node, ...sections: string[]): Map<string, string> {
    const reply = this.ask(node, "INFO", ...sections);
    const lines = (reply as { text: string }).text.split("\r\n");
    return new Map(
      lines.filter((line) => line.includes(":")).map((line) => {
        const at = line.indexOf(":");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }
}

async function withNodes(
  run: (asked: AskedCluster, leader: Node, follower: Node) => void,
  { hasFaults = true } = {},
): Promise<void> {
  const cluster = await MemoryCluster.start(3);
  try {
    cluster.untilServing();
    const { leader } = cluster;
    const follower = cluster.nodes.find((node) => node !== leader);
    assert(follower !== undefined);
    run(new AskedCluster(cluster, hasFaults), leader, follower);
  } finally {
    cluster.stop();
  }
}

Deno.test("INFO tells of the raft, the keys and the faults of a node", () =>
  withNodes((asked, leader, follower) => {
    assertEquals(asked.fields(leader, "keyspace").size, 0);
    asked.machine.keyspace.set("a", "1");
    asked.machine.keyspace.set("b", "1");
    asked.machine.keyspace.setDeadline("b", 5_000);
    assertEquals(asked.fields(leader, "keyspace").get("db0"), "keys=2,expires=1,avg_ttl=0");
    const { id, term } = leader.report();
    const raft = ["id", "raft_role", "term", "leader_id", "serving", "members"];
    const of = (node: Node) => raft.map((name) => asked.fields(node, "raft").get(name));
    const members = "n1,n2,n3";
    assertEquals(of(leader), [id, "leader", String(term), id, "1", members]);
    assertEquals(of(follower).slice(1, 4), ["follower", String(term), id]);
    assertEquals(asked.fields(leader, "replication").get("role"), "master");
    assertEquals(asked.fields(follower, "replication").get("role"), "slave");
    asked.faults.begin({ kind: "slow-disk", delayMs: 20 }, null);
    assertEquals([...asked.fields(leader, "faults")], [
      ["faults", "1"],
      ["fault0", "slow-disk 20 ms"],
    ]);
    const all = asked.fields(leader);
    assertEquals([all.get("connected_clients"), all.get("used_memory_arena") !== undefined], [
      "1",
      true,
    ]);
  }));

Deno.test("CONFIG RESETSTAT sets the counters of a node's INFO to zero, and the state stays", () =>
  withNodes((asked, leader) => {
    const { keyspace } = asked.machine;
    const expireOne = () => {
      keyspace.set("k", "1");
      keyspace.setDeadline("k", keyspace.timeMs + 1);
      keyspace.advanceTime(keyspace.timeMs + 2);
    };
    const counts = () => {
      const stats = asked.fields(leader, "stats");
      return ["expired_keys", "keyspace_hits", "keyspace_misses"].map((name) => stats.get(name));
    };
    expireOne();
    keyspace.set("a", "1");
    for (const key of ["a", "a", "b"]) keyspace.lookUp(key);
    assertEquals(counts(), ["1", "2", "1"]);
    assertEquals(asked.ask(leader, "CONFIG", "RESETSTAT"), new SimpleString("OK"));
    assertEquals([counts(), asked.resetCount], [["0", "0", "0"], 1]);
    assertEquals(keyspace.expiredCount, 1, "all members count the same");
    expireOne();
    keyspace.lookUp("a");
    keyspace.lookUp("b");
    assertEquals(counts(), ["1", "1", "1"]);
    const loader = asked.machine.newLoader();
    const snapshot = asked.machine.beginSnapshot();
    for (let chunk = snapshot.next(1_000); chunk !== null; chunk = snapshot.next(1_000)) {
      loader.push(chunk);
    }
    asked.machine.restore(loader, 0);
    assertEquals(counts(), ["1", "1", "1"], "a snapshot from the leader is no reset");
  }));

Deno.test("a node without faults or snapshots tells nothing of them, and refuses them", () =>
  withNodes((asked, leader) => {
    assertEquals(asked.fields(leader, "faults", "persistence").size, 0);
    const errors = [["FAULT", "LIST"], ["SNAPSHOT", "BEGIN"]].map((args) => {
      const reply = asked.ask(leader, ...args);
      assertInstanceOf(reply, ErrorReply);
      return reply.text;
    });
    assertEquals(errors[0], "ERR FAULT is off: this node was not started with --allow-faults");
    assertMatch(errors[1] ?? "", /snapshot/);
    const role = asked.ask(leader, "CLUSTER", "ROLE");
    assertInstanceOf(role, MapReply);
    assertEquals(role.pairs.some(([name]) => name === "faults"), false);
  }, { hasFaults: false }));

Deno.test("CLUSTER ROLE tells what a proxy wants to know of a node", () =>
  withNodes((asked, leader, follower) => {
    asked.faults.begin({ kind: "pause" }, null);
    for (const node of [leader, follower]) {
      const role = asked.ask(node, "CLUSTER", "ROLE");
      assertInstanceOf(role, MapReply);
      const { id, term, commitIndex, appliedIndex } = node.report();
      const fields = new Map(role.pairs.map(([name, value]) => [String(name), value]));
      const wanted = ["id", "role", "term", "leader-id", "commit-index", "applied-index", "faults"];
      assertEquals(wanted.map((name) => fields.get(name)), [
        id,
        node === leader ? "leader" : "follower",
        term,
        leader.report().id,
        commitIndex,
        appliedIndex,
        ["pause"],
      ]);
    }
  }));

Deno.test("a node tells its own clients, settings and members", () =>
  withNodes((asked, leader, follower) => {
    const list = asked.ask(leader, "CLIENT", "LIST") as string | { text: string };
    assertMatch(typeof list === "string" ? list : list.text, /^id=5 addr=127\.0\.0\.1:4005 /);
    const config = asked.ask(leader, "CONFIG", "GET", "*");
    assertInstanceOf(config, MapReply);
    assertEquals(config.pairs[0], ["port", "7001"]);
    const transfer = asked.ask(leader, "CLUSTER", "TRANSFER", leader.report().id);
    assertEquals(transfer, asked.ask(leader, "SELECT", "0"));
    const view = nodeView(leader.report());
    assertEquals([view.isMaster, view.offset], [true, leader.report().lastIndex]);
    assertEquals(nodeView(follower.report()).isMaster, false);
    assertEquals(nodeView({ ...follower.report(), lastLeaderId: "gone" }).masterId, null);
  }));

Deno.test("CLUSTER WATCH takes an interval that is bounded, and a bounded number of watchers", () => {
  const clock = new ManualClock();
  const node = { watch: () => () => {}, report: () => ({ id: "n1", members: [] }) };
  const subscribers = new StateSubscribers(node as unknown as Node, new StateMachine(), clock);
  const watch = (protocol: number, intervalMs: number) => {
    const connection = { protocol, isWatching: false, push() {} } as unknown as Connection;
    const reply = replyOf(() => watchState(subscribers, connection, intervalMs));
    return reply instanceof ErrorReply ? reply.text : "OK";
  };
  const range = "ERR the interval must be from 10 to 60000 milliseconds";
  assertEquals(watch(2, 100), "ERR CLUSTER WATCH needs RESP3, send HELLO 3 first");
  for (const wrong of [9, 60_001, 10.5, NaN]) assertEquals(watch(3, wrong), range);
  for (const right of [10, 60_000]) assertEquals(watch(3, right), "OK");
  for (let count = 2; count < SUBSCRIBERS_MAX; count++) assertEquals(watch(3, 1_000), "OK");
  assertMatch(watch(3, 1_000), /^ERR too many connections watch/);
});

Deno.test("CLUSTER ROLE says whether a node catches up, and whether it serves", async () => {
  const cluster = await MemoryCluster.start(1);
  try {
    const report = cluster.nodes[0]?.report();
    assert(report !== undefined);
    for (const [isCatchingUp, number] of [[true, 1], [false, 0]] as const) {
      const reply = roleReply({ ...report, isCatchingUp }, null);
      assertInstanceOf(reply, MapReply);
      assertEquals(new Map(reply.pairs).get("catching-up"), number);
      const serving = roleReply({ ...report, isServing: number === 1 }, null);
      assertInstanceOf(serving, MapReply);
      assertEquals(new Map(serving.pairs).get("serving"), number);
    }
  } finally {
    cluster.stop();
  }
});
