import { assertEquals } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../tests/support/node/memory_network.ts";
import { silentLogger } from "../base/logger.ts";
import type { Stream } from "../platform/network.ts";
import { Faults } from "./faults.ts";
import { FaultyNetwork } from "./faulty_network.ts";

const OWN = { host: "memory", port: 1 };
const OTHER = { host: "memory", port: 2 };

/** Records the events at one end of a stream as words. */
function recorder() {
  const events: string[] = [];
  const handlers = {
    onOpen: () => events.push("open"),
    onData: (bytes: Uint8Array) => events.push(new TextDecoder().decode(bytes)),
    onClose: () => events.push("close"),
  };
  return { events, handlers };
}

/** A node that can be paused, and another one on the same network, both listening. */
async function start() {
  const clock = new ManualClock();
  const faults = new Faults(clock, silentLogger);
  const network = new MemoryNetwork(clock);
  const faulty = new FaultyNetwork(network, faults);
  const [own, other] = [recorder(), recorder()];
  const accepted: { own: Stream[]; other: Stream[] } = { own: [], other: [] };
  await faulty.listen(OWN, (stream) => {
    stream.handle(own.handlers);
    accepted.own.push(stream);
  });
  await network.listen(OTHER, (stream) => {
    stream.handle(other.handlers);
    accepted.other.push(stream);
  });
  return { clock, faults, network, faulty, own, other, accepted };
}

const text = (words: string) => new TextEncoder().encode(words);

Deno.test("without a pause, streams are unchanged", async () => {
  const { clock, network, faulty, own, other, accepted } = await start();
  const [dialled, dialler] = [recorder(), recorder()];
  const out = faulty.connect(OTHER, dialled.handlers);
  network.connect(OWN, dialler.handlers);
  clock.advance(10);
  out.write(text("hello"));
  accepted.own[0]?.write(text("who"));
  clock.advance(10);
  accepted.other[0]?.close();
  accepted.own[0]?.close();
  clock.advance(10);
  assertEquals([dialled.events, other.events], [["open", "close"], ["hello"]]);
  assertEquals([dialler.events, own.events], [["open", "who", "close"], []]);
});

Deno.test("a pause keeps streams open and silent; its end closes them at both sides", async () => {
  const { clock, faults, network, faulty, own, other, accepted } = await start();
  const [dialled, dialler] = [recorder(), recorder()];
  const out = faulty.connect(OTHER, dialled.handlers);
  const into = network.connect(OWN, dialler.handlers);
  clock.advance(10);
  faults.begin({ kind: "pause" }, 100);
  out.write(text("lost"));
  into.write(text("lost"));
  accepted.own[0]?.write(text("lost"));
  accepted.other[0]?.write(text("lost"));
  clock.advance(99);
  assertEquals([dialled.events, dialler.events], [["open"], ["open"]]);
  assertEquals([own.events, other.events], [[], []]);
  clock.advance(10);
  for (const end of [dialled, dialler]) assertEquals(end.events, ["open", "close"]);
  for (const end of [own, other]) assertEquals(end.events, ["close"]);
});

Deno.test("during a pause new streams are accepted and silent, and none is dialled", async () => {
  const { clock, faults, network, faulty, own, accepted } = await start();
  const [dialled, dialler] = [recorder(), recorder()];
  faults.begin({ kind: "pause" }, null);
  faulty.connect(OTHER, dialled.handlers);
  const into = network.connect(OWN, dialler.handlers);
  clock.advance(10);
  into.write(text("lost"));
  clock.advance(10);
  assertEquals([dialled.events, dialler.events, own.events], [[], ["open"], []]);
  assertEquals([accepted.own.length, accepted.other.length], [0, 0]);
  faults.heal();
  clock.advance(10);
  assertEquals([dialled.events, dialler.events], [["close"], ["open", "close"]]);
  network.connect(OWN, recorder().handlers);
  clock.advance(10);
  assertEquals(accepted.own.length, 1);
});

Deno.test("a stream that has ended ends once, whatever comes later", async () => {
  const { clock, faults, network, faulty, own, accepted } = await start();
  const [dialled, dialler] = [recorder(), recorder()];
  const out = faulty.connect(OTHER, dialled.handlers);
  network.connect(OWN, dialler.handlers);
  clock.advance(10);
  out.close();
  out.close();
  accepted.other[0]?.close();
  accepted.own[0]?.close();
  faults.begin({ kind: "pause" }, null);
  faults.heal();
  clock.advance(10);
  assertEquals([dialled.events, own.events, dialler.events], [["open"], [], ["open", "close"]]);
});

Deno.test("a stream that is closed because another one broke is not reported as broken", async () => {
  const { clock, faults, faulty } = await start();
  const events: string[] = [];
  const second = { onOpen() {}, onData() {}, onClose: () => events.push("second") };
  const first = {
    ...second,
    onClose: () => {
      events.push("first");
      other.close();
    },
  };
  faulty.connect(OTHER, first);
  const other = faulty.connect(OTHER, second);
  clock.advance(10);
  faults.begin({ kind: "pause" }, null);
  faults.heal();
  clock.advance(10);
  assertEquals(events, ["first"]);
});

Deno.test("only the streams to silent addresses are silent, and only they are closed at the end", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const silent = new Set<string>();
  let changed = () => {};
  const faulty = new FaultyNetwork(network, {
    isSilent: (remote) => silent.has(remote),
    watch: (watcher) => changed = watcher,
  });
  const [cut, kept] = [recorder(), recorder()];
  const accepted: Stream[] = [];
  for (const address of [OWN, OTHER]) {
    await network.listen(address, (stream) => {
      stream.handle(recorder().handlers);
      accepted.push(stream);
    });
  }
  faulty.connect(OWN, cut.handlers);
  faulty.connect(OTHER, kept.handlers);
  clock.advance(10);
  silent.add("memory:1");
  changed();
  for (const stream of accepted) stream.write(text("hello"));
  clock.advance(10);
  assertEquals([cut.events, kept.events], [["open"], ["open", "hello"]]);
  silent.clear();
  changed();
  clock.advance(10);
  assertEquals([cut.events, kept.events], [["open", "close"], ["open", "hello"]]);
});
