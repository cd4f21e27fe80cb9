import { assertEquals, assertGreater } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import {
  ADDRESSES,
  heartbeat,
  NOBODY,
  TransportMember,
  transportPair,
} from "../../../tests/support/node/transport_member.ts";
import type { Network } from "../../platform/network.ts";
import { Batch } from "../log/entry.ts";

Deno.test("a connection that arrives after the end is closed", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const { connect, listen } = network.of(17002);
  const late: Network = {
    connect,
    listen: async (...a) => ({ ...await listen(...a), close() {} }),
  };
  const first = new TransportMember("n1", clock, network);
  const second = new TransportMember("n2", clock, network, "c1", late);
  for (const member of [first, second]) await member.start();
  clock.advance(100);
  second.transport.stop();
  clock.advance(3_000);
  assertEquals(first.transport.isConnected("n2"), false);
});

Deno.test("messages and entries arrive, urgent ones first, and addresses are announced", async () => {
  const { clock, first, second } = await transportPair();
  const entries = [1, 2].map((index) => ({
    index,
    term: 1,
    data: new Batch(5, [["SET", "k", `\x00\xff${index}`]]),
    sizeBytes: 10,
  }));
  first.transport.send(heartbeat(1));
  first.transport.send({
    ...{ type: "append", from: "n1", to: "n2", term: 1 },
    ...{ prevIndex: 0, prevTerm: 0, commit: 0, entries },
  });
  first.transport.send(heartbeat(2));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.map(({ type }) => type), ["heartbeat", "heartbeat", "append"]);
  const [, , append] = second.messages;
  const commands = append?.type === "append" ? append.entries.map((one) => one.data?.commands) : [];
  assertEquals(commands, [[["SET", "k", "\x00\xff1"]], [["SET", "k", "\x00\xff2"]]]);
  const address = { host: "memory", port: 7001 };
  assertEquals(second.announced, [["n1", address], ["n1", address]]); // by each connection
});

Deno.test("a broken connection is dialled again, and the loss is reported", async () => {
  const { clock, network, first, second } = await transportPair();
  second.transport.stop();
  clock.advance(1_000);
  assertEquals(new Set(first.lost), new Set(["n2"]));
  assertEquals(first.transport.isConnected("n2"), false);
  const returned = new TransportMember("n2", clock, network);
  await returned.start();
  clock.advance(2_000);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(returned.messages.length, 1);
});

Deno.test("a connection that does not open is given up and dialled anew", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const closed: number[] = [];
  let dials = 0;
  let isSwallowing = true;
  const first = new TransportMember("n1", clock, network, "c1", {
    listen: (address, accept) => network.listen(address, accept),
    connect(address, handlers) {
      dials++;
      if (!isSwallowing) return network.connect(address, handlers);
      const dial = dials;
      const close = () => closed.push(dial);
      return { remote: "n2", pendingBytes: () => 0, write() {}, handle() {}, close };
    },
  });
  const second = new TransportMember("n2", clock, network);
  await first.start();
  await second.start();
  clock.advance(10_000);
  assertGreater(dials, 5);
  assertEquals(closed.length, dials - 2); // one in flight for each connection
  isSwallowing = false;
  clock.advance(2_000);
  assertEquals(first.transport.isConnected("n2"), true);
  const atLast = dials;
  clock.advance(10_000);
  assertEquals(dials, atLast);
});

Deno.test("a peer that comes back and dials is dialled at once, whatever the back-off", async () => {
  const { clock, network, first, second } = await transportPair();
  second.transport.stop();
  clock.advance(10_000);
  const returned = new TransportMember("n2", clock, network);
  await returned.start();
  clock.advance(10);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(returned.messages.length, 1);
});

Deno.test("a peer without signs of life is dialled anew", async () => {
  const { clock, network, first } = await transportPair();
  network.isolate(17002);
  for (let round = 0; round < 30; round++) {
    first.transport.send(heartbeat(round));
    first.transport.flush();
    clock.advance(50);
  }
  assertEquals(new Set(first.lost), new Set(["n2"]));
});

Deno.test("rare entries find their connection alive", async () => {
  const { clock, first, second } = await transportPair();
  const append = () => {
    first.transport.send({
      ...{ type: "append", from: "n1", to: "n2", term: 1 },
      ...{ prevIndex: 0, prevTerm: 0, commit: 0, entries: [] },
    });
    first.transport.flush();
  };
  for (const pauseMs of [100, 5_000, 100, 100, 60_000]) {
    append();
    clock.advance(pauseMs);
  }
  assertEquals([second.messages.length, first.lost], [5, []]);
});

Deno.test("a peer that has moved is dialled where it says it is, and where it was", async () => {
  const { clock, network, first, second } = await transportPair();
  second.transport.stop();
  const moved = new TransportMember("n2", clock, network, "c1", network.of(17055), 17055);
  await moved.start();
  clock.advance(2_000);
  assertEquals(first.transport.isConnected("n2"), true);
  moved.transport.stop();
  const back = new TransportMember("n2", clock, network);
  await back.transport.start(); // it dials nobody: it has to be found
  clock.advance(5_000);
  assertEquals(first.transport.isConnected("n2"), true);
});

Deno.test("a member that is added again before its link is closed keeps its connections", async () => {
  const { clock, first, second } = await transportPair();
  const plan = { index: 6, committedIndex: 1, committedMembers: new Set(ADDRESSES.keys()) };
  first.transport.follow({ ...plan, addresses: new Map(), ...NOBODY });
  clock.advance(1_000);
  const addresses = new Map([...ADDRESSES].slice(1));
  first.transport.follow({ ...plan, index: 7, addresses, ...NOBODY });
  clock.advance(4_000);
  assertEquals([first.transport.isConnected("n2"), second.lost], [true, []]);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
});
