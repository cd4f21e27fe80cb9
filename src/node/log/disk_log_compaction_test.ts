import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import {
  configurationEntryOf,
  configurationOf,
  contentOf,
  describeEntry,
  entriesOf,
  entryOf,
} from "../../../tests/support/log_entries.ts";
import { testEachLog } from "../../../tests/support/log_fixtures.ts";
import { AssertionFailure, UserError } from "../../base/errors.ts";
import { DiskLog } from "./disk_log.ts";
import type { LogStore } from "./log_store.ts";

const ignore = () => {};

const configurationsOf = (log: LogStore) =>
  log.configurations().map(({ index, configuration }) => [index, configuration.members.length]);

testEachLog("configurations are those of the existing entries", ({ log }) => {
  assertEquals(log.configurations(), []);
  log.append(null, [entryOf(1, 1), configurationEntryOf(2, 1, 3), ...entriesOf(3, 9, 1)], ignore);
  log.append(null, [configurationEntryOf(10, 1, 4), configurationEntryOf(11, 2, 5)], ignore);
  assertEquals(log.configurations()[0], { index: 2, configuration: configurationOf(3) });
  assertEquals(configurationsOf(log), [[2, 3], [10, 4], [11, 5]]);
  log.append(null, [entryOf(11, 3)], ignore);
  assertEquals(configurationsOf(log), [[2, 3], [10, 4]]);
  log.append(null, [configurationEntryOf(2, 4, 7)], ignore);
  assertEquals(configurationsOf(log), [[2, 7]]);
  log.append(null, entriesOf(1, 2, 5), ignore);
  assertEquals(configurationsOf(log), []);
});

testEachLog(
  "a compacted log keeps all later entries, and the term before its first entry",
  ({ log }) => {
    log.append({ term: 1, vote: "n1" }, entriesOf(1, 20, 1, 100), ignore);
    log.append({ term: 2, vote: null }, entriesOf(21, 40, 2, 100), ignore);
    log.compact(0);
    assertEquals(log.firstIndex(), 1);
    for (const index of [10, 20, 21, 30, 29, 40]) {
      log.compact(index);
      const first = log.firstIndex();
      assert(first <= Math.max(index, 30) + 1, `${first} after ${index}`);
      assertEquals(log.term(first - 1), first === 1 ? 0 : first <= 21 ? 1 : 2);
      assertThrows(() => log.term(first - 2), AssertionFailure);
      if (index === 40) break;
      const expected = entriesOf(1, 20, 1, 100).concat(entriesOf(21, 40, 2, 100)).slice(first - 1);
      assertEquals(contentOf(log).entries, expected.map(describeEntry));
      if (first > 1) assertThrows(() => log.entries(first - 1, 40, 1e6), AssertionFailure);
    }
    assertEquals(log.lastIndex(), 40);
    log.append({ term: 3, vote: null }, entriesOf(41, 45, 3), ignore);
    assertEquals([log.term(40), log.term(41), log.lastIndex()], [2, 3, 45]);
    assertThrows(() => log.compact(46), AssertionFailure);
  },
);

testEachLog("a compacted log forgets configurations with their entries", ({ log }) => {
  log.append(null, [configurationEntryOf(1, 1, 3), ...entriesOf(2, 9, 1, 300)], ignore);
  log.append(null, [configurationEntryOf(10, 1, 4), ...entriesOf(11, 20, 1, 300)], ignore);
  log.compact(15);
  const isFirstThere = log.firstIndex() === 1;
  const isSecondThere = log.firstIndex() <= 10;
  const expected = [...isFirstThere ? [[1, 3]] : [], ...isSecondThere ? [[10, 4]] : []];
  assertEquals(configurationsOf(log), expected);
});

