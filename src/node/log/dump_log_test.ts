import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { configurationEntryOf, entriesOf } from "../../../tests/support/log_entries.ts";
import { UserError } from "../../base/errors.ts";
import { DiskLog } from "./disk_log.ts";
import { dumpLog } from "./dump_log.ts";
import { Batch, encodeEntry } from "./entry.ts";
import { RecordWriter } from "./record.ts";

const SEGMENT = "00000001-00000000000000000001.log";

function diskWithLog(segmentBytesMax: number): FaultDisk {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => running.push(run) });
  const log = DiskLog.open(disk, {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: true,
    segmentBytesMax,
    onFailure: (error) => {
      throw error;
    },
  });
  const timeMs = Date.UTC(2026, 10, 21, 10);
  const append = (index: number, term: number, commands: string[][] | null) => {
    const data = commands === null ? null : new Batch(timeMs, commands);
    log.append(null, [{ index, term, data, sizeBytes: 0 }], () => {});
  };
  log.append({ term: 1, vote: "n1" }, [], () => {});
  append(1, 1, null);
  append(2, 1, [["SET", 'a"b\\', "\r\n\t\x07\b\x00\x7f\xff é"], ["DEL", ""]]);
  append(3, 1, []);
  log.append({ term: 2, vote: null }, [], () => {});
  append(2, 2, [["SET", "k", "v".repeat(1000)]]);
  while (running.length > 0) running.shift()?.();
  log.close();
  return disk.afterCrash(null, { schedule: (run) => run() });
}

Deno.test("a log is readable, one line for each entry", () => {
  assertEquals([...dumpLog(diskWithLog(1 << 20))], [
    `segment ${SEGMENT} of node n1 in cluster c1, from entry 1, term 0, vote none`,
    "term 1, vote n1",
    "entry 1 term 1 no-op",
    String
      .raw`entry 2 term 1 2026-11-21T10:00:00.000Z "SET" "a\"b\\" "\r\n\t\a\b\x00\x7f\xff \xe9"; "DEL" ""`,
    "entry 3 term 1 2026-11-21T10:00:00.000Z time only",
    "term 2, vote none",
    `entry 2 term 2 (in place of 2 to 3) 2026-11-21T10:00:00.000Z "SET" "k" "${
      "v".repeat(64)
    }"... (1000 bytes)`,
  ]);
});

Deno.test("changes of members, and snapshots that replace the log, are shown", () => {
  const disk = diskWithLog(1 << 20);
  const snapshot = { index: 40, term: 3 };
  const options = {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: false,
    onFailure: () => {},
  };
  const log = DiskLog.open(disk, options);
  log.reset(40, 3, { term: 4, vote: "n2" }, () => {});
  const { data } = configurationEntryOf(41, 4, 4);
  const n1 = { id: "n1", raftAddress: { host: "h", port: 1 }, isLearner: false };
  const removed = { members: [n1], removed: ["n5", "a\nb"] };
  log.append(null, [
    { index: 41, term: 4, data, sizeBytes: 0 },
    { index: 42, term: 4, data: new Batch(0, [], removed), sizeBytes: 0 },
  ], () => {});
  const head = "segment 00000002-00000000000000000041.log of node n1 in cluster c1, from entry 41";
  const expected = [
    `${head} (a snapshot up to entry 40 of term 3 replaced the log), term 4, vote n2`,
    "entry 41 term 4 2023-11-14T22:13:20.041Z members: n1=127.0.0.1:17001, n2=127.0.0.1:17002, " +
    "n3=127.0.0.1:17003, n4=127.0.0.1:17004 (learner)",
    "entry 42 term 4 1970-01-01T00:00:00.000Z members: n1=h:1; removed: n5, a?b",
  ];
  assertEquals([...dumpLog(disk)].slice(-3), expected);
  log.close();
  DiskLog.open(disk, { ...options, snapshot }).close();
  assertEquals([...dumpLog(disk)], expected);
});

Deno.test("values are shown whole if requested", () => {
  const lines = [...dumpLog(diskWithLog(1 << 20), { full: true })];
  assertStringIncludes(lines.at(-1) ?? "", `"${"v".repeat(1000)}"`);
});

