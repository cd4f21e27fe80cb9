import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import {
  ADDRESSES,
  heartbeat,
  NOBODY,
  TransportMember,
  transportPair,
} from "../../../tests/support/node/transport_member.ts";
import type { Stream } from "../../platform/network.ts";
import { encodeEntry } from "../log/entry.ts";
import { BUILD_VERSIONS } from "../members/versions.ts";
import { FrameWriter } from "./frames.ts";

Deno.test("another cluster's node is refused with one line", async () => {
  const { clock, first, second } = await transportPair("c2");
  clock.advance(10_000); // it dials again and again
  first.transport.send(heartbeat(1));
  first.transport.flush();
  assertEquals(second.messages, []);
  assertEquals(second.logged.length, 1);
  assertMatch(second.logged[0] ?? "", /node n1 belongs to another cluster, c1/);
});

Deno.test("neighbouring versions of the protocol work together, and no others do", async () => {
  const clock = new ManualClock();
  for (
    const [ofFirst, ofSecond, isFine] of [
      [[3, 3], [3, 4], true],
      [[3, 4], [3, 3], true],
      [[3, 4], [4, 5], true],
      [[3, 3], [4, 5], false],
      [[4, 5], [2, 3], false],
    ] as const
  ) {
    const network = new MemoryNetwork(clock);
    const member = (id: string, [oldest, newest]: readonly [number, number]) =>
      new TransportMember(id, clock, network, "c1", undefined, undefined, { oldest, newest });
    const [first, second] = [member("n1", ofFirst), member("n2", ofSecond)];
    await first.start();
    await second.start();
    clock.advance(2_000);
    first.transport.send(heartbeat(1));
    first.transport.flush();
    clock.advance(10);
    assertEquals([second.messages.length, second.logged.length], isFine ? [1, 0] : [0, 1]);
    assertEquals(first.transport.isConnected("n2"), isFine);
    if (!isFine) {
      assertMatch(second.logged[0] ?? "", /n1 speaks protocol version 3|n1 speaks .* 4 to 5, and/);
    }
    first.transport.stop();
    second.transport.stop();
  }
});

Deno.test("a peer that accepts a connection and refuses the node does not count as connected", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const first = new TransportMember("n1", clock, network);
  await network.listen({ host: "memory", port: 17002 }, () => {});
  await first.start();
  clock.advance(500);
  assertEquals(first.transport.isConnected("n2"), false);
});

function frames(...texts: string[]): Uint8Array {
  const writer = new FrameWriter();
  texts.forEach((text) => writer.addText(text));
  return Buffer.concat(writer.take());
}

/** The hello of `n1` to `n2`. */
function helloOf(change: Record<string, unknown>): string {
  return JSON.stringify({
    ...BUILD_VERSIONS,
    ...{ cluster: "c1", from: "n1", to: "n2", host: "h", port: 1 },
    ...{ raftHost: "h", raftPort: 2, configuration: 0 },
    ...{ incarnation: "i", founders: {}, isFounded: true, ...change },
  });
}

/** Connections to `n2`, each with a hello and half a frame after it. */
async function manyToSecond(count: number, hello: (at: number) => string) {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const second = new TransportMember("n2", clock, network);
  await second.start();
  const open = new Map<number, Stream>();
  for (let at = 0; at < count; at++) {
    const stream = network.connect({ host: "memory", port: 17002 }, {
      onOpen: () => stream.write(Buffer.concat([frames(hello(at)), new Uint8Array([0, 0, 1, 0])])),
      onData() {},
      onClose: () => open.delete(at),
    });
    open.set(at, stream);
    clock.advance(5);
  }
  return { clock, network, second, open };
}

