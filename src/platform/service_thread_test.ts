import { assertEquals, assertRejects } from "@std/assert";
import type { FrailServiceOptions, Frailty } from "../../tests/support/threads/frail_service.ts";
import { until } from "../../tests/support/until.ts";
import { UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ServiceThread } from "./service_thread.ts";

const MODULE = new URL("../../tests/support/threads/frail_service.ts", import.meta.url);

/** Waits a tenth as long. */
const fastClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs / 10, run),
};

class Bench {
  readonly counts = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly errors: string[] = [];

  start(frailty: Frailty, module = MODULE) {
    return ServiceThread.start<FrailServiceOptions, string>({
      name: "a service",
      module,
      options: { frailty, counts: this.counts.buffer },
      clock: fastClock,
      logger: { ...silentLogger, error: (line) => void this.errors.push(line) },
    });
  }

  get starts(): number {
    return Atomics.load(this.counts, 0);
  }

  get stops(): number {
    return Atomics.load(this.counts, 1);
  }
}

Deno.test("a service starts in a thread, and stops by itself when it is closed", async () => {
  const bench = new Bench();
  const { thread, started } = await bench.start("never");
  assertEquals([started, bench.stops], ["start 1", 0]);
  await Promise.all([thread.close(), thread.close()]);
  assertEquals([bench.starts, bench.stops, bench.errors], [1, 1, []]);
});

Deno.test("a service that fails is started again, later each time", async () => {
  for (
    const [frailty, ...reasons] of [
      ["throws", "thrown", "thrown"],
      ["rejects", "rejected", "rejected"],
      ["starts-badly", "thrown", "not yet"],
    ] as const
  ) {
    const bench = new Bench();
    const { thread } = await bench.start(frailty);
    await until("it has started three times", () => bench.starts === 3);
    await thread.close();
    assertEquals([bench.starts, bench.stops], [3, 1], frailty);
    assertEquals(bench.errors, [
      `a service has failed and starts again in 100 ms: ${reasons[0]}`,
      `a service has failed and starts again in 200 ms: ${reasons[1]}`,
    ]);
  }
});

Deno.test("a service that is closed while it is down does not start again", async () => {
  const bench = new Bench();
  const { thread } = await bench.start("throws");
  await until("it is down", () => bench.errors.length === 1);
  await thread.close();
  await new Promise<void>((resolve) => fastClock.after(1_000, resolve));
  assertEquals([bench.starts, bench.errors.length], [1, 1]);
});

Deno.test("a service that does not stop is ended", async () => {
  const bench = new Bench();
  const { thread } = await bench.start("does-not-stop");
  await thread.close();
  assertEquals(bench.stops, 1);
});

Deno.test("a service that cannot start says why, once", async () => {
  const bench = new Bench();
  await assertRejects(() => bench.start("start-refused"), UserError, "Cannot start: no.");
  assertEquals([bench.starts, bench.errors], [1, []]);
});

Deno.test({
  name: "a module that may not be read is told as such",
  permissions: "none",
  async fn() {
    await assertRejects(
      () => new Bench().start("never"),
      UserError,
      "Cannot start a service: Requires read access to",
    );
  },
});
