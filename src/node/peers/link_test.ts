import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import { TransportMember } from "../../../tests/support/node/transport_member.ts";
import { seededRandom } from "../../base/random.ts";
import type { Network, StreamHandlers } from "../../platform/network.ts";
import { type FramePiece, FrameWriter } from "./frames.ts";
import { PacedOutput, PeerLink } from "./link.ts";

Deno.test("a peer that does not read gets no more, and the loss is reported", () => {
  let handlers: StreamHandlers | undefined;
  let pendingBytes = 0;
  let writeCount = 0;
  const lost: string[] = [];
  const link = new PeerLink({ host: "memory", port: 17002 }, {
    peer: "n2",
    hello: () => "{}",
    onNotice: () => {},
    patienceMs: () => 0,
    protocol: { oldest: 3, newest: 3 },
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_address, given) => {
        handlers = given;
        return {
          remote: "n2",
          handle() {},
          write: () => void writeCount++,
          pendingBytes: () => pendingBytes,
          close() {},
        };
      },
    },
    clock: new ManualClock(),
    random: seededRandom(1),
    onLost: (peer) => lost.push(peer),
  });
  handlers?.onOpen();
  const welcome = new FrameWriter();
  welcome.addText('{"type":"welcome","protocol":3}');
  welcome.take().forEach((piece) => handlers?.onData(piece));
  const sendOne = () => {
    link.send({ type: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, round: 0 });
    link.flush();
    return [writeCount, lost.length];
  };
  assertEquals(sendOne(), [2, 0]); // after the hello
  pendingBytes = 2 ** 30;
  assertEquals(sendOne(), [2, 1]);
  pendingBytes = 0;
  assertEquals(sendOne(), [3, 1]);
});

Deno.test("the reason why a link does not open is reported with the address, an IPv6 host in brackets", () => {
  let handlers: StreamHandlers | undefined;
  const link = new PeerLink({ host: "::1", port: 17002 }, {
    peer: "n2",
    hello: () => "{}",
    onNotice: () => {},
    patienceMs: () => 0,
    protocol: { oldest: 3, newest: 3 },
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_address, given) => {
        handlers = given;
        return { remote: "n2", handle() {}, write() {}, pendingBytes: () => 0, close() {} };
      },
    },
    clock: new ManualClock(),
    random: seededRandom(1),
    onLost: () => {},
  });
  handlers?.onClose("refused");
  assertEquals(link.problem, "[::1]:17002: refused");
});

Deno.test("a peer that has moved before anybody answered is dialled at the new address first", () => {
  const dialled: number[] = [];
  const clock = new ManualClock();
  const link = new PeerLink({ host: "memory", port: 1 }, {
    peer: "n2",
    hello: () => "{}",
    onNotice: () => {},
    patienceMs: () => 0,
    protocol: { oldest: 3, newest: 3 },
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: ({ port }) => {
        dialled.push(port);
        return { remote: "n2", handle() {}, write() {}, pendingBytes: () => 0, close() {} };
      },
    },
    clock,
    random: seededRandom(1),
    onLost: () => {},
  });
  link.moveTo({ host: "memory", port: 2 });
  clock.advance(100);
  assertEquals(dialled, [1, 2]);
  clock.advance(1_200); // nobody answers: perhaps it is where it was
  assertEquals(dialled, [1, 2, 1]);
  link.stop();
});

/** A transport whose only peer is played by the test. */
async function transportTo() {
  const clock = new ManualClock();
  const dialled: StreamHandlers[] = [];
  const closed: StreamHandlers[] = [];
  const network: Network = {
    listen: (address) => Promise.resolve({ address, close: () => {} }),
    connect: (_address, handlers) => {
      dialled.push(handlers);
      const close = () => void closed.push(handlers);
      return { remote: "n2", handle() {}, write() {}, pendingBytes: () => 0, close };
    },
  };
  const member = new TransportMember("n1", clock, new MemoryNetwork(clock), "c1", network);
  await member.start();
  const say = (text: string) => {
    const frames = new FrameWriter();
    frames.addText(text);
    for (const piece of frames.take()) dialled[0]?.onData(piece);
  };
  const end = () => member.transport.stop();
  dialled[0]?.onOpen();
  return { clock, member, dialled, closed, say, end };
}

Deno.test("a notice that a node is removed or a stranger counts for the named node, in this cluster alone", async () => {
  const { member, say, end } = await transportTo();
  for (const type of ["removed", "stranger", "copy"]) {
    say(JSON.stringify({ type, cluster: "c2", to: "n1", at: null }));
    say(JSON.stringify({ type, cluster: "c1", to: "n3", at: null }));
    say(JSON.stringify({ type, cluster: "c1", at: null }));
  }
  assertEquals([member.removedCount, member.refusals], [0, []]);
  say(JSON.stringify({ type: "removed", cluster: "c1", to: "n1", at: null }));
  say(JSON.stringify({ type: "copy", cluster: "c1", to: "n1", at: null }));
  assertEquals([member.removedCount, member.refusals], [1, ["copy by n2 at undefined:undefined"]]);
  end();
});

