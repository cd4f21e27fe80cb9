import { assert, assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import { TransportMember } from "../../../tests/support/node/transport_member.ts";
import { seededRandom } from "../../base/random.ts";
import type { Network, StreamHandlers } from "../../platform/network.ts";
import { FrameWriter } from "./frames.ts";
import { PeerLink } from "./link.ts";

Deno.test("a peer that does not read gets no more, and the loss is told", () => {
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

/** A transport whose only peer is what the test makes of it. */
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

Deno.test("a word that somebody is removed or a stranger counts for whom it names, in this cluster alone", async () => {
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

Deno.test("a transport that was stopped dials nobody again, whatever its connections say at the end", async () => {
  const { clock, member, dialled, say, end } = await transportTo();
  say('{"type":"welcome","protocol":3}');
  const count = dialled.length;
  end();
  for (const handlers of [...dialled]) handlers.onClose("closed by the other side");
  clock.advance(60_000);
  assertEquals([dialled.length, member.lost], [count, []]);
});