Deno.test("nonsense closes the connection with one line, and nothing else happens", async () => {
  const { clock, network, first, second } = await transportPair();
  const send = (feed: (stream: Stream) => void) => {
    let closed = false;
    const stream = network.connect({ host: "memory", port: 17002 }, {
      onOpen: () => feed(stream),
      onData() {},
      onClose: () => closed = true,
    });
    const before = second.logged.length;
    clock.advance(20);
    assertEquals([closed, second.logged.length - before], [true, 1]);
  };
  const hello = helloOf({ life: first.life });
  send((stream) => stream.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")));
  send((stream) => stream.write(frames('{"type":"heartbeat","term":1,"commit":0,"round":0}')));
  send((stream) => stream.write(frames(hello.replace('"n2"', '"n3"'))));
  send((stream) => stream.write(frames(hello.replace('"n1"', '"n9"'))));
  send((stream) => stream.write(frames(hello, "not json")));
  // Only a member may make a node buffer much, and only for entries.
  send((stream) => stream.write(new Uint8Array([0, 0, 0x20, 0])));
  send((stream) => stream.write(frames(" ".repeat(4097))));
  send((stream) => {
    stream.write(frames(hello));
    stream.write(new Uint8Array([0, 0x40, 0, 1]));
  });
  send((stream) => stream.write(frames(hello, '{"type":"vote","term":"x"}')));
  const noOp = Buffer.from(encodeEntry({ index: 2, term: 1, data: null, sizeBytes: 0 }));
  for (const entry of [noOp.toString("base64"), noOp.subarray(1).toString("base64"), "%", null]) {
    const fields = { type: "append", term: 1, prevIndex: 0, prevTerm: 0, commit: 0 };
    const append = JSON.stringify({ ...fields, entries: [entry] });
    send((stream) => stream.write(frames(hello, append)));
  }
  const part = { type: "entryPart", index: 1, offset: 0, sizeBytes: 10_001, bytes: "AAAA" };
  send((stream) => stream.write(frames(hello, JSON.stringify(part))));
  assertEquals(second.messages, []);
});

Deno.test("an unknown node may send if it knows a newer configuration", async () => {
  const { clock, network, second } = await transportPair();
  const stranger = new TransportMember("n9", clock, network);
  await stranger.transport.start();
  const addresses = new Map([...ADDRESSES].slice(1));
  const plan = { committedIndex: 0, committedMembers: new Set<string>(), addresses };
  stranger.transport.follow({ ...plan, ...NOBODY, index: 1 });
  clock.advance(1_000);
  assertMatch(second.logged.join(), /n9 is not a member of the cluster/);
  // Newer than the other's committed configuration, though not than its newest.
  stranger.transport.follow({ ...plan, ...NOBODY, index: 2 });
  clock.advance(2_000);
  assertEquals(second.announced.at(-1)?.[0], "n9");
  // And it gets a reply, though no plan has its address.
  second.transport.send({ ...heartbeat(7), from: "n2", to: "n9" });
  second.transport.flush();
  clock.advance(10);
  assertEquals(stranger.messages.length, 1);
});

Deno.test("a member may send until a configuration without it is committed", async () => {
  const { clock, network, second } = await transportPair();
  const leader = new TransportMember("n9", clock, network);
  await leader.transport.start();
  const plan = { committedIndex: 0, committedMembers: new Set([...ADDRESSES.keys(), "n9"]) };
  const [toFirst, toSecond] = [[...ADDRESSES].slice(0, 1), [...ADDRESSES].slice(1)];
  leader.transport.follow({ ...plan, index: 0, addresses: new Map(toSecond), ...NOBODY });
  // The newest configuration in the other's log lacks it, and was never committed.
  second.transport.follow({ ...plan, index: 4, addresses: new Map(toFirst), ...NOBODY });
  clock.advance(1_000);
  assertEquals(second.announced.at(-1)?.[0], "n9");
  leader.transport.send({ ...heartbeat(7), from: "n9", to: "n2" });
  leader.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
});

Deno.test("a removed peer is notified, and heard no more", async () => {
  const { clock, first, second } = await transportPair();
  second.transport.follow({
    index: 3,
    committedIndex: 3,
    committedMembers: new Set<string>(),
    addresses: new Map(),
    incarnations: new Map(),
    removed: ["n1"],
  });
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1, "the last words of who leaves are heard");
  clock.advance(5_000);
  assertGreater(first.removedCount, 0);
  assertEquals([second.removedCount, second.transport.isConnected("n1")], [0, false]);
  first.transport.send(heartbeat(2));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
});

Deno.test("another cluster's notice that a node is removed counts for nothing", async () => {
  const { clock, first, second } = await transportPair("c2");
  second.transport.follow({
    index: 3,
    committedIndex: 3,
    committedMembers: new Set<string>(),
    addresses: new Map(),
    incarnations: new Map(),
    removed: ["n1"],
  });
  clock.advance(5_000);
  assertEquals(first.removedCount, 0);
});