Deno.test("a peer that answers nonsense loses the connection, is dialled again and ends nothing", async () => {
  const WELCOME = '{"type":"welcome","protocol":3}';
  const nonsense = ["no JSON", "[]", "7", "null", '{"type":"welcome","protocol":99}', "{}"];
  for (const text of nonsense) {
    const { clock, member, dialled, closed, say, end } = await transportTo();
    say(text);
    assertEquals(
      [closed.includes(dialled[0] as StreamHandlers), dialled.length >= 1],
      [true, true],
      text,
    );
    const before = dialled.length;
    clock.advance(1_000);
    assert(dialled.length > before, text);
    assertEquals(member.transport.isConnected("n2"), false);
    end();
  }
  const { clock, dialled, closed, say, end } = await transportTo();
  say(WELCOME);
  const [first] = dialled;
  const header = new Uint8Array([0xff, 0xff, 0xff, 0xff]); // a frame of 4 GiB
  first?.onData(header);
  assert(closed.includes(first as StreamHandlers));
  clock.advance(1_000);
  end();
});

Deno.test("a transport that was stopped dials nobody again, whatever its connections report at the end", async () => {
  const { clock, member, dialled, say, end } = await transportTo();
  say('{"type":"welcome","protocol":3}');
  const count = dialled.length;
  end();
  for (const handlers of [...dialled]) handlers.onClose("closed by the other side");
  clock.advance(60_000);
  assertEquals([dialled.length, member.lost], [count, []]);
});

const PART_BYTES = 256 * 1024;
/** The bytes that a stream takes at once, and one piece that starts within them. */
const AT_ONCE_BYTES_MAX = 1024 * 1024 + PART_BYTES;

/** A stream that takes what the test says. */
function make() {
  const clock = new ManualClock();
  const written: Uint8Array[] = [];
  let pendingBytes = 0;
  const stream = {
    remote: "n2",
    handle() {},
    close() {},
    pendingBytes: () => pendingBytes,
    write(data: Uint8Array | string) {
      assert(data instanceof Uint8Array);
      written.push(data);
      pendingBytes += data.length;
    },
  };
  const take = (bytes: number) => pendingBytes = Math.max(0, pendingBytes - bytes);
  return { clock, written, take, output: new PacedOutput(stream, clock) };
}

const parts = (count: number, made: number[]): FramePiece[] =>
  Array.from({ length: count }, (_, number) => ({
    length: PART_BYTES,
    make() {
      made.push(number);
      return [new Uint8Array(PART_BYTES).fill(number)];
    },
  }));

Deno.test("small messages are sent at once", () => {
  const { written, output } = make();
  output.add([Uint8Array.of(1), Uint8Array.of(2)]);
  assertEquals(written, [Uint8Array.of(1), Uint8Array.of(2)]);
  assertEquals(output.pendingBytes, 2);
});

Deno.test("a large entry is sent as the peer reads it, in order, and is not encoded sooner", () => {
  const { clock, written, take, output } = make();
  const made: number[] = [];
  output.add(parts(64, made));
  output.add([Uint8Array.of(99)]);
  assertEquals(output.pendingBytes, 64 * PART_BYTES + 1);
  let leftBytes = 0;
  const bytesWritten = () => written.reduce((sum, { length }) => sum + length, 0);
  while (bytesWritten() < 64 * PART_BYTES + 1) {
    assert(bytesWritten() - leftBytes <= AT_ONCE_BYTES_MAX, "more at once than it is to hold");
    leftBytes += 2 * PART_BYTES;
    take(2 * PART_BYTES);
    clock.advance(1);
  }
  assertEquals(made, Array.from({ length: 64 }, (_, number) => number));
  assertEquals(written.map(([first]) => first), [...made, 99]);
});

Deno.test("a peer that reads nothing gets no more, and nothing is written after the end", () => {
  const { clock, written, take, output } = make();
  const made: number[] = [];
  output.add(parts(64, made));
  clock.advance(1_000);
  assert(made.length * PART_BYTES <= AT_ONCE_BYTES_MAX);
  const { length } = written;
  output.stop();
  take(Infinity);
  clock.advance(1_000);
  assertEquals(written.length, length);
  assertEquals(output.pendingBytes, 0);
});

Deno.test("messages without a connection are lost, and never sent on a later one", () => {
  const clock = new ManualClock();
  const dialled: StreamHandlers[] = [];
  const written: string[] = [];
  const link = new PeerLink({ host: "memory", port: 17002 }, {
    peer: "n2",
    hello: () => "{}",
    onNotice: () => {},
    patienceMs: () => 0,
    protocol: { oldest: 3, newest: 3 },
    network: {
      listen: () => Promise.reject(new Error("nobody listens here")),
      connect: (_address, given) => {
        dialled.push(given);
        const write = (data: Uint8Array | string) =>
          void written.push(typeof data === "string" ? data : new TextDecoder().decode(data));
        return { remote: "n2", handle() {}, write, pendingBytes: () => 0, close() {} };
      },
    },
    clock,
    random: seededRandom(1),
    onLost: () => {},
  });
  const welcome = new FrameWriter();
  welcome.addText('{"type":"welcome","protocol":3}');
  const pieces = welcome.take();
  const open = () => {
    dialled.at(-1)?.onOpen();
    for (const piece of pieces) dialled.at(-1)?.onData(piece);
  };
  const send = (round: number) =>
    link.send({ type: "heartbeat", from: "n1", to: "n2", term: 1, commit: 0, round });
  send(1);
  open();
  link.flush();
  send(2);
  dialled.at(-1)?.onClose("reset"); // in the turn in which it was sent
  link.flush();
  for (let step = 0; step < 100 && dialled.length === 1; step++) clock.advance(10);
  open();
  send(3);
  link.flush();
  const rounds = written.join("").match(/"round":\d/g);
  assertEquals([dialled.length, rounds], [2, ['"round":3']]);
  link.stop();
});
