import { assertEquals } from "@std/assert";
import { Founders, type FounderWord, type FoundingStep } from "./founding.ts";

/** Some founders that hear each other when and as often as a test says. */
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

  /** An empty disk under the old id. */
  wipe(id: string, incarnation: string): void {
    this.members.set(id, new Founder(id, incarnation, [...this.members.keys()]));
  }

  /** Everybody among these hears everybody, again and again. */
  talk(...ids: string[]): void {
    for (let round = 0; round < 4; round++) {
      for (const from of ids) for (const to of ids) if (from !== to) this.say(from, to);
    }
  }

  say(from: string, to: string): void {
    this.get(to).hear(from, this.get(from).word);
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

  /** The process comes back; what it noted is on its disk. */
  restart(): void {
    this.#founders = this.#begin();
  }

  get word(): FounderWord {
    const { incarnation, noted: founders, isFounded } = this;
    return { incarnation, founders, isFounded };
  }

  hear(from: string, word: FounderWord): void {
    if (!this.isFounded && !this.isRefused) this.#take(this.#founders.heard(from, word));
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

Deno.test("a cluster begins when all have been up at the same time, and no sooner", () => {
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

Deno.test("a founder waits until all others have noted the same as it", () => {
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

Deno.test("a disk that is lost half-way is noted anew", () => {
  const town = new Town("n1", "n2", "n3");
  for (const from of ["n1", "n3"]) town.say(from, "n2"); // n2 alone has noted n1-1
  town.wipe("n1", "n1-2");
  town.talk("n1", "n2", "n3");
  assertEquals(town.founded(), ["n1", "n2", "n3"]);
  assertEquals(town.get("n2").noted.get("n1"), "n1-2");
});

Deno.test("an empty disk under an old id is refused by whoever takes part", () => {
  const town = new Town("n1", "n2", "n3");
  town.talk("n1", "n2", "n3");
  town.wipe("n1", "n1-2");
  town.say("n2", "n1");
  assertEquals([town.get("n1").isRefused, town.get("n1").isFounded], [true, false]);
});

Deno.test("an empty disk and a member that has never taken part begin nothing without the third", () => {
  const town = new Town("n1", "n2", "n3");
  // n1 and n2 take part and write; n3 has said its word, and has not heard the others' yet.
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

Deno.test("a word that arrives late takes nothing back", () => {
  const town = new Town("n1", "n2");
  const early = town.get("n1").word;
  town.say("n1", "n2");
  town.say("n2", "n1"); // both have noted it
  town.say("n1", "n2");
  town.get("n2").hear("n1", early);
  town.say("n2", "n1");
  assertEquals(town.founded().sort(), ["n1", "n2"]);
});

Deno.test("whoever joined later, and strangers, found nothing", () => {
  const town = new Town("n1", "n2");
  town.get("n1").hear("n4", { incarnation: "i", founders: new Map(), isFounded: true });
  town.get("n1").hear("n2", { incarnation: "i", founders: new Map(), isFounded: true });
  assertEquals([town.founded(), town.get("n1").isRefused], [[], false]);
});
