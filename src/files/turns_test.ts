import { assertEquals, assertRejects } from "@std/assert";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { FileError } from "./file_error.ts";
import { Turns } from "./turns.ts";

class Bench {
  readonly clock = new ManualClock();
  readonly turns: Turns;
  /** Those that have had their turn, in order. */
  readonly begun: string[] = [];
  readonly ends = new Map<string, () => void>();

  constructor(countMax: number, weightMax: number) {
    const { clock } = this;
    this.turns = new Turns({ countMax, weightMax, waitMs: 100, what: "things", clock });
  }

  async take(name: string, weight: number): Promise<void> {
    const end = await this.turns.take(weight);
    this.begun.push(name);
    this.ends.set(name, end);
  }

  /** @returns those that have begun after this has ended */
  async end(name: string): Promise<string[]> {
    this.begun.length = 0;
    this.ends.get(name)?.();
    await new Promise((resolve) => setTimeout(resolve));
    return [...this.begun];
  }
}

Deno.test("only so much has its turn, and the others follow in order", async () => {
  const bench = new Bench(3, 10);
  for (const [name, weight] of [["a", 4], ["b", 6]] as const) await bench.take(name, weight);
  const waiting = [bench.take("c", 5), bench.take("d", 1), bench.take("e", 1), bench.take("f", 1)];
  assertEquals(bench.begun, ["a", "b"]);
  assertEquals(await bench.end("a"), []); // what is small does not overtake
  assertEquals(await bench.end("b"), ["c", "d", "e"]);
  assertEquals(await bench.end("d"), ["f"]);
  await Promise.all(waiting);
});

Deno.test("what takes more than there is has its turn alone", async () => {
  const bench = new Bench(3, 10);
  await bench.take("a", 18);
  const waiting = [bench.take("b", 1), bench.take("c", 18)];
  assertEquals(await bench.end("a"), ["b"]);
  assertEquals(await bench.end("b"), ["c"]);
  await Promise.all(waiting);
});

Deno.test("who has waited too long is sent away, and who waits behind goes on", async () => {
  const bench = new Bench(3, 10);
  await bench.take("a", 9);
  const late = assertRejects(
    () => bench.take("b", 5),
    FileError,
    "Too many things are in progress",
  );
  bench.clock.advance(60);
  const small = bench.take("c", 1);
  bench.clock.advance(60);
  await late;
  await small;
  assertEquals(bench.begun, ["a", "c"]);
  const sent = assertRejects(() => bench.take("d", 5), FileError, "stopping");
  bench.turns.failWaiting(new FileError("unavailable", "stopping"));
  await sent;
});
