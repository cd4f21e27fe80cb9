import { assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import { seededRandom } from "../../base/random.ts";
import type { Address } from "../../platform/network.ts";
import type { Identity } from "../log/data_directory.ts";
import { FrameWriter } from "../peers/frames.ts";
import { PeerTransport, type PeerTransportOptions } from "../peers/transport.ts";
import { type FounderReport, Founders, Founding, type FoundingStep } from "./founding.ts";

const IDS = ["n1", "n2", "n3"];
const MEMBERS: ReadonlyMap<string, Address> = new Map(
  IDS.map((id, at) => [id, { host: "memory", port: 17001 + at }]),
);

function emptyIdentity(nodeId: string, incarnation: string): Identity {
  return {
    ...{ nodeId, clusterId: "c1", incarnation, isFounded: false, settings: {} },
    ...{ members: new Map(), founders: new Map() },
  };
}

type Place = Omit<PeerTransportOptions, "id" | "clusterId" | "credentials">;

/** The processes of founders, and their disks. */
class Machines {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly kept = new Map<string, Identity>();
  readonly founded = new Map<string, Identity>();
  readonly refused: string[] = [];
  readonly failed: unknown[] = [];
  readonly logged: string[] = [];
  fullDisk: string | null = null;
  /** Ids that participating nodes report as removed. */
  removed: string[] = [];
  readonly #running = new Map<string, Founding>();
  readonly #transports = new Map<string, PeerTransport>();
  readonly #places = new Map<string, Place>();
  #lives = 0;

  start(id: string): Promise<void> {
    const identity = this.kept.get(id) ?? emptyIdentity(id, `${id} disk ${++this.#lives}`);
    this.kept.set(id, identity);
    const listen = MEMBERS.get(id) ?? { host: "", port: 0 };
    const log = (line: string) => this.logged.push(`${id}: ${line}`);
    const place = {
      listen,
      clientAddress: { host: "memory", port: listen.port - 10_000 },
      entryBytesMax: 10_000,
      network: this.network.of(listen.port),
      clock: this.clock,
      random: seededRandom(1),
      logger: { info: log, warn: log, error: log },
    };
    this.#places.set(id, place);
    const life = `life ${++this.#lives}`;
    const founding = new Founding({
      ...place,
      identity,
      members: MEMBERS,
      life,
      save: (changed) => {
        if (this.fullDisk === id) throw new Error("no space left on device");
        this.kept.set(id, changed);
      },
      onFounded: (changed) => {
        this.founded.set(id, changed);
        this.#takePart(changed, life, place);
      },
      onRefused: (sentence) => this.refused.push(sentence),
      onRemoved: () => this.refused.push(`${id} was removed`),
      onFailed: (error) => this.failed.push(error),
    });
    this.#running.set(id, founding);
    return founding.start();
  }

  /** Whether somebody listens at this node's Raft address. */
  listens(id: string): boolean {
    let isOpen = false;
    const address = MEMBERS.get(id) ?? { host: "", port: 0 };
    const stream = this.network.connectFrom(1, address, {
      onOpen: () => isOpen = true,
      onData: () => {},
      onClose: () => {},
    });
    this.clock.advance(10);
    stream.close();
    return isOpen;
  }

  /** Waits ten seconds at most. */
  async untilFounded(): Promise<void> {
    for (let step = 0; step < 200 && this.founded.size < IDS.length; step++) {
      this.clock.advance(50);
      await Promise.resolve(); // somebody may begin to listen
    }
  }

  /** Restarts a node that was founded before. */
  takePart(id: string): void {
    const identity = this.kept.get(id);
    const place = this.#places.get(id);
    if (identity === undefined || place === undefined) throw new Error(`${id} was never started`);
    this.#takePart(identity, `life ${++this.#lives}`, place);
  }

  /** Does what a founded node does at its start. */
  #takePart(
    { nodeId, incarnation, founders }: Identity,
    life: string,
    place: Place,
  ): void {
    const isFounded = true;
    const transport = new PeerTransport({
      ...{ ...place, id: nodeId, clusterId: "c1" },
      credentials: () => ({ incarnation, life, founders: Object.fromEntries(founders), isFounded }),
    }, { onMessage() {}, onUnreachable() {}, onAnnounced() {}, onRemoved() {}, onRefused() {} });
    this.#transports.set(nodeId, transport);
    void transport.start().then(() => {
      const addresses = new Map(
        [...MEMBERS].filter(([id]) => id !== nodeId && !this.removed.includes(id)),
      );
      const nobody = { index: 0, committedIndex: 0, committedMembers: new Set<string>() };
      transport.follow({ ...nobody, addresses, incarnations: founders, removed: this.removed });
    });
  }

  stop(id: string): void {
    this.#running.get(id)?.stop();
    this.#transports.get(id)?.stop();
  }
}