Deno.test("the readable part of a damaged log is shown, then the error", () => {
  const disk = diskWithLog(800);
  const bytes = disk.read(`log/${SEGMENT}`) ?? new Uint8Array(0);
  bytes[250] = 0x7e;
  disk.plant(`log/${SEGMENT}`, bytes);
  const lines = [...dumpLog(disk)];
  const errorAt = lines.findIndex((line) => line.startsWith("error:"));
  assertEquals(lines[errorAt - 1], "entry 1 term 1 no-op");
  assertStringIncludes(lines[errorAt] ?? "", `error: ${SEGMENT} at byte`);
  assertStringIncludes(lines[errorAt + 1] ?? "", "segment 00000002-");
  assertStringIncludes(lines.at(-1) ?? "", "entry 2 term 2");
});

Deno.test("records of another kind or version are named, not skipped", () => {
  const lineFor = (payload: string | Uint8Array) => {
    const record = new RecordWriter();
    record.add(typeof payload === "string" ? new TextEncoder().encode(payload) : payload);
    const disk = new FaultDisk({ schedule: (run) => run() });
    disk.plant(`log/${SEGMENT}`, record.bytes().slice());
    disk.makeDirectory("log");
    return [...dumpLog(disk)].join("\n");
  };
  assertEquals(
    lineFor("{}"),
    `error: ${SEGMENT} at byte 0: a record of a kind that this version does not know`,
  );
  assertStringIncludes(lineFor('{"format":7}'), "at byte 0: format 7, written by another version");
  const data = new Batch(1, [["SET", "k", "v"]]);
  const cut = encodeEntry({ index: 1, term: 1, data, sizeBytes: 0 }).slice(0, -1);
  assertStringIncludes(
    lineFor(cut),
    "at byte 0: Cannot decode entry 1: its commands are malformed",
  );
});

Deno.test("the log of a running node can be dumped", () => {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const options = {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: true,
    onFailure: () => {},
  };
  const log = DiskLog.open(disk, options);
  log.append(null, entriesOf(1, 2, 1), () => {});
  const lines = dumpLog(disk);
  lines.next();
  log.append(null, entriesOf(3, 9, 1), () => {});
  assertStringIncludes(lines.next().value ?? "", "entry 1 term 1");
  assertEquals([...dumpLog(disk)].length, 10);
});

Deno.test("no log is an error", () => {
  assertThrows(
    () => [...dumpLog(new FaultDisk({ schedule: (run) => run() }))],
    UserError,
    "there is no log",
  );
});

Deno.test("versions of the state machine, and times beyond any date, are shown", () => {
  const disk = diskWithLog(1 << 20);
  const log = DiskLog.open(disk, {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: false,
    onFailure: () => {},
  });
  log.append(null, [
    { index: 3, term: 2, data: new Batch(0, [], null, 4), sizeBytes: 0 },
    { index: 4, term: 2, data: new Batch(8.64e15, []), sizeBytes: 0 },
    { index: 5, term: 2, data: new Batch(8.64e15 + 2, []), sizeBytes: 0 },
  ], () => {});
  assertEquals([...dumpLog(disk)].slice(-3), [
    "entry 3 term 2 1970-01-01T00:00:00.000Z state machine version 4",
    "entry 4 term 2 +275760-09-13T00:00:00.000Z time only",
    "entry 5 term 2 8640000000000002 ms time only",
  ]);
  log.close();
});

Deno.test("a segment that a running node removes meanwhile is left out", () => {
  const disk = diskWithLog(200);
  const lines = [...dumpLog(disk)];
  const [first = ""] = disk.list("log").filter((name) => name.endsWith(".log"));
  const running = Object.create(disk, {
    read: { value: (path: string) => path.endsWith(first) ? null : disk.read(path) },
    list: { value: (directory: string) => disk.list(directory) },
  });
  const left = [...dumpLog(running)];
  assertEquals(left.length > 0 && left.length < lines.length, true);
  assertEquals(left, lines.slice(-left.length));
});