testEachLog("a compacted log can be truncated like any other", ({ log }) => {
  log.append({ term: 1, vote: null }, entriesOf(1, 30, 1, 100), ignore);
  log.compact(20);
  const first = log.firstIndex();
  log.append({ term: 2, vote: null }, entriesOf(22, 23, 2), ignore);
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(21), log.term(22)], [first, 23, 1, 2]);
  log.append({ term: 3, vote: null }, entriesOf(first, first, 3), ignore);
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(first)], [first, first, 3]);
  if (first > 1) assertThrows(() => log.append(null, [entryOf(first - 1, 3)], ignore));
});

testEachLog("a snapshot replaces the whole log", (fixture) => {
  const { log } = fixture;
  const done: string[] = [];
  log.append({ term: 1, vote: "n1" }, [configurationEntryOf(1, 1, 3)], () => done.push("append"));
  log.append(null, entriesOf(2, 30, 1, 100), ignore);
  log.reset(12, 4, { term: 5, vote: "n2" }, () => done.push("reset"));
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(12)], [13, 12, 4]);
  assertEquals([log.hardState(), log.configurations()], [{ term: 5, vote: "n2" }, []]);
  log.append(null, entriesOf(13, 15, 5), () => done.push("behind"));
  assertEquals(
    log.entries(13, 15, 1e6).map(describeEntry),
    entriesOf(13, 15, 5).map(describeEntry),
  );
  assertThrows(() => log.term(11), AssertionFailure);
  assertEquals(done, []);
  fixture.finishAll();
  assertEquals(done, ["append", "reset", "behind"]);
  assertEquals(
    log.entries(13, 15, 1e6).map(describeEntry),
    entriesOf(13, 15, 5).map(describeEntry),
  );
  log.reset(100, 6, null, ignore);
  assertEquals([log.firstIndex(), log.lastIndex(), log.term(100)], [101, 100, 6]);
  assertEquals(log.hardState(), { term: 5, vote: "n2" });
  assertThrows(() => log.reset(100, 6, null, ignore), AssertionFailure);
  assertThrows(() => log.reset(110, 6, { term: 4, vote: null }, ignore), AssertionFailure);
});

testEachLog("a stopped log is neither compacted nor reset", ({ log }) => {
  log.append(null, entriesOf(1, 30, 1, 100), ignore);
  log.close();
  log.compact(20);
  log.reset(40, 2, null, ignore);
  assertEquals([log.firstIndex(), log.lastIndex()], [1, 30]);
});

Deno.test("a log on disk keeps the segments that it needs, and no more", () => {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const options = {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    onFailure: ignore,
    segmentBytesMax: 1000,
  };
  const log = DiskLog.open(disk, { ...options, create: true });
  for (let index = 1; index <= 200; index++) log.append(null, [entryOf(index, 1, 200)], ignore);
  const countBefore = disk.list("log").length;
  log.compact(150);
  const firstIndex = log.firstIndex();
  assert(firstIndex > 140 && firstIndex <= 151, `${firstIndex}`);
  assert(disk.list("log").length < countBefore / 3, `${disk.list("log")}`);
  log.compact(200);
  assertEquals(disk.list("log").length, 2);
  log.reset(300, 2, { term: 2, vote: null }, ignore);
  assertEquals(
    disk.list("log"),
    ["00000052-00000000000000000301.log", "synced"].map((name) =>
      name.startsWith("0") ? disk.list("log")[0] ?? "" : name
    ),
  );
  assertEquals(disk.list("log").length, 2);
  log.close();
  const again = DiskLog.open(disk, {
    ...options,
    create: false,
    snapshot: { index: 300, term: 2 },
  });
  assertEquals([again.firstIndex(), again.lastIndex(), again.term(300)], [301, 300, 2]);
});