Deno.test("founders wait for each other, say for whom, and begin together", async () => {
  const machines = new Machines();
  await machines.start("n1");
  await machines.start("n2");
  machines.clock.advance(6_500);
  assertEquals(machines.founded.size, 0);
  const line = machines.logged.find((one) => one.startsWith("n1: waits")) ?? "";
  assertMatch(line, /2 of 3 heard; n3 memory:17003: connection refused$/);
  await machines.start("n3");
  await machines.untilFounded();
  assertEquals([...machines.founded.keys()].sort(), IDS);
  const founders = [...machines.founded.values()].map((one) => [...one.founders].sort());
  assertEquals(founders, [founders[0], founders[0], founders[0]]);
  assertEquals([...machines.kept.values()].map(({ isFounded }) => isFounded), [true, true, true]);
});

Deno.test("a founder may be stopped and emptied before all are up", async () => {
  const machines = new Machines();
  await machines.start("n1");
  await machines.start("n2");
  machines.clock.advance(1_000);
  machines.stop("n1");
  machines.kept.delete("n1");
  await machines.start("n1");
  machines.clock.advance(1_000);
  machines.stop("n2");
  await machines.start("n2");
  await machines.start("n3");
  await machines.untilFounded();
  assertEquals([machines.founded.size, machines.refused], [3, []]);
});

Deno.test("a founder whose disk is emptied later is refused, once, and founds nothing", async () => {
  const machines = new Machines();
  for (const id of IDS) await machines.start(id);
  await machines.untilFounded();
  machines.stop("n2");
  machines.kept.delete("n2");
  machines.founded.delete("n2");
  await machines.start("n2");
  for (let step = 0; step < 100; step++) {
    machines.clock.advance(50);
    await Promise.resolve();
  }
  assertEquals(machines.refused.length, 1);
  assertMatch(machines.refused[0] ?? "", /^Cannot take part as n2: this data directory is not the/);
  assertEquals([machines.founded.has("n2"), machines.kept.get("n2")?.isFounded], [false, false]);
});

Deno.test("a disk that cannot be written to ends the founder, which has promised nothing", async () => {
  const machines = new Machines();
  machines.fullDisk = "n2";
  for (const id of IDS) await machines.start(id);
  machines.clock.advance(3_000);
  assertEquals(machines.founded.size, 0);
  assertMatch(String(machines.failed[0]), /no space left/);
  machines.fullDisk = null;
  await machines.start("n2");
  await machines.untilFounded();
  assertEquals([...machines.founded.keys()].sort(), IDS);
});

Deno.test("a founder that the others have removed meanwhile ends as removed, once", async () => {
  const machines = new Machines();
  for (const id of IDS) await machines.start(id);
  await machines.untilFounded();
  machines.stop("n3");
  for (const id of ["n1", "n2"]) machines.stop(id);
  machines.removed = ["n3"];
  machines.founded.clear();
  machines.kept.delete("n3"); // its disk is new
  for (const id of ["n1", "n2"]) machines.takePart(id);
  await machines.start("n3");
  for (let step = 0; step < 100; step++) {
    machines.clock.advance(50);
    await Promise.resolve();
  }
  assertEquals([machines.refused, machines.founded.size], [["n3 was removed"], 0]);
  assertEquals([machines.kept.get("n3")?.isFounded, machines.listens("n3")], [false, false]);
});

