import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { seededRandom } from "../../base/random.ts";
import type { StreamHandlers } from "../../platform/network.ts";
import { Batch } from "../log/entry.ts";
import { FrameWriter } from "./frames.ts";
import { PeerLinks } from "./link.ts";
import type { PeerMessage } from "./peer_message.ts";

const FROM_TO = { from: "n1", to: "n2" } as const;
const MESSAGES: readonly PeerMessage[] = [
  { ...FROM_TO, type: "append", term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [] },
  { ...FROM_TO, type: "heartbeat", term: 1, commit: 0, round: 1 },
  { ...FROM_TO, type: "append", term: 1, prevIndex: 1, prevTerm: 1, commit: 0, entries: [] },
  { ...FROM_TO, type: "vote", term: 1, lastIndex: 1, lastTerm: 1, isTransfer: false },
];

/** A connection that takes no bytes, and what was written to it. */
interface Dialled {
  readonly handlers: StreamHandlers;
  written: string;
  isClosed: boolean;
}

const WELCOME = frame('{"type":"welcome","protocol":3}');

function frame(text: string): Uint8Array {
  const frames = new FrameWriter();
  frames.addText(text);
  return frames.take()[0] ?? new Uint8Array();
}

const textOf = (piece: Uint8Array | string) =>
  typeof piece === "string" ? piece : new TextDecoder().decode(piece);

