import { Buffer } from "node:buffer";
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { latin1 } from "../../base/latin1.ts";
import { seededRandom } from "../../base/random.ts";
import type { PeerMessage } from "./peer_message.ts";
import type { NodeId } from "../../raft/types.ts";
import { Batch } from "../entry.ts";
import { encodeEntry } from "../log/entry_codec.ts";
import type { Address, Network, Stream } from "../network.ts";
import { ManualClock } from "../testing/manual_clock.ts";
import { MemoryNetwork } from "../testing/memory_network.ts";
import { FrameWriter } from "./frame_writer.ts";
import type { PeerPlan } from "./peer_plan.ts";
import { PeerTransport } from "./peer_transport.ts";

const ADDRESSES: ReadonlyMap<NodeId, Address> = new Map([
  ["n1", { host: "memory", port: 17001 }],
  ["n2", { host: "memory", port: 17002 }],
]);

/** One member with nothing above its transport but a record of what it is told. */
class Member {
  readonly messages: PeerMessage[] = [];
  readonly lost: NodeId[] = [];
  readonly announced: [NodeId, Address][] = [];
  readonly logged: string[] = [];
  readonly transport: PeerTransport;
  readonly #plan: PeerPlan;
  removedCount = 0;

  constructor(
    id: NodeId,
    clock: ManualClock,
    network: MemoryNetwork,
    clusterId = "c1",
    own?: Network,
    port = ADDRESSES.get(id)?.port ?? 17009,
  ) {
    const listen = { host: "memory", port };
    const log = (line: string) => this.logged.push(line);
    this.transport = new PeerTransport({
      id,
      clusterId,
      listen,
      clientAddress: { host: "memory", port: listen.port - 10_000 },
      frameBytesMax: 10_000,
      network: own ?? network.of(listen.port),
      clock,
      random: seededRandom(1),
      logger: { info: log, warn: log, error: log },
    }, {
      message: (message) => this.messages.push(message),
      unreachable: (peer) => this.lost.push(peer),
      announced: (peer, address) => this.announced.push([peer, address]),
      removed: () => this.removedCount++,
    });
    this.#plan = {
      index: 5,
      committedIndex: 1,
      committedMembers: new Set(ADDRESSES.keys()),
      addresses: new Map([...ADDRESSES].filter(([peer]) => peer !== id)),
      removed: [],
    };
  }

  async start(): Promise<void> {
    await this.transport.start();
    this.transport.follow(this.#plan);
  }
}

function heartbeat(round: number): PeerMessage {
  return { type: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, round };
}

async function pair(clusterOfSecond = "c1") {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const first = new Member("n1", clock, network);
  const second = new Member("n2", clock, network, clusterOfSecond);
  await first.start();
  await second.start();
  clock.advance(100);
  return { clock, network, first, second };
}