Deno.test("a founder that is stopped while it opens its port does not listen, nor do anything", async () => {
  const machines = new Machines();
  const isStarted = machines.start("n1");
  machines.stop("n1");
  await isStarted;
  assertEquals(machines.listens("n1"), false);
  await machines.start("n2");
  await machines.start("n3");
  machines.clock.advance(10_000);
  assertEquals([machines.founded.size, machines.kept.get("n1")?.founders.size], [0, 0]);
  assertEquals(machines.logged.filter((line) => line.startsWith("n1: waits")), []);
});

Deno.test("a notice that comes twice in one piece ends a founder once", async () => {
  for (const type of ["removed", "stranger"] as const) {
    const machines = new Machines();
    const frames = new FrameWriter();
    for (let count = 0; count < 2; count++) {
      frames.addText(JSON.stringify({ type, cluster: "c1", to: "n1", at: null }));
    }
    const twice = Buffer.concat(frames.take());
    await machines.network.listen({ host: "memory", port: 17002 }, (stream) => {
      stream.handle({ onOpen() {}, onData: () => stream.write(twice), onClose() {} });
    });
    await machines.start("n1");
    machines.clock.advance(3_000);
    assertEquals(machines.refused.length, 1, machines.refused.join());
  }
});

Deno.test("a founder of a cluster of one begins at once, and says nothing afterwards", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const events: string[] = [];
  const note = (line: string) => void events.push(line);
  const founding = new Founding({
    identity: emptyIdentity("n1", "i1"),
    members: new Map([["n1", { host: "memory", port: 17001 }]]),
    life: "l1",
    listen: { host: "memory", port: 17001 },
    clientAddress: { host: "memory", port: 7001 },
    entryBytesMax: 10_000,
    network: network.of(17001),
    clock,
    random: seededRandom(1),
    logger: { info: note, warn: note, error: note },
    save: ({ isFounded }) => note(`saved, founded: ${isFounded}`),
    onFounded: ({ founders }) => note(`founded by ${[...founders]}`),
    onRefused: note,
    onRemoved: () => note("removed"),
    onFailed: () => note("failed"),
  });
  await founding.start();
  clock.advance(120_000);
  assertEquals(events, ["saved, founded: true", "founded by n1,i1"]);
});

/** Founders that hear each other when and as often as a test says. */
class Town {
  readonly members = new Map<string, Founder>();

  constructor(...ids: string[]) {
    for (const id of ids) this.members.set(id, new Founder(id, `${id}-1`, ids));
  }

  get(id: string): Founder {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`no ${id}`);
    return member;
  }

  /** Restarts a founder on an empty disk under its old id. */
  wipe(id: string, incarnation: string): void {
    this.members.set(id, new Founder(id, incarnation, [...this.members.keys()]));
  }

  /** Lets these hear each other, again and again. */
  talk(...ids: string[]): void {
    for (let round = 0; round < 4; round++) {
      for (const from of ids) for (const to of ids) if (from !== to) this.say(from, to);
    }
  }

  say(from: string, to: string): void {
    this.get(to).hear(from, this.get(from).report);
  }

  founded(): string[] {
    return [...this.members.values()].filter(({ isFounded }) => isFounded).map(({ id }) => id);
  }
}

class Founder {
  noted: ReadonlyMap<string, string> = new Map();
  isFounded = false;
  isRefused = false;
  readonly id: string;
  readonly incarnation: string;
  readonly #ids: readonly string[];
  #founders: Founders;

  constructor(id: string, incarnation: string, ids: readonly string[]) {
    this.id = id;
    this.incarnation = incarnation;
    this.#ids = ids;
    this.#founders = this.#begin();
    this.#take(this.#founders.begin());
  }

  /** Restarts a process with the notes on its disk. */
  restart(): void {
    this.#founders = this.#begin();
  }

  get report(): FounderReport {
    const { incarnation, noted: founders, isFounded } = this;
    return { incarnation, founders, isFounded };
  }

  hear(from: string, report: FounderReport): void {
    if (!this.isFounded && !this.isRefused) this.#take(this.#founders.handleReport(from, report));
  }

  #begin(): Founders {
    return new Founders(this.id, this.incarnation, this.#ids, this.noted);
  }