function lanes() {
  const dialled: Dialled[] = [];
  const clock = new ManualClock();
  let lostCount = 0;
  const both = new PeerLinks({ host: "memory", port: 17002 }, {
    peer: "n2",
    hello: (lane) => JSON.stringify({ lane }),
    onNotice: () => {},
    protocol: { oldest: 3, newest: 3 },
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect(_address, handlers) {
        const one: Dialled = { handlers, written: "", isClosed: false };
        dialled.push(one);
        return {
          remote: "n2",
          handle() {},
          write: (piece) => void (one.written += textOf(piece)),
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

Deno.test("entries have a connection of their own, in order, and the rest has another", () => {
  const { both, dialled, typesOf } = lanes();
  assertEquals(dialled.length, 2);
  assertEquals(both.isOpen, false);
  dialled[0]?.handlers.onOpen();
  dialled[1]?.handlers.onOpen();
  assertEquals(both.isOpen, false);
  assertEquals(dialled.map(({ written }) => written.slice(4)), [
    '{"lane":"bulk"}',
    '{"lane":"urgent"}',
  ]);
  dialled[0]?.handlers.onData(WELCOME);
  assertEquals(both.isOpen, false);
  dialled[1]?.handlers.onData(WELCOME);
  assertEquals(both.isOpen, true);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals(dialled.map(typesOf), [["append", "append"], ["heartbeat", "vote"]]);
});

Deno.test("urgent messages go with the entries until their own connection is open", () => {
  const { both, dialled: [bulk, urgent], typesOf } = lanes();
  assert(bulk !== undefined && urgent !== undefined);
  bulk.handlers.onOpen();
  bulk.handlers.onData(WELCOME);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals(typesOf(bulk), ["append", "heartbeat", "append", "vote"]);
  urgent.handlers.onOpen();
  urgent.handlers.onData(WELCOME);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals([typesOf(bulk).length, typesOf(urgent)], [6, ["heartbeat", "vote"]]);
});

Deno.test("a peer whose urgent connection falls silent is dialled anew for entries as well", () => {
  const { both, clock, dialled, lostCount } = lanes();
  for (const { handlers } of dialled) {
    handlers.onOpen();
    handlers.onData(WELCOME);
  }
  dialled[1]?.handlers.onClose("gone");
  assertEquals([dialled[0]?.isClosed, both.isOpen], [true, false]);
  assertEquals(lostCount(), 2);
  clock.advance(1_000);
  assertEquals(dialled.length > 3, true);
});

const HEARTBEAT = MESSAGES[1] as PeerMessage;
const ALIVE = frame('{"type":"alive"}');

/** An append of one entry that counts as this many bytes. */
const append = (index: number, sizeBytes: number): PeerMessage => ({
  ...{ ...FROM_TO, type: "append", term: 1, prevIndex: index - 1, prevTerm: 1, commit: 0 },
  entries: [{ index, term: 1, data: new Batch(5, [["SET", "k", "v"]]), sizeBytes }],
});

const accepted = (index: number): PeerMessage => ({
  ...{ type: "appendReply", from: "n2", to: "n1", term: 1, accepted: true, index },
  ...{ hintIndex: 0, hintTerm: 0 },
});

/** Both connections are open, and a heartbeat is sent every 50 ms. */
function openLanes() {
  const made = lanes();
  const { both, clock, dialled } = made;
  for (const { handlers } of dialled) {
    handlers.onOpen();
    handlers.onData(WELCOME);
  }
  const beat = (forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 50) {
      both.send(HEARTBEAT);
      both.flush();
      clock.advance(50);
    }
  };
  const areClosed = () => dialled.slice(0, 2).map(({ isClosed }) => isClosed);
  return { ...made, beat, areClosed };
}

Deno.test("a silent peer has a second, and longer while it is busy with many bytes", () => {
  for (
    const [answered, aliveMs, deadMs] of [
      [[], 4_900, 5_200],
      [[1], 2_900, 3_200],
      [[1, 2], 900, 1_200],
      [[2], 900, 1_200],
    ] as const
  ) {
    const { both, beat, areClosed, lostCount } = openLanes();
    both.send(append(1, 8 * 2 ** 20));
    both.send(append(2, 8 * 2 ** 20));
    both.flush();
    for (const index of answered) both.noteReceived(accepted(index));
    beat(aliveMs);
    assertEquals([areClosed(), lostCount()], [[false, false], 0]);
    beat(deadMs - aliveMs);
    assertEquals([areClosed(), lostCount()], [[true, true], 2]);
    both.stop();
  }
});

Deno.test("no peer has unlimited time, whatever was sent to it", () => {
  const { both, beat, areClosed } = openLanes();
  for (let index = 1; index < 100; index++) both.send(append(index, 64 * 2 ** 20));
  both.flush();
  beat(14_000);
  assertEquals(areClosed(), [false, false]);
  beat(3_000);
  assertEquals(areClosed(), [true, true]);
  both.stop();
});

Deno.test("a new connection does not count bytes of the one before", () => {
  const { both, clock, dialled, beat } = openLanes();
  both.send(append(1, 16 * 2 ** 20));
  both.flush();
  dialled[0]?.handlers.onClose("reset");
  clock.advance(100);
  dialled[2]?.handlers.onOpen();
  dialled[2]?.handlers.onData(WELCOME);
  beat(1_200);
  assertEquals(dialled[1]?.isClosed, true);
  both.stop();
});

Deno.test("a suspended process reads what has arrived before it takes its peers for dead", () => {
  const { both, clock, dialled, areClosed, beat, lostCount } = openLanes();
  both.send(HEARTBEAT);
  both.flush();
  clock.leap(20_000);
  both.send(HEARTBEAT);
  both.flush();
  clock.advance(40);
  dialled[1]?.handlers.onData(ALIVE);
  beat(900);
  assertEquals([areClosed(), lostCount()], [[false, false], 0]);
  beat(300);
  assertEquals(areClosed(), [true, true]);
  both.stop();
});

Deno.test("if only one connection is silent only that one is dialled anew, and no entries are lost", () => {
  const { both, dialled, areClosed, beat, lostCount } = openLanes();
  for (let round = 0; round < 4; round++) {
    both.send(append(1 + round, 10));
    beat(300);
    dialled[0]?.handlers.onData(ALIVE);
  }
  assertEquals([areClosed(), lostCount()], [[false, true], 0]);
  both.stop();
});

Deno.test("a lost connection for entries leaves the other alone", () => {
  const { both, dialled, typesOf, lostCount } = lanes();
  for (const { handlers } of dialled) {
    handlers.onOpen();
    handlers.onData(WELCOME);
  }
  dialled[0]?.handlers.onClose("gone");
  assertEquals([dialled[1]?.isClosed, lostCount()], [false, 1]);
  for (const message of MESSAGES) both.send(message);
  both.flush();
  assertEquals(dialled.slice(0, 2).map(typesOf), [[], ["heartbeat", "vote"]]);
});
