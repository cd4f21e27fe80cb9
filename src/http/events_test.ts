import { assertEquals } from "@std/assert";
import { sentOf } from "../../tests/support/http/http_bench.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { UserError } from "../base/errors.ts";
import { silentLogger } from "../base/logger.ts";
import { Api } from "./api.ts";
import { addEvents } from "./events.ts";

const REQUEST = new Request("http://localhost/events");

/** A cluster whose state the test sets, and its watchers. */
class WatchBench {
  readonly clock = new ManualClock();
  readonly api = new Api(silentLogger);
  state: object | null = { term: 1 };
  /** `null`: there is no files service. */
  readonly files: { state: object } | null;
  /** Thrown by each look. */
  fault: Error | null = null;
  looks = 0;
  readonly logged: string[] = [];

  constructor(files: { state: object } | null = null) {
    this.files = files;
    addEvents(this.api, {
      ...(files === null ? {} : { fileState: () => Promise.resolve(files.state) }),
      clock: this.clock,
      logger: { ...silentLogger, error: (line) => void this.logged.push(line) },
      cluster: () => {
        this.looks++;
        if (this.fault !== null) return Promise.reject(this.fault);
        if (this.state === null) return Promise.reject(new UserError("nobody answers"));
        return Promise.resolve(this.state);
      },
    });
  }

  async open(): Promise<ReadableStreamDefaultReader<Uint8Array>> {
    const response = await this.api.handle(REQUEST, sentOf(REQUEST));
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    return response.body!.getReader();
  }

  /** Lets time pass in steps, with a turn of the event loop after each, in which a look ends. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      this.clock.advance(Math.min(left, 250));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
}

async function next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  return new TextDecoder().decode((await reader.read()).value);
}

Deno.test("a watcher gets the state at once, and again when it has changed", async () => {
  const bench = new WatchBench();
  const watcher = await bench.open();
  assertEquals(await next(watcher), 'event: cluster\ndata: {"term":1}\n\n');
  await bench.pass(1_000);
  bench.state = { term: 2 };
  await bench.pass(500);
  assertEquals(await next(watcher), 'event: cluster\ndata: {"term":2}\n\n');
  bench.state = null;
  await bench.pass(500);
  assertEquals((await next(watcher)).split("\n")[0], "event: problem");
  await watcher.cancel();
});

Deno.test("a silent stream is kept alive", async () => {
  const bench = new WatchBench();
  const watcher = await bench.open();
  await next(watcher);
  await bench.pass(16_000);
  assertEquals(await next(watcher), ":\n\n");
  await watcher.cancel();
});

Deno.test("a watcher that does not read gets only the newest state", async () => {
  const bench = new WatchBench();
  const watcher = await bench.open();
  await bench.pass(250);
  for (let term = 2; term < 10; term++) {
    bench.state = { term };
    await bench.pass(500);
  }
  assertEquals(await next(watcher), 'event: cluster\ndata: {"term":1}\n\n');
  await bench.pass(500);
  assertEquals(await next(watcher), 'event: cluster\ndata: {"term":9}\n\n');
  await watcher.cancel();
});

Deno.test("nobody is asked while nobody watches", async () => {
  const bench = new WatchBench();
  await bench.pass(1_000);
  assertEquals(bench.looks, 0);
  const [one, other] = [await bench.open(), await bench.open()];
  await bench.pass(1_000);
  await one.cancel();
  const before = bench.looks;
  await bench.pass(1_000);
  assertEquals(bench.looks > before, true);
  await other.cancel();
  const after = bench.looks;
  await bench.pass(1_000);
  assertEquals(bench.looks, after);
  const again = await bench.open();
  assertEquals(await next(again), 'event: cluster\ndata: {"term":1}\n\n');
  await again.cancel();
});

Deno.test("watchers that come and go do not make it look more often", async () => {
  const bench = new WatchBench();
  for (let count = 0; count < 20; count++) await (await bench.open()).cancel();
  const watcher = await bench.open();
  await bench.pass(1_000);
  const before = bench.looks;
  await bench.pass(1_000);
  assertEquals(bench.looks - before, 4);
  await watcher.cancel();
});

Deno.test("an error of its own does not end the watch", async () => {
  const bench = new WatchBench();
  const watcher = await bench.open();
  await next(watcher);
  bench.fault = new Error("secret");
  await bench.pass(500);
  const problem = await next(watcher);
  assertEquals([problem.split("\n")[0], problem.includes("secret")], ["event: problem", false]);
  assertEquals(bench.logged.length > 0, true);
  bench.fault = null;
  await bench.pass(500);
  assertEquals(await next(watcher), 'event: cluster\ndata: {"term":1}\n\n');
  await watcher.cancel();
});

Deno.test("the number of watchers is limited", async () => {
  const bench = new WatchBench();
  const watchers = [];
  for (let at = 0; at < 64; at++) watchers.push(await bench.open());
  const refused = await bench.api.handle(REQUEST, sentOf(REQUEST));
  assertEquals(refused.status, 503);
  await watchers[0]!.cancel();
  watchers[0] = await bench.open();
  for (const watcher of watchers) await watcher.cancel();
});

Deno.test("a watcher hears of files too, once a second at most", async () => {
  const files = { state: { version: 1 } as object };
  const bench = new WatchBench(files);
  const watcher = await bench.open();
  const first = 'event: cluster\ndata: {"term":1}\n\nevent: files\ndata: {"version":1}\n\n';
  assertEquals(await next(watcher), first);
  files.state = { version: 2 };
  await bench.pass(750);
  files.state = { version: 3 };
  await bench.pass(1_000);
  assertEquals(await next(watcher), 'event: files\ndata: {"version":3}\n\n');
  await watcher.cancel();
  await bench.pass(1_000);
});
