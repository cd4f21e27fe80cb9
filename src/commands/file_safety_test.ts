import { assert, assertEquals } from "@std/assert";
import { blobId, FileMachine } from "../../tests/support/file_machine.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";

const NODES = ["n1", "n2", "n3", "n4", "n5", "n6"];

type Task = readonly [blob: string, action: string, ...rest: unknown[]];

/**
 * Nodes with disks that do what the replicated state tells them, one step at a time, in any order.
 * A node deletes a content only when `FILE RELEASE` allows it, or when it is dead.
 */
class Nodes {
  readonly one = new FileMachine();
  readonly disks = new Map(NODES.map((id) => [id, new Set<string>()]));
  /** The visible files' blobs by name. */
  readonly files = new Map<string, string>();
  readonly #random: Random;
  #blobs = 0;

  constructor(random: Random) {
    this.#random = random;
    this.one.addNodes(...NODES.slice(0, 3));
  }

  step(): void {
    const chance = this.#random();
    this.one.timeMs += randomInteger(this.#random, 3);
    if (chance < 0.25) this.#put();
    else if (chance < 0.3) this.#delete();
    else if (chance < 0.34) this.#announce();
    else if (chance < 0.37) this.one.file("OUT", this.#node());
    else if (chance < 0.39) this.one.file("DRAIN", this.#node());
    else if (chance < 0.41) this.one.file("DRAIN", this.#node(), "OFF");
    else if (chance < 0.42) this.#forget();
    else if (chance < 0.46) this.#corrupt();
    else this.work(this.#node(), 1 + randomInteger(this.#random, 4));
  }

  /** Does some of what a node has to do. Returns how much there was. */
  work(id: string, most: number): number {
    const layout = this.one.machine.files.layout;
    if (layout.find(id) === undefined) return 0;
    const [, tasks] = this.one.file("WORK", id, "COUNT", 1_000) as [string, Task[]];
    const some = tasks.length <= most ? tasks : Array.from({ length: most }, () => this.#of(tasks));
    for (const [blob, action] of some) this.#do(id, blob, action);
    return tasks.length;
  }

  #do(id: string, blob: string, action: string): void {
    const disk = this.#disk(id);
    switch (action) {
      case "pull":
        if (![...this.disks.values()].some((other) => other.has(blob))) return;
        disk.add(blob);
        this.one.file("HELD", id, blob);
        return;
      case "release":
        if ((this.one.file("RELEASE", id, blob) as number[])[0] === 1) disk.delete(blob);
        return;
      default:
        assertEquals(action, "reap");
        disk.delete(blob);
        this.one.file("LOST", id, blob);
    }
  }

  #put(): void {
    const name = `f${randomInteger(this.#random, 12)}`;
    const blob = blobId(++this.#blobs);
    const copies = 1 + randomInteger(this.#random, 4);
    const holders = NODES.filter(() => this.#random() < 0.5);
    if (holders.length === 0) return;
    for (const id of holders) this.#disk(id).add(blob);
    const version = this.one.commit(name, blob, holders.join(), { copies });
    if (typeof version === "number") this.files.set(name, blob);
    else for (const id of holders) this.#disk(id).delete(blob);
  }

  #delete(): void {
    const name = `f${randomInteger(this.#random, 12)}`;
    assertEquals(this.one.file("DELETE", name), this.files.delete(name) ? 1 : 0);
  }

  #announce(): void {
    const weight = this.#of([1, 1, 1, 0, 2]);
    const capacity = this.#of([1_000, 1_000, 100]);
    const id = this.#node();
    assertEquals(this.one.file("NODE", id, `${id}:1`, weight, capacity, 1), "OK");
  }

  /** A node is removed for good, with its disk, if no file has its only copy there. */
  #forget(): void {
    const id = this.#node();
    if (![...this.files.values()].every((blob) => this.#isElsewhere(blob, id))) return;
    this.#disk(id).clear();
    this.one.file("FORGET", id);
  }

  /** A content breaks, if it is not the last one, and the node finds that out. */
  #corrupt(): void {
    const id = this.#node();
    const blob = [...this.#disk(id)][0];
    if (blob === undefined || !this.#isElsewhere(blob, id)) return;
    this.#disk(id).delete(blob);
    this.one.file("LOST", id, blob);
  }

  #isElsewhere(blob: string, id: string): boolean {
    return NODES.some((other) => other !== id && this.#disk(other).has(blob));
  }

  #disk(id: string): Set<string> {
    return this.disks.get(id) ?? new Set();
  }

  #node(): string {
    return this.#of(NODES);
  }

  #of<T>(choices: readonly T[]): T {
    return choices[randomInteger(this.#random, choices.length)] as T;
  }

  /** What must always be true. */
  check(context: string): void {
    for (const [name, blob] of this.files) {
      assert(NODES.some((id) => this.#disk(id).has(blob)), `${context}: ${name} is lost`);
    }
    for (const { id, holders } of this.one.machine.files.view().blobs.values()) {
      for (const holder of holders) {
        assert(this.#disk(holder).has(id), `${context}: ${holder} does not hold ${id}`);
      }
    }
  }
}

Deno.test("no order of events takes the last copy of a file, and repair ends", () => {
  let released = 0;
  for (let seed = 0; seed < 60; seed++) {
    const random = seededRandom(seed);
    const nodes = new Nodes(random);
    const { one } = nodes;
    const file = one.file.bind(one);
    one.file = (...args) => {
      const reply = file(...args);
      if (args[0] === "RELEASE" && (reply as number[])[0] === 1) released++;
      return reply;
    };
    for (let step = 0; step < 400; step++) {
      nodes.step();
      nodes.check(`seed ${seed} step ${step}`);
    }
    assertEquals(one.restored().file("REPAIR", "STATUS"), one.file("REPAIR", "STATUS"));
    // From now on the layout stays as it is. At least one node is up.
    one.addNodes("n1");
    one.file("DRAIN", "n1", "OFF");
    for (const { id, isOut } of one.machine.files.layout.nodes) if (isOut) one.addNodes(id);
    let left = 1;
    for (let round = 0; left > 0 && round < 6; round++) {
      left = NODES.map((id) => nodes.work(id, Infinity)).reduce((sum, tasks) => sum + tasks, 0);
      nodes.check(`seed ${seed} round ${round}`);
    }
    assertEquals(left, 0, `seed ${seed}: there is work for ever`);
    for (const name of nodes.files.keys()) {
      const { wanted, holders, health } = one.file("WHERE", name) as {
        wanted: string[];
        holders: string[];
        health: string;
      };
      assertEquals(health, "healthy", `seed ${seed} ${name}`);
      assertEquals(wanted.filter((id) => !holders.includes(id)), [], `seed ${seed} ${name}`);
      // With fewer nodes than copies, what was drained keeps its copy.
      const { copies } = one.file("STAT", name) as { copies: number };
      assert(holders.length <= Math.max(wanted.length, copies), `seed ${seed} ${name}`);
    }
    const { missing, dead, below, lost } = one.file("REPAIR", "STATUS") as Record<
      string,
      number
    >;
    assertEquals([missing, dead, below, lost], [0, 0, 0, 0], `seed ${seed}`);
    const stored = [...nodes.disks.values()].reduce((sum, { size }) => sum + size, 0);
    const held = NODES.map((id) => one.machine.files.heldBy(id).blobs);
    assertEquals(stored, held.reduce((sum, count) => sum + count, 0), "nothing is left on disks");
  }
  assert(released > 100, `only ${released} copies were released`);
});
