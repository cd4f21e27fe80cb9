import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom } from "../base/random.ts";
import { BUILD_VERSIONS } from "../node/members/versions.ts";
import type { PeerMessage } from "../node/peers/peer_message.ts";
import { type Fault, Faults } from "./faults.ts";
import { FaultyHandler, FaultyPeers } from "./faulty_peers.ts";

type Sent = [peer: string, round: number, atMs: number];

/** Node n1 with its faults. `out` and `in` are the messages that get through. */
class Borders {
  readonly clock = new ManualClock();
  readonly faults = new Faults(this.clock, silentLogger);
  readonly out: Sent[] = [];
  readonly in: Sent[] = [];
  readonly told: string[] = [];
  readonly peers: FaultyPeers;
  readonly handler: FaultyHandler;
  #unflushed: Sent[] = [];

  constructor() {
    const random = seededRandom(7);
    this.peers = new FaultyPeers(
      {
        send: (message) => this.#unflushed.push(this.#note(message, message.to)),
        flush: () => this.out.push(...this.#unflushed.splice(0)),
        isConnected: (peer) => peer !== "n3",
        problem: () => null,
        follow: () => {},
      },
      this.faults,
      this.clock,
      random,
    );
    this.handler = new FaultyHandler(
      {
        onMessage: (message) => this.in.push(this.#note(message, message.from)),
        onUnreachable: (peer) => this.told.push(`${peer} unreachable`),
        onRefused: (by) => this.told.push(`refused by ${by}`),
        onAnnounced: (peer) => this.told.push(`${peer} announced`),
        onRemoved: () => this.told.push("removed"),
      },
      this.faults,
      this.clock,
      random,
    );
  }

  /** Sends one message to each of n2 and n3, and one from each. */
  exchange(round: number): void {
    for (const peer of ["n2", "n3"]) {
      this.peers.send(heartbeat("n1", peer, round));
      this.handler.onMessage(heartbeat(peer, "n1", round));
    }
    this.peers.flush();
  }

  through(): { out: Sent[]; in: Sent[] } {
    return { out: this.out.splice(0), in: this.in.splice(0) };
  }

  #note(message: PeerMessage, peer: string): Sent {
    const round = message.type === "heartbeat" ? message.round : -1;
    return [peer, round, this.clock.monotonicMs()];
  }
}

function heartbeat(from: string, to: string, round: number): PeerMessage {
  return { type: "heartbeat", from, to, term: 1, commit: 0, round };
}

const ALL = [["n2", 1, 0], ["n3", 1, 0]];
const ONLY_N3 = [["n3", 1, 0]];

Deno.test("without faults everything passes at once", () => {
  const borders = new Borders();
  borders.exchange(1);
  assertEquals(borders.through(), { out: ALL, in: ALL } as ReturnType<Borders["through"]>);
});

Deno.test("isolate: messages in the chosen directions are lost, and arrive again at its end", () => {
  const cases: [Fault, unknown, unknown][] = [
    [{ kind: "isolate", peers: null, direction: "both" }, [], []],
    [{ kind: "isolate", peers: null, direction: "in" }, ALL, []],
    [{ kind: "isolate", peers: null, direction: "out" }, [], ALL],
    [{ kind: "isolate", peers: ["n2"], direction: "both" }, ONLY_N3, ONLY_N3],
    [{ kind: "isolate", peers: ["n2"], direction: "out" }, ONLY_N3, ALL],
  ];
  for (const [fault, out, into] of cases) {
    const borders = new Borders();
    borders.faults.begin(fault, 100);
    borders.exchange(1);
    assertEquals<unknown>(borders.through(), { out, in: into });
    assertEquals([borders.peers.isConnected("n2"), borders.peers.isConnected("n3")], [
      false,
      false,
    ]);
    borders.clock.advance(100);
    assertEquals(borders.peers.isConnected("n2"), true);
    assertEquals(borders.through(), { out: [], in: [] });
    borders.exchange(2);
    const { out: outAfter, in: inAfter } = borders.through();
    assertEquals([outAfter.length, inAfter.length], [2, 2]);
  }
});

Deno.test("isolate: events of the transport itself are not lost", () => {
  const { handler, faults, told } = new Borders();
  faults.begin({ kind: "isolate", peers: null, direction: "both" }, null);
  handler.onUnreachable("n2");
  handler.onAnnounced(
    "n2",
    { host: "memory", port: 7002 },
    { host: "memory", port: 17002 },
    "i",
    BUILD_VERSIONS,
  );
  handler.onRefused("n2", "copy", null);
  assertEquals(told, ["n2 unreachable", "n2 announced", "refused by n2"]);
});

Deno.test("delay: messages arrive late, in order, in both directions, and only those of the named peers", () => {
  const borders = new Borders();
  const { clock, faults } = borders;
  faults.begin({ kind: "delay", peers: ["n2"], delayMs: 50 }, null);
  borders.exchange(1);
  assertEquals<unknown>(borders.through(), { out: ONLY_N3, in: ONLY_N3 });
  clock.advance(20);
  faults.begin({ kind: "delay", peers: ["n2"], delayMs: 5 }, null);
  borders.peers.send(heartbeat("n1", "n2", 2));
  clock.advance(29);
  assertEquals(borders.through(), { out: [], in: [] });
  clock.advance(1);
  assertEquals(borders.through(), {
    out: [["n2", 1, 50], ["n2", 2, 50]],
    in: [["n2", 1, 50]],
  });
});

Deno.test("delay: at its end delayed messages come first; a cut drops them", () => {
  const borders = new Borders();
  const { clock, faults } = borders;
  faults.begin({ kind: "delay", peers: null, delayMs: 1_000 }, 100);
  borders.exchange(1);
  clock.advance(100);
  borders.exchange(2);
  const { out, in: into } = borders.through();
  assertEquals(out, [["n2", 1, 100], ["n3", 1, 100], ["n2", 2, 100], ["n3", 2, 100]]);
  assertEquals(into, out);

  faults.begin({ kind: "delay", peers: null, delayMs: 10 }, null);
  borders.exchange(3);
  faults.begin({ kind: "isolate", peers: null, direction: "both" }, null);
  clock.advance(10);
  faults.heal();
  clock.advance(1_000);
  assertEquals(borders.through(), { out: [], in: [] });
});

Deno.test("delay: the number of delayed messages is bounded", () => {
  const borders = new Borders();
  borders.faults.begin({ kind: "delay", peers: null, delayMs: 1_000 }, null);
  for (let round = 0; round < 12_000; round++) borders.exchange(round);
  borders.clock.advance(1_000);
  assertEquals([borders.out.length, borders.in.length], [20_000, 20_000]);
});

Deno.test("drop: the chosen percentage is lost in each direction", () => {
  const borders = new Borders();
  borders.faults.begin({ kind: "drop", peers: ["n2"], percent: 30 }, 100);
  for (let round = 0; round < 1_000; round++) borders.exchange(round);
  const { out, in: into } = borders.through();
  for (const sent of [out, into]) {
    const count = sent.filter(([peer]) => peer === "n2").length;
    assertGreater(count, 630);
    assertLess(count, 770);
    assertEquals(sent.length - count, 1_000);
  }
  borders.clock.advance(100);
  for (let round = 0; round < 100; round++) borders.exchange(round);
  assertEquals(borders.through().out.length, 200);

  borders.faults.begin({ kind: "drop", peers: null, percent: 100 }, null);
  borders.exchange(1);
  assertEquals(borders.through(), { out: [], in: [] });
});