Deno.test("a peer with another data directory than the recorded one is notified, and not heard", async () => {
  const { clock, first, second } = await transportPair();
  const plan = { index: 5, committedIndex: 5, committedMembers: new Set(ADDRESSES.keys()) };
  const addresses = new Map([...ADDRESSES].slice(0, 1));
  const follow = (incarnation: string) =>
    second.transport.follow({
      ...{ ...plan, addresses, removed: [], incarnations: new Map([["n1", incarnation]]) },
    });
  follow("directory of n1");
  first.transport.renew();
  clock.advance(200);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals([second.messages.length, first.refusals], [1, []]);
  follow("another directory");
  first.transport.renew();
  clock.advance(200);
  first.transport.send(heartbeat(2));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
  assertEquals(first.refusals[0], "stranger by n2 at memory:7002");
  assertMatch(second.logged.join(), /n1 runs on another data directory than the one that the/);
});

Deno.test("of two processes with one data directory the later one is notified, and not heard", async () => {
  const { clock, network, first, second } = await transportPair();
  const copy = new TransportMember("n1", clock, network, "c1", undefined, 17_005);
  await copy.start();
  clock.advance(20_000);
  assertEquals([copy.refusals[0], first.refusals], ["copy by n2 at memory:7002", []]);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
  copy.transport.stop();
  first.transport.stop();
  const again = new TransportMember("n1", clock, network);
  await again.start();
  clock.advance(1_000);
  again.transport.send(heartbeat(2));
  again.transport.flush();
  clock.advance(10);
  assertEquals([second.messages.length, again.refusals], [2, []]);
});

Deno.test("a connection without a hello is closed in time, however slowly it sends, and never crowds members out", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const second = new TransportMember("n2", clock, network);
  await second.start();
  let closedCount = 0;
  const dial = () =>
    network.connect({ host: "memory", port: 17002 }, {
      onOpen() {},
      onData() {},
      onClose: () => closedCount++,
    });
  const silent = Array.from({ length: 200 }, dial);
  clock.advance(10);
  assertEquals(closedCount, 200 - 64);
  const first = new TransportMember("n1", clock, network);
  await first.start();
  clock.advance(100);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
  for (let at = 0; at < 40; at++) {
    silent.at(-1)?.write(new Uint8Array([[0, 0, 1, 0][at] ?? 0x20]));
    clock.advance(100);
  }
  assertEquals(closedCount, 200);
  assertEquals(second.logged.length, 2, second.logged.join());
  assertEquals(first.transport.isConnected("n2"), true);
});

Deno.test("the newest connection of a process for each purpose counts, and all others are closed", async () => {
  const lanes = ["bulk", "urgent", "bulk", undefined, undefined, "urgent", undefined];
  const { clock, second, open } = await manyToSecond(
    70,
    (at) => helloOf({ life: "one", lane: lanes[at % lanes.length] }),
  );
  assertEquals([...open.keys()], [65, 67, 68, 69]);
  // Each is heard: this ends the frame of 256 bytes that it started.
  const text = '{"type":"heartbeat","term":1,"commit":0,"round":0}'.padEnd(256);
  for (const stream of open.values()) stream.write(text);
  clock.advance(5);
  assertEquals(second.messages.length, 4);
});

Deno.test("a member connects despite any number of unknown nodes", async () => {
  const { clock, network, second, open } = await manyToSecond(
    200,
    (at) => helloOf({ from: `x${at}`, life: "one", lane: "bulk", configuration: 99 }),
  );
  assertEquals(open.size, 64);
  assertMatch(second.logged.join(), /more than 64 nodes that are not members say hello/);
  const first = new TransportMember("n1", clock, network);
  await first.start();
  clock.advance(600);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
});

Deno.test("a peer that no plan names is not dialled, and is reported as such", async () => {
  const { first } = await transportPair();
  assertEquals(first.transport.problem("n2"), null);
  assertEquals(first.transport.problem("n9"), "not dialled yet");
});

Deno.test("refusals are logged once a minute each, however many different ones come between", async () => {
  const { clock, network, second } = await manyToSecond(
    1_000,
    (at) => helloOf({ from: `x${at}`, life: "l" }),
  );
  assertEquals(second.logged.length, 1_000);
  const again = (from: string) => {
    const stream = network.connect({ host: "memory", port: 17002 }, {
      onOpen: () => stream.write(frames(helloOf({ from, life: "l" }))),
      onData() {},
      onClose() {},
    });
    clock.advance(5);
    return second.logged.length;
  };
  assertEquals(again("x999"), 1_000);
  assertEquals(again("y"), 1_001); // more are not remembered: all are forgotten
  assertEquals([again("y"), again("x999")], [1_001, 1_002]);
});
