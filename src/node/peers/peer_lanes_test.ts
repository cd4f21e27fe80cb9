import { assertEquals } from "@std/assert";
import { seededRandom } from "../../base/random.ts";
import type { StreamHandlers } from "../network.ts";
import { ManualClock } from "../testing/manual_clock.ts";
import { PeerLanes } from "./peer_lanes.ts";
import type { PeerMessage } from "./peer_message.ts";

const FROM_TO = { from: "n1", to: "n2" } as const;
const MESSAGES: readonly PeerMessage[] = [
  { ...FROM_TO, type: "append", term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] },
  { ...FROM_TO, type: "heartbeat", term: 1, commit: 0, round: 1 },
  { ...FROM_TO, type: "append", term: 1, prevIndex: 1, prevTerm: 1, commit: 0, entries: [] },
  { ...FROM_TO, type: "vote", term: 1, lastIndex: 1, lastTerm: 1, isTransfer: false },
];

/** A connection that never takes what it is given, and what was written to it. */
interface Dialled {
  readonly handlers: StreamHandlers;
  written: string;
  isClosed: boolean;
}

function lanes() {
  const dialled: Dialled[] = [];
  const clock = new ManualClock();
  let lostCount = 0;
  const both = new PeerLanes({ host: "memory", port: 17002 }, {
    peer: "n2",
    hello: () => "{}",
    onRemoved: () => {},
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect(_address, handlers) {
        const one: Dialled = { handlers, written: "", isClosed: false };
        dialled.push(one);
        return {
          remote: "n2",
          handle() {},
          write: (piece) => void (one.written += piece.toString()),
          pendingBytes: () => 0,
          close: () => void (one.isClosed = true),
        };
      },
    },
    clock,
    random: seededRandom(1),
    onLost: () => lostCount++,
  });
  const typesOf = ({ written }: Dialled) =>
    [...written.matchAll(/"type":"(\w+)"/g)].map(([, t]) => t);
  return { both, clock, dialled, typesOf, lostCount: () => lostCount };
}

Deno.test("entries have a connection of their own, in order, and all else another", () => {
  const { both, dialled, typesOf } = lanes();
  assertEquals(dialled.length, 2);
  assertEquals(both.isOpen, false);
  dialled[0]?.handlers.onOpen();
  assertEquals(both.isOpen, false);
  dialled[1]?.handlers.onOpen();
  assertEquals(both.isOpen, true);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals(dialled.map(typesOf), [["append", "append"], ["heartbeat", "vote"]]);
});

Deno.test("who falls silent where most is said is dialled anew for entries as well", () => {
  const { both, clock, dialled, lostCount } = lanes();
  for (const { handlers } of dialled) handlers.onOpen();
  dialled[1]?.handlers.onClose("gone");
  assertEquals([dialled[0]?.isClosed, both.isOpen], [true, false]);
  assertEquals(lostCount(), 2);
  clock.advance(1_000);
  assertEquals(dialled.length > 3, true);
});

Deno.test("a connection for entries that is lost leaves the other alone", () => {
  const { both, dialled, typesOf, lostCount } = lanes();
  for (const { handlers } of dialled) handlers.onOpen();
  dialled[0]?.handlers.onClose("gone");
  assertEquals([dialled[1]?.isClosed, lostCount()], [false, 1]);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals(dialled.slice(0, 2).map(typesOf), [[], ["heartbeat", "vote"]]);
});