Deno.test("a removed segment that comes back does not matter, even if the one that truncated it exists", () => {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const options = { clusterId: "c1", nodeId: "n1", nonce: "nonce", onFailure: ignore };
  const log = DiskLog.open(disk, { ...options, create: true, segmentBytesMax: 1000 });
  for (let index = 1; index <= 30; index++) log.append(null, [entryOf(index, 1, 200)], ignore);
  const names = disk.list("log").filter((name) => name.endsWith(".log"));
  const cutOff = `log/${names.at(-1)}`;
  const bytes = disk.read(cutOff);
  assert(bytes !== null);
  const first = Number(/-0*(\d+)\.log/.exec(cutOff)?.[1]);
  log.append({ term: 2, vote: null }, [entryOf(first - 2, 2), entryOf(first - 1, 2)], ignore);
  log.compact(first - 2);
  assertEquals(log.firstIndex(), first - 2);
  const kept = contentOf(log);
  log.close();
  disk.plant(cutOff, bytes);
  const snapshot = { index: first - 2, term: 2 };
  const again = DiskLog.open(disk, { ...options, create: false, snapshot });
  assertEquals(contentOf(again), kept);
  assertEquals(disk.list("log").length, 2);
});

Deno.test("a log that begins after the end of its snapshot is refused", () => {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const owner = { clusterId: "c1", nodeId: "n1", nonce: "nonce" };
  const options = { ...owner, segmentBytesMax: 2000, onFailure: ignore };
  const log = DiskLog.open(disk, { ...options, create: true });
  for (let first = 1; first < 40; first += 5) {
    log.append({ term: 1, vote: null }, entriesOf(first, first + 4, 1, 300), ignore);
  }
  log.compact(30);
  const before = log.firstIndex() - 1;
  assert(before > 5);
  log.close();
  const open = (index: number) =>
    DiskLog.open(disk, { ...options, create: false, snapshot: { index, term: 1 } });
  const { message } = assertThrows(() => open(before - 2), UserError);
  assertStringIncludes(message, `entries ${before - 1} to ${before} are missing`);
  open(before).close();
});

Deno.test("stray files, and files that cannot be removed, are reported once and do no harm", () => {
  const warnings: string[] = [];
  const failing = new Set<string>();
  let isListFailing = false;
  const disk = new FaultDisk({
    schedule: (run) => run(),
    fault: ({ kind, path }) =>
      kind === "remove" && failing.has(path) ? { kind: "error", error: new Error("busy") } : null,
  });
  const list = disk.list.bind(disk);
  disk.list = (directory) => {
    if (isListFailing) throw new Error("unreadable");
    return list(directory);
  };
  const open = () =>
    DiskLog.open(disk, {
      clusterId: "c1",
      nodeId: "n1",
      nonce: "nonce",
      create: true,
      segmentBytesMax: 1_000,
      snapshot: { index: 40, term: 1 },
      logger: { info() {}, error() {}, warn: (line) => warnings.push(line) },
      onFailure: (error) => {
        throw error;
      },
    });
  const segments = () => list("log").filter((name) => name.endsWith(".log"));
  let log = open();
  disk.plant("log/.nfs0001", new Uint8Array(3));
  disk.plant("log/1-1.log", new Uint8Array(3));
  disk.makeDirectory("log/lost");
  for (let index = 1; index <= 60; index++) log.append(null, [entryOf(index, 1, 100)], ignore);
  const [first = ""] = segments();
  failing.add(`log/${first}`);
  isListFailing = true;
  log.compact(20);
  isListFailing = false;
  log.compact(40);
  log.compact(41);
  assert(segments().includes(first) && !segments()[1]?.startsWith("00000002"), `${segments()}`);
  assertEquals(warnings.splice(0), [
    "cannot read data/n1/log: unreadable",
    "ignores data/n1/log/.nfs0001, which is not a file of Regent",
    "ignores data/n1/log/1-1.log, which is not a file of Regent",
    "ignores data/n1/log/lost, which is not a file of Regent",
    `cannot remove data/n1/log/${first}: busy`,
  ]);
  const content = contentOf(log);
  log.close();
  log = open();
  assertEquals(contentOf(log), content);
  assertEquals(warnings.length, 4);
  failing.clear();
  log.compact(45);
  assert(!segments().includes(first));
  log.close();
});
