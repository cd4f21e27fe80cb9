import { assertEquals, assertMatch } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { MemoryNetwork } from "../../../tests/support/node/memory_network.ts";
import { seededRandom } from "../../base/random.ts";
import type { Address } from "../../platform/network.ts";
import type { Identity } from "../log/data_directory.ts";
import { PeerTransport, type PeerTransportOptions } from "../peers/transport.ts";
import { Founding } from "./founding.ts";

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

/** The processes of founders, and what is on their disks. */
class Machines {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly kept = new Map<string, Identity>();
  readonly founded = new Map<string, Identity>();
  readonly refused: string[] = [];
  readonly failed: unknown[] = [];
  readonly logged: string[] = [];
  fullDisk: string | null = null;
  /** What those who take part say is removed. */
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

  /** Whether somebody listens at the Raft address of this node. */
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

  /** Ten seconds at most. */
  async untilFounded(): Promise<void> {
    for (let step = 0; step < 200 && this.founded.size < IDS.length; step++) {
      this.clock.advance(50);
      await Promise.resolve(); // somebody may begin to listen
    }
  }

  /** A node that was founded before is started again. */
  takePart(id: string): void {
    const identity = this.kept.get(id);
    const place = this.#places.get(id);
    if (identity === undefined || place === undefined) throw new Error(`${id} was never started`);
    this.#takePart(identity, `life ${++this.#lives}`, place);
  }

  /** As the node does that begins now. */
  #takePart(
    { nodeId, incarnation, founders }: Identity,
    life: string,
    place: Place,
  ): void {
    const isFounded = true;
    const transport = new PeerTransport({
      ...{ ...place, id: nodeId, clusterId: "c1" },
      credentials: () => ({ incarnation, life, founders: Object.fromEntries(founders), isFounded }),
    }, { message() {}, unreachable() {}, announced() {}, removed() {}, refused() {} });
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

Deno.test("a disk that takes no note ends the founder, who has promised nothing", async () => {
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

Deno.test("a founder whom the others have removed meanwhile ends as removed, once", async () => {
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

Deno.test("a founder that is stopped while it begins to listen does not listen, nor do anything", async () => {
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
