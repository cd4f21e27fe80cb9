import { assertEquals } from "@std/assert";
import { Holders } from "../../tests/support/files/holders.ts";
import { silentLogger } from "../base/logger.ts";
import { Loop } from "./loop.ts";
import { wait } from "./waits.ts";

function loopOf(work: (signal: AbortSignal) => Promise<number>) {
  const holders = new Holders(0);
  const runs: number[] = [];
  const loop = new Loop({
    name: "test",
    clock: holders.clock,
    logger: silentLogger,
    work: (signal) => {
      runs.push(holders.clock.monotonicMs());
      return work(signal);
    },
  });
  return { holders, runs, loop };
}

Deno.test("work is repeated after its delay, and after an error as well", async () => {
  const { holders, runs, loop } = loopOf(() =>
    runs.length === 2 ? Promise.reject(new Error("once")) : Promise.resolve(300)
  );
  loop.start();
  loop.start();
  await holders.runFor(2_000);
  assertEquals(runs, [0, 300, 1_300, 1_600, 1_900]);
});

Deno.test("waking begins at once, or right after the work in progress", async () => {
  const { holders, runs, loop } = loopOf(async () => {
    await wait(holders.clock, 100);
    return 10_000;
  });
  loop.start();
  await holders.runFor(50);
  loop.wake();
  await holders.runFor(150);
  assertEquals(runs, [0, 100]);
  await holders.runFor(300);
  loop.wake();
  await holders.runFor(50);
  assertEquals(runs, [0, 100, 500]);
});

Deno.test("stopping waits for the work in progress only, and starting goes on", async () => {
  const { holders, runs, loop } = loopOf(async (signal) => {
    await wait(holders.clock, 1_000, signal);
    return 1_000;
  });
  loop.start();
  await holders.runFor(1_500);
  await holders.result(loop.stop());
  assertEquals(holders.clock.monotonicMs() < 1_510, true);
  await holders.runFor(5_000);
  assertEquals(runs, [0]);
  loop.start();
  await holders.runFor(500);
  await holders.result(loop.stop());
  assertEquals(runs.length, 2);
});
