import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { FrailServiceOptions, Frailty } from "../../tests/support/threads/frail_service.ts";
import { until } from "../../tests/support/until.ts";
import { UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ServiceThread } from "./service_thread.ts";

const MODULE = new URL("../../tests/support/threads/frail_service.ts", import.meta.url);

/** Restarts come ten times as early. A service that should stop has its time to do so. */
const fastClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs < 2_000 ? delayMs / 10 : delayMs, run),
};

class Bench {
  readonly counts = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly told = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly errors: string[] = [];

  start(frailty: Frailty, module = MODULE) {
    return ServiceThread.start<FrailServiceOptions, string>({
      name: "a service",
      module,
      options: { frailty, counts: this.counts.buffer, told: this.told.buffer },
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
      ["throws", "Error: thrown", "Error: thrown"],
      ["rejects", "Error: rejected", "Error: rejected"],
      ["starts-badly", "Error: thrown", "not yet"],
    ] as const
  ) {
    const bench = new Bench();
    const { thread } = await bench.start(frailty);
    await until("it has started three times", () => bench.starts === 3);
    await thread.close();
    assertEquals([bench.starts, bench.stops], [3, 1], frailty);
    assertEquals(bench.errors.length, 2);
    for (const [at, reason] of reasons.entries()) {
      const delayMs = at === 0 ? 100 : 200;
      assertStringIncludes(
        bench.errors[at] ?? "",
        `a service has failed and starts again in ${delayMs} ms: ${reason}`,
      );
    }
  }
});

Deno.test("a service is told what is new, and after a restart what was new last", async () => {
  const bench = new Bench();
  const { thread } = await bench.start("throws");
  thread.tell(1);
  thread.tell(2);
  await until("it has started three times", () => bench.starts === 3);
  await until("it is told again", () => Atomics.load(bench.told, 0) === 2);
  thread.tell(3);
  await until("it is told more", () => Atomics.load(bench.told, 0) === 3);
  await thread.close();
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
