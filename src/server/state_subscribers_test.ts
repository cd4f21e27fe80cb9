import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { StateMachine } from "../commands/state_machine.ts";
import type { StateReport } from "../node/members/report.ts";
import { StateSubscribers, type SubscribedConnection } from "./cluster_commands.ts";

const STATE_REPORT: StateReport = {
  clusterId: "c",
  id: "n1",
  role: "follower",
  term: 1,
  leaderId: null,
  lastLeaderId: null,
  leaderAddress: null,
  commitIndex: 1,
  appliedIndex: 1,
  lastIndex: 1,
  isServing: false,
  isCatchingUp: false,
  time: { clockOffsetMs: null, logTimeMs: 0, logTimeAheadMs: null },
  queued: 0,
  protocolVersion: 3,
  machineVersion: 1,
  machineVersionMax: 1,
  members: [],
};

/** A node that tells of its changes when it is told to, and clients that count what they hear. */
function start() {
  const clock = new ManualClock();
  const watching = new Set<() => void>();
  let reportCount = 0;
  const node = {
    watch(changed: () => void) {
      watching.add(changed);
      return () => watching.delete(changed);
    },
    report() {
      reportCount++;
      return STATE_REPORT;
    },
  };
  const subscribers = new StateSubscribers(node, new StateMachine(), clock);
  const heard = new Map<string, number>();
  const clients = new Map<string, SubscribedConnection>();
  const client = (name: string): SubscribedConnection => {
    const known = clients.get(name);
    if (known !== undefined) return known;
    const push = () => heard.set(name, (heard.get(name) ?? 0) + 1);
    const connection: SubscribedConnection = { protocol: 3, isWatching: false, push };
    clients.set(name, connection);
    return connection;
  };
  const change = () => watching.forEach((changed) => changed());
  const heardSince = (name: string, run: () => void) => {
    const before = heard.get(name) ?? 0;
    run();
    return (heard.get(name) ?? 0) - before;
  };
  const reports = () => reportCount;
  return { clock, watching, subscribers, client, change, heardSince, reports };
}

Deno.test("a watcher gets a report at once, at each interval and after every change", () => {
  const { clock, subscribers, client, change, heardSince } = start();
  subscribers.add(client("a"), 100);
  assertEquals(heardSince("a", () => clock.advance(0)), 1);
  assertEquals(heardSince("a", () => clock.advance(1_000)), 10);
  assertEquals(heardSince("a", change), 1);
});

Deno.test("a watcher with a new interval gets reports at that interval alone", () => {
  const { clock, subscribers, client, heardSince } = start();
  subscribers.add(client("a"), 100);
  subscribers.add(client("a"), 500);
  clock.advance(0);
  assertEquals(heardSince("a", () => clock.advance(1_000)), 2);
});

Deno.test("the node is watched while there are watchers, and again for the next one", () => {
  const { clock, watching, subscribers, client, change, heardSince } = start();
  subscribers.add(client("a"), 100);
  subscribers.add(client("b"), 100);
  clock.advance(0);
  subscribers.remove(client("a"));
  assertEquals([watching.size, client("a").isWatching], [1, false]);
  assertEquals(heardSince("a", () => clock.advance(1_000)), 0);
  subscribers.remove(client("b"));
  assertEquals(watching.size, 0);
  subscribers.add(client("c"), 10_000);
  clock.advance(0);
  assertEquals(heardSince("c", change), 1);
});

Deno.test("a watcher that switches back to RESP2 gets no more reports", () => {
  const { clock, watching, subscribers, client, heardSince } = start();
  subscribers.add(client("a"), 100);
  clock.advance(0);
  client("a").protocol = 2;
  assertEquals(heardSince("a", () => clock.advance(1_000)), 0);
  assertEquals(watching.size, 0);
});

Deno.test("the number of watchers is bounded, and each change is described once for all of them", () => {
  const { clock, subscribers, client, change, heardSince, reports } = start();
  for (let at = 0; at < 1_024; at++) subscribers.add(client(`${at}`), 60_000);
  assertEquals(subscribers.isFullFor(client("one more")), true);
  assertEquals(subscribers.isFullFor(client("7")), false, "it is told already");
  clock.advance(0);
  const before = reports();
  assertEquals(heardSince("1023", change), 1);
  assertEquals(reports() - before, 1);
  subscribers.remove(client("7"));
  assertEquals(subscribers.isFullFor(client("one more")), false);
});
