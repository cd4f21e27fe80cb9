import { type Random, randomInteger } from "../../src/base/random.ts";

const NODES = ["n1", "n2", "n3", "n4", "n5"];
/** Names in UTF-8, a character for each byte. */
const NAMES = ["a", "a/b", "a/c.txt", "b", "\xc3\xa9t\xc3\xa9", "\xf0\x9f\x8e\xb5.mp3", "z z"];
const TAGS = ["{}", '{"title":"One","year":1999}', '{"artist":"\xc3\x89dith"}'];

/** Random `FILE …` requests about few names and nodes, most of them valid. */
export class RandomFiles {
  readonly #random: Random;
  #blobs: string[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  next(): readonly string[] {
    const chance = this.#random();
    if (chance < 0.15) return this.#announcement();
    if (chance < 0.45) return this.#commit();
    if (chance < 0.52) return ["FILE", "DELETE", this.#name()];
    if (chance < 0.67) return ["FILE", "HELD", this.#node(), ...this.#someBlobs()];
    if (chance < 0.76) return ["FILE", "LOST", this.#node(), ...this.#someBlobs()];
    if (chance < 0.86) return ["FILE", "RELEASE", this.#node(), ...this.#someBlobs()];
    if (chance < 0.88) return ["FILE", "OUT", this.#node()];
    if (chance < 0.89) return ["FILE", "DRAIN", this.#node()];
    if (chance < 0.9) return ["FILE", "DRAIN", this.#node(), "OFF"];
    if (chance < 0.91) return ["FILE", "FORGET", this.#node()];
    return this.#read();
  }

  #read(): readonly string[] {
    const order = this.#of(["NAME", "SIZE", "DATE"]);
    return this.#of([
      ["FILE", "STAT", this.#name()],
      ["FILE", "WHERE", this.#name()],
      ["FILE", "LIST", "BY", order, "COUNT", "3"],
      ["FILE", "LIST", "PREFIX", "a", "BY", order, "REV"],
      ["FILE", "LIST", "CONTAINS", "\xc3\x89"],
      ["FILE", "NODES"],
      ["FILE", "WORK", this.#node()],
      ["FILE", "REPAIR", "STATUS"],
      ["FILE", "BLOBS", ...this.#someBlobs()],
    ]);
  }

  #announcement(): readonly string[] {
    const weight = this.#of(["1", "1", "1", "0", "2.5"]);
    const capacity = String(this.#of([1_000, 1_000, 500]));
    const node = this.#node();
    return ["FILE", "NODE", node, `${node}:7000`, weight, capacity, "100"];
  }

  #commit(): readonly string[] {
    const isNew = this.#blobs.length === 0 || this.#random() < 0.9;
    const blob = isNew ? this.#newBlob() : this.#blob();
    const holders = NODES.filter(() => this.#random() < 0.6);
    const options = this.#of([
      [],
      [],
      ["IFABSENT"],
      ["IFPRESENT"],
      ["IFVERSION", String(randomInteger(this.#random, 20))],
      ["TYPE", "text/plain", "TAGS", this.#of(TAGS), "OWNER", "me"],
    ]);
    const size = String(randomInteger(this.#random, 1_000));
    const copies = String(1 + randomInteger(this.#random, 4));
    const deadline = this.#random() < 0.9 ? "0" : "1700000000500";
    return [
      ...["FILE", "COMMIT", this.#name(), blob, size, blob + blob],
      ...[copies, holders.join() || "n1", deadline, ...options],
    ];
  }

  #newBlob(): string {
    const digits = Array.from({ length: 32 }, () => randomInteger(this.#random, 16).toString(16));
    const blob = digits.join("");
    this.#blobs = [...this.#blobs.slice(-30), blob];
    return blob;
  }

  #someBlobs(): string[] {
    return Array.from({ length: 1 + randomInteger(this.#random, 5) }, () => this.#blob());
  }

  #blob(): string {
    return this.#blobs.length === 0 ? this.#newBlob() : this.#of(this.#blobs);
  }

  #name(): string {
    return this.#of(NAMES);
  }

  #node(): string {
    return this.#of(NODES);
  }

  #of<T>(choices: readonly T[]): T {
    return choices[randomInteger(this.#random, choices.length)] as T;
  }
}