Deno.test("messages and entries arrive, what is urgent first, and addresses are announced", async () => {
  const { clock, first, second } = await pair();
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

Deno.test("another cluster's node is turned away with one line", async () => {
  const { clock, first, second } = await pair("c2");
  clock.advance(10_000); // it dials again and again
  first.transport.send(heartbeat(1));
  first.transport.flush();
  assertEquals(second.messages, []);
  assertEquals(second.logged.length, 1);
  assertMatch(second.logged[0] ?? "", /node n1 belongs to another cluster, c1/);
});

Deno.test("nonsense closes the connection with one line, and nothing else happens", async () => {
  const { clock, network, second } = await pair();
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
  const frames = (...texts: string[]) => {
    const writer = new FrameWriter();
    texts.forEach((text) => writer.addText(text));
    return Buffer.concat(writer.take());
  };
  const hello = JSON.stringify({
    ...{ regent: 2, cluster: "c1", from: "n1", to: "n2", host: "h", port: 1 },
    ...{ raftHost: "h", raftPort: 2, configuration: 0 },
  });
  send((stream) => stream.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n")));
  send((stream) => stream.write(frames('{"type":"heartbeat","term":1,"commit":0,"round":0}')));
  send((stream) => stream.write(frames(hello.replace('"n2"', '"n3"'))));
  send((stream) => stream.write(frames(hello.replace('"n1"', '"n9"'))));
  send((stream) => stream.write(frames(hello, "not json")));
  // Only a member may make a node keep much, and only for entries.
  send((stream) => stream.write(new Uint8Array([0, 0, 0x20, 0])));
  send((stream) => stream.write(frames(hello, " ".repeat(5000))));
  send((stream) => stream.write(frames(hello, '{"type":"vote","term":"x"}')));
  const append = '{"type":"append","term":1,"prevIndex":0,"prevTerm":0,"commit":0,"entries":1}';
  const noOp = latin1(encodeEntry({ index: 2, term: 1, data: null, sizeBytes: 0 }), 0, 17);
  send((stream) => stream.write(frames(hello, append, noOp)));
  send((stream) => stream.write(frames(hello, append, noOp.slice(1))));
  assertEquals(second.messages, []);
});

Deno.test("a broken connection is dialled again, and the loss is told", async () => {
  const { clock, network, first, second } = await pair();
  second.transport.stop();
  clock.advance(1_000);
  assertEquals(new Set(first.lost), new Set(["n2"]));
  assertEquals(first.transport.isConnected("n2"), false);
  const returned = new Member("n2", clock, network);
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
  const first = new Member("n1", clock, network, "c1", {
    listen: (address, accept) => network.listen(address, accept),
    connect(address, handlers) {
      dials++;
      if (!isSwallowing) return network.connect(address, handlers);
      const dial = dials;
      const close = () => closed.push(dial);
      return { remote: "n2", pendingBytes: () => 0, write() {}, handle() {}, close };
    },
  });
  const second = new Member("n2", clock, network);
  await first.start();
  await second.start();
  clock.advance(10_000);
  assertGreater(dials, 5);
  assertEquals(closed.length, dials - 2); // one under way for each connection
  isSwallowing = false;
  clock.advance(2_000);
  assertEquals(first.transport.isConnected("n2"), true);
  const atLast = dials;
  clock.advance(10_000);
  assertEquals(dials, atLast);
});

Deno.test("a peer that comes back and dials is dialled at once, whatever the back-off", async () => {
  const { clock, network, first, second } = await pair();
  second.transport.stop();
  clock.advance(10_000);
  const returned = new Member("n2", clock, network);
  await returned.start();
  clock.advance(10);
  first.transport.send(heartbeat(1));
  first.transport.flush();
  clock.advance(10);
  assertEquals(returned.messages.length, 1);
});

Deno.test("a peer that shows no sign of life is dialled anew", async () => {
  const { clock, network, first } = await pair();
  network.isolate(17002);
  for (let round = 0; round < 30; round++) {
    first.transport.send(heartbeat(round));
    first.transport.flush();
    clock.advance(50);
  }
  assertEquals(new Set(first.lost), new Set(["n2"]));
});

Deno.test("entries that come seldom find their connection alive", async () => {
  const { clock, first, second } = await pair();
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

Deno.test("whoever is not known may speak if it knows a newer configuration", async () => {
  const { clock, network, second } = await pair();
  const stranger = new Member("n9", clock, network);
  await stranger.transport.start();
  const addresses = new Map([...ADDRESSES].slice(1));
  const plan = { committedIndex: 0, committedMembers: new Set<string>(), addresses, removed: [] };
  stranger.transport.follow({ ...plan, index: 1 });
  clock.advance(1_000);
  assertMatch(second.logged.join(), /n9 is no member of the cluster/);
  // Newer than what is committed at the other, though not than all that it has.
  stranger.transport.follow({ ...plan, index: 2 });
  clock.advance(2_000);
  assertEquals(second.announced.at(-1)?.[0], "n9");
  // And it is answered, though no plan says where it is.
  second.transport.send({ ...heartbeat(7), from: "n2", to: "n9" });
  second.transport.flush();
  clock.advance(10);
  assertEquals(stranger.messages.length, 1);
});

Deno.test("a member speaks until a configuration without it is committed", async () => {
  const { clock, network, second } = await pair();
  const leader = new Member("n9", clock, network);
  await leader.transport.start();
  const plan = { committedIndex: 0, committedMembers: new Set([...ADDRESSES.keys(), "n9"]) };
  const [toFirst, toSecond] = [[...ADDRESSES].slice(0, 1), [...ADDRESSES].slice(1)];
  leader.transport.follow({ ...plan, index: 0, addresses: new Map(toSecond), removed: [] });
  // The newest configuration that the other has in its log is without it, and was never committed.
  second.transport.follow({ ...plan, index: 4, addresses: new Map(toFirst), removed: [] });
  clock.advance(1_000);
  assertEquals(second.announced.at(-1)?.[0], "n9");
  leader.transport.send({ ...heartbeat(7), from: "n9", to: "n2" });
  leader.transport.flush();
  clock.advance(10);
  assertEquals(second.messages.length, 1);
});

Deno.test("a removed peer is told so, and heard no more", async () => {
  const { clock, first, second } = await pair();
  second.transport.follow({
    index: 3,
    committedIndex: 3,
    committedMembers: new Set<string>(),
    addresses: new Map(),
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

Deno.test("another cluster's word that somebody is removed counts for nothing", async () => {
  const { clock, first, second } = await pair("c2");
  second.transport.follow({
    index: 3,
    committedIndex: 3,
    committedMembers: new Set<string>(),
    addresses: new Map(),
    removed: ["n1"],
  });
  clock.advance(5_000);
  assertEquals(first.removedCount, 0);
});

Deno.test("a peer that has moved is dialled where it says it is, and where it was", async () => {
  const { clock, network, first, second } = await pair();
  second.transport.stop();
  const moved = new Member("n2", clock, network, "c1", network.of(17055), 17055);
  await moved.start();
  clock.advance(2_000);
  assertEquals(first.transport.isConnected("n2"), true);
  moved.transport.stop();
  const back = new Member("n2", clock, network);
  await back.transport.start(); // it dials nobody: it has to be found
  clock.advance(5_000);
  assertEquals(first.transport.isConnected("n2"), true);
});
