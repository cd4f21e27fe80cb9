import { assertEquals } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import type { StreamHandlers } from "../../platform/network.ts";
import { BUILD_VERSIONS } from "../members/versions.ts";
import { FrameWriter } from "./frames.ts";
import { PeerInbox, PeerLives } from "./inbox.ts";

function frame(text: string): Uint8Array {
  const frames = new FrameWriter();
  frames.addText(text);
  return frames.take()[0] ?? new Uint8Array();
}

Deno.test("keepalives are not queued for a peer that never reads", () => {
  const clock = new ManualClock();
  let handlers: StreamHandlers | undefined;
  let pendingBytes = 0;
  let isRead = true;
  const inbox = new PeerInbox({
    remote: "n1",
    handle: (given) => handlers = given,
    write: ({ length }) => void (pendingBytes += isRead ? 0 : length),
    pendingBytes: () => pendingBytes,
    close() {},
  }, {
    self: "n2",
    entryBytesMax: 1_000,
    machine: BUILD_VERSIONS.machine,
    clock,
    onRefusal: (_who, _remote, reason) => {
      throw new Error(reason);
    },
    onHello: () => ({ type: "welcome", protocol: BUILD_VERSIONS.protocol.newest }),
    onMessage() {},
    onClose() {},
  });
  handlers?.onData(frame(JSON.stringify({
    ...BUILD_VERSIONS,
    ...{ cluster: "c1", from: "n1", to: "n2", host: "h", port: 1, lane: "urgent" },
    ...{ raftHost: "h", raftPort: 2, configuration: 0 },
    ...{ incarnation: "i", life: "l", founders: {}, isFounded: true },
  })));
  isRead = false;
  for (let round = 0; round < 10_000; round++) {
    handlers?.onData(frame('{"type":"heartbeat","term":1,"commit":0,"round":0}'));
    clock.advance(400);
  }
  assertEquals(pendingBytes > 0 && pendingBytes < 70_000, true, `${pendingBytes} bytes`);
  inbox.close();
});

Deno.test("restarts are not copies, however late the last messages of a process arrive", () => {
  const lives = new PeerLives();
  for (const life of ["a", "a", "b", "a", "a", "b", "b", "c", "b", "c", "d"]) {
    assertEquals(lives.admit("n1", life), true, life);
  }
});

Deno.test("of two processes in turns the one that came later is refused", () => {
  const lives = new PeerLives();
  const answers = new Map([["a", true], ["b", true]]);
  for (let turn = 0; turn < 10; turn++) {
    for (const life of ["a", "b"]) answers.set(life, lives.admit("n1", life));
    assertEquals(lives.admit("n2", "a"), true);
  }
  assertEquals([answers.get("a"), answers.get("b")], [true, false]);
  assertEquals(lives.admit("n1", "c"), true); // the first one was started again
  assertEquals(lives.admit("n1", "b"), false);
});

Deno.test("of several processes in turns the one that came first is kept, whoever speaks when it shows", () => {
  const lives = new PeerLives();
  for (const life of ["a", "b", "c", "a", "c", "a", "c", "b"]) {
    assertEquals(lives.admit("n1", life), true, life);
  }
  assertEquals(lives.admit("n1", "a"), true); // the sixth return: it shows
  assertEquals([lives.admit("n1", "b"), lives.admit("n1", "a")], [false, true]);
});

Deno.test("an inbox that is closed twice, or closed after its stream, ends once", () => {
  for (const isStreamFirst of [false, true]) {
    let handlers: StreamHandlers | undefined;
    const events: string[] = [];
    const inbox = new PeerInbox({
      remote: "n1",
      handle: (given) => handlers = given,
      write() {},
      pendingBytes: () => 0,
      close: () => void events.push("stream closed"),
    }, {
      self: "n2",
      entryBytesMax: 1_000,
      machine: BUILD_VERSIONS.machine,
      clock: new ManualClock(),
      onRefusal: () => {},
      onHello: () => ({ type: "welcome", protocol: BUILD_VERSIONS.protocol.newest }),
      onMessage() {},
      onClose: () => void events.push("ended"),
    });
    if (isStreamFirst) handlers?.onClose("reset");
    else inbox.close();
    inbox.close();
    assertEquals(events, isStreamFirst ? ["ended"] : ["stream closed", "ended"]);
  }
});
