import { DiskLog } from "../../src/node/log/disk_log.ts";
import type { LogStore } from "../../src/node/log/log_store.ts";
import { FaultDisk } from "./fault_disk.ts";
import { MemoryLog } from "./node/memory_log.ts";

/** A log whose syncs end when the test says so. */
export interface LogFixture {
  readonly log: LogStore;
  readonly failures: Error[];
  /** Number of syncs started so far. */
  syncCount(): number;
  finishSync(): void;
  /** Ends all syncs, including those that start meanwhile. */
  finishAll(): void;
  failNextSync(): void;
}

function finishAll(running: (() => void)[]): void {
  for (let end = running.shift(); end !== undefined; end = running.shift()) end();
}

function memoryFixture(): LogFixture {
  const running: (() => void)[] = [];
  const failures: Error[] = [];
  let syncCount = 0;
  let error: Error | null = null;
  const log = new MemoryLog({
    sync: (done) => {
      syncCount++;
      running.push(() => done(error));
    },
    onFailure: (failure) => failures.push(failure),
  });
  return {
    log,
    failures,
    syncCount: () => syncCount,
    finishSync: () => running.shift()?.(),
    finishAll: () => finishAll(running),
    failNextSync: () => error = new Error("disk on fire"),
  };
}

function diskFixture(segmentBytesMax: number): LogFixture {
  const running: (() => void)[] = [];
  const failures: Error[] = [];
  let syncCount = 0;
  let error: Error | null = null;
  const disk = new FaultDisk({
    schedule: (run) => running.push(run),
    fault: ({ kind }) => {
      if (kind !== "sync") return null;
      syncCount++;
      return error === null ? null : { kind: "error", error };
    },
  });
  const log = DiskLog.open(disk, {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: true,
    segmentBytesMax,
    onFailure: (failure) => failures.push(failure),
  });
  return {
    log,
    failures,
    syncCount: () => syncCount,
    finishSync: () => running.shift()?.(),
    finishAll: () => finishAll(running),
    failNextSync: () => error = new Error("disk on fire"),
  };
}

const STORES: [string, () => LogFixture][] = [
  ["memory", memoryFixture],
  ["disk", () => diskFixture(1 << 26)],
  ["disk, tiny segments", () => diskFixture(400)],
];

/** Runs a test on each implementation of `LogStore`. */
export function testEachLog(name: string, run: (fixture: LogFixture) => void): void {
  for (const [store, open] of STORES) Deno.test(`${name} (${store})`, () => run(open()));
}

/** As `testEachLog`, with segments that never fill up, so that syncs can be counted. */
export function testEachCountable(name: string, run: (fixture: LogFixture) => void): void {
  for (const [store, open] of STORES.slice(0, 2)) {
    Deno.test(`${name} (${store})`, () => run(open()));
  }
}