  #take(step: FoundingStep): void {
    if (step.type === "note" || step.type === "found") this.noted = step.founders;
    if (step.type === "found") this.isFounded = true;
    if (step.type === "refuse") this.isRefused = true;
  }
}

Deno.test("a cluster of one begins by itself", () => {
  const town = new Town("n1");
  assertEquals(town.founded(), ["n1"]);
  assertEquals(town.get("n1").noted, new Map([["n1", "n1-1"]]));
});

Deno.test("a cluster begins when all have been up at the same time, and not sooner", () => {
  const town = new Town("n1", "n2", "n3");
  town.talk("n1", "n2");
  assertEquals(town.founded(), []);
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n1", "n2", "n3"]);
  for (const { noted } of town.members.values()) {
    assertEquals(
      new Map([...noted].sort()),
      new Map([["n1", "n1-1"], ["n2", "n2-1"], ["n3", "n3-1"]]),
    );
  }
});

Deno.test("a founder waits until all others have recorded the same", () => {
  const town = new Town("n1", "n2", "n3");
  town.say("n2", "n1");
  town.say("n3", "n1");
  assertEquals([town.get("n1").noted.size, town.founded()], [3, []]);
  town.say("n1", "n2");
  town.say("n3", "n2"); // n2 has noted it now, n3 has not
  town.say("n2", "n1");
  town.say("n3", "n1");
  assertEquals(town.founded(), []);
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n1", "n2", "n3"]);
});

Deno.test("founders may begin again with empty disks until all are up", () => {
  const town = new Town("n1", "n2", "n3");
  town.talk("n1", "n2");
  town.wipe("n1", "n1-2");
  town.talk("n1", "n2");
  town.wipe("n2", "n2-2");
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n1", "n2", "n3"]);
  assertEquals(town.get("n3").noted.get("n1"), "n1-2");
});

Deno.test("a disk that is lost half-way is recorded anew", () => {
  const town = new Town("n1", "n2", "n3");
  for (const from of ["n1", "n3"]) town.say(from, "n2"); // n2 alone has noted n1-1
  town.wipe("n1", "n1-2");
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n1", "n2", "n3"]);
  assertEquals(town.get("n2").noted.get("n1"), "n1-2");
});

Deno.test("an empty disk under an old id is refused by nodes that take part", () => {
  const town = new Town("n1", "n2", "n3");
  town.talk("n1", "n2", "n3");
  town.wipe("n1", "n1-2");
  town.say("n2", "n1");
  assertEquals([town.get("n1").isRefused, town.get("n1").isFounded], [true, false]);
});

Deno.test("an empty disk and a member that has never taken part do not begin without the third", () => {
  const town = new Town("n1", "n2", "n3");
  // n1 and n2 take part and write. n3 has sent its hello, and has not heard the others' yet.
  for (let round = 0; round < 4; round++) {
    for (const from of ["n1", "n2", "n3"]) {
      for (const to of ["n1", "n2"]) if (from !== to) town.say(from, to);
    }
    if (round === 0) { for (const from of ["n1", "n2"]) town.say(from, "n3"); }
  }
  assertEquals(town.founded(), ["n1", "n2"]);
  town.get("n3").restart();
  town.wipe("n1", "n1-2");
  town.talk("n1", "n3");
  assertEquals(town.founded(), ["n2"]);
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n2", "n3"]);
  assertEquals(town.get("n1").isRefused, true);
  assertEquals(town.get("n3").noted.get("n1"), "n1-1");
});

Deno.test("a late message undoes nothing", () => {
  const town = new Town("n1", "n2");
  const early = town.get("n1").report;
  town.say("n1", "n2");
  town.say("n2", "n1"); // both have noted it
  town.say("n1", "n2");
  town.get("n2").hear("n1", early);
  town.say("n2", "n1");
  assertEquals(town.founded().sort(), ["n1", "n2"]);
});

Deno.test("later members and strangers found nothing", () => {
  const town = new Town("n1", "n2");
  town.get("n1").hear("n4", { incarnation: "i", founders: new Map(), isFounded: true });
  town.get("n1").hear("n2", { incarnation: "i", founders: new Map(), isFounded: true });
  assertEquals([town.founded(), town.get("n1").isRefused], [[], false]);
});
