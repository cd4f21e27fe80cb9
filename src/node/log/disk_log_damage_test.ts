import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { contentOf, entriesOf, type LogContent } from "../../../tests/support/log_entries.ts";
import { UserError } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import { DiskLog, type DiskLogOptions } from "./disk_log.ts";
import { Batch, encodeEntry, type LogEntry } from "./entry.ts";
import { encodeSynced, RecordWriter } from "./record.ts";

const OPTIONS: DiskLogOptions = {
  clusterId: "c1",
  nodeId: "n1",
  nonce: "nonce",
  create: false,
  segmentBytesMax: 700,
  onFailure: (error) => {
    throw error;
  },
};

const SEGMENT_1 = "log/00000001-00000000000000000001.log";

/** A disk with a synced log, and the content of the log. */
function written(segmentBytesMax = 700): { disk: FaultDisk; content: LogContent } {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => running.push(run) });
  const log = DiskLog.open(disk, { ...OPTIONS, create: true, segmentBytesMax });
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  log.append(null, entriesOf(4, 6, 1, 100), () => {});
  log.append({ term: 2, vote: null }, entriesOf(6, 9, 2), () => {});
  while (running.length > 0) running.shift()?.();
  const content = contentOf(log);
  log.close();
  return { disk, content };
}

const noOp = (index: number, term: number): LogEntry => ({
  index,
  term,
  data: null,
  sizeBytes: 17,
});

function fileOf(disk: FaultDisk, path: string): Uint8Array {
  const bytes = disk.read(path);
  assert(bytes !== null, path);
  return bytes;
}

const logPaths = (disk: FaultDisk) => disk.list("log").map((name) => `log/${name}`);

/** The end of the written bytes, without trailing zeros. */
const usedBytes = (bytes: Uint8Array) => bytes.findLastIndex((byte) => byte !== 0) + 1;

/** Opens the log, which must be the same or be refused clearly. Returns the refusal. */
function openOrRefuse(disk: FaultDisk, expected: LogContent, hint: string): string | null {
  let log: DiskLog;
  try {
    log = DiskLog.open(disk, OPTIONS);
  } catch (error) {
    assert(error instanceof UserError, `${hint}: ${error}`);
    assertStringIncludes(error.message, "data/n1/log");
    return error.message;
  }
  assertEquals(contentOf(log), expected, hint);
  return null;
}

Deno.test("a flipped byte is refused or harmless, wherever it is", () => {
  const { disk, content } = written();
  for (const path of logPaths(disk)) {
    const bytes = fileOf(disk, path);
    const used = usedBytes(bytes);
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const copy = disk.afterCrash(null);
        const damaged = bytes.slice();
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        copy.plant(path, damaged);
        const refusal = openOrRefuse(copy, content, `${path} byte ${at}`);
        const isRecord = path.endsWith(".log") && at < used;
        if (isRecord) assert(refusal !== null, `${path} byte ${at} was acknowledged`);
        if (path === "log/synced") assertEquals(refusal, null, "the mark has a second copy");
      }
      if (at > used + 20) break;
    }
  }
});

Deno.test("a truncated file is refused or harmless, at any length", () => {
  const { disk, content } = written();
  for (const path of logPaths(disk)) {
    const bytes = fileOf(disk, path);
    const used = usedBytes(bytes);
    for (let length = 0; length < bytes.length; length++) {
      const copy = disk.afterCrash(null);
      copy.plant(path, bytes.slice(0, length));
      const refusal = openOrRefuse(copy, content, `${path} cut to ${length}`);
      if (path.endsWith(".log")) assertEquals(refusal !== null, length < used, `${path} ${length}`);
    }
  }
});

Deno.test("a missing or exchanged file is refused", () => {
  const { disk, content } = written();
  const paths = logPaths(disk);
  assert(paths.length >= 4);
  for (const path of paths) {
    const copy = disk.afterCrash(null);
    copy.remove(path);
    const refusal = openOrRefuse(copy, content, `without ${path}`) ?? "";
    assertStringIncludes(refusal, "is missing");
    if (!path.endsWith(".log")) continue;
    for (const other of paths.filter((other) => other.endsWith(".log") && other !== path)) {
      const exchanged = disk.afterCrash(null);
      exchanged.plant(path, fileOf(disk, other));
      assert(openOrRefuse(exchanged, content, `${other} as ${path}`) !== null);
    }
  }
  const empty = new FaultDisk();
  assertThrows(() => DiskLog.open(empty, OPTIONS), UserError, "missing");
});

Deno.test("the refusal names file, place, cause and remedy", () => {
  const { disk, content } = written(1 << 20);
  const bytes = fileOf(disk, SEGMENT_1);
  const used = usedBytes(bytes);
  bytes[used - 1] = 0;
  disk.plant(SEGMENT_1, bytes);
  const refusal = openOrRefuse(disk, content, "last record damaged") ?? "";
  assert(
    /^Cannot read data\/n1\/log\/00000001-0{19}1\.log: at byte \d+ is a damaged record, although the log was synced up to byte \d+; restore /
      .test(refusal),
    refusal,
  );
  assertStringIncludes(refusal, `byte ${used};`);
});

/** A log with an unsynced last write, ready to be torn. */
function unsynced(): { disk: FaultDisk; log: DiskLog; syncedBytes: number; content: LogContent } {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => running.push(run) });
  const log = DiskLog.open(disk, { ...OPTIONS, create: true, segmentBytesMax: 1 << 20 });
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  while (running.length > 0) running.shift()?.();
  const content = contentOf(log);
  const syncedBytes = usedBytes(fileOf(disk, SEGMENT_1));
  log.append(null, entriesOf(4, 4, 1, 50), () => {});
  return { disk, log, syncedBytes, content };
}

Deno.test("a torn tail is cut off, and later appends can be read", () => {
  const { disk, syncedBytes, content } = unsynced();
  const bytes = fileOf(disk, SEGMENT_1);
  const used = usedBytes(bytes);
  const lines: string[] = [];
  for (let torn = syncedBytes + 1; torn < used; torn++) {
    const copy = disk.afterCrash(null, { schedule: (run) => run() });
    copy.plant(SEGMENT_1, bytes.slice().fill(0, torn));
    const logger = { info: (line: string) => lines.push(line), warn() {}, error() {} };
    const log = DiskLog.open(copy, { ...OPTIONS, logger });
    assertEquals(contentOf(log), content);
    log.append(null, entriesOf(4, 5, 1, 10), () => {});
    const grown = contentOf(log);
    log.close();
    assertEquals(contentOf(DiskLog.open(copy, OPTIONS)), grown, `torn at ${torn}`);
  }
  // Zeros look like nothing: a record torn in the first bytes of its length is no damage.
  assert(lines.length <= used - syncedBytes && lines.length > 100, `${lines.length} lines`);
  assertStringIncludes(lines[0] ?? "", `cut data/n1/${SEGMENT_1} at byte ${syncedBytes}`);
});

Deno.test("data found at a start counts as synced", () => {
  const { disk } = unsynced();
  const log = DiskLog.open(disk, OPTIONS);
  assertEquals(log.lastIndex(), 4);
  log.close();
  const bytes = fileOf(disk, SEGMENT_1);
  bytes[usedBytes(bytes) - 1] = 0;
  disk.plant(SEGMENT_1, bytes);
  assertThrows(() => DiskLog.open(disk, OPTIONS), UserError, "although the log was synced");
});

Deno.test("a later sync record proves the data before it", () => {
  const { disk, log, syncedBytes } = unsynced();
  log.close();
  const bytes = fileOf(disk, SEGMENT_1);
  // A power failure loses the mark. Then the last acknowledged record is damaged.
  bytes[syncedBytes - 1] = 0;
  disk.plant(SEGMENT_1, bytes);
  disk.plant("log/synced", new Uint8Array(600));
  assertThrows(() => DiskLog.open(disk, OPTIONS), UserError, "although the log was synced");
});

Deno.test("no client can forge a sync record", () => {
  const claimed = (nonce: string): string | null => {
    const { disk, log, syncedBytes, content } = unsynced();
    const forged = new RecordWriter();
    forged.add(encodeSynced(syncedBytes + 1, nonce));
    const value = String.fromCharCode(...forged.bytes());
    const data = new Batch(1, [["SET", "k", `${value}${"{".repeat(100)}${value}`]]);
    log.append(null, [{ index: 5, term: 1, data, sizeBytes: 0 }], () => {});
    const bytes = fileOf(disk, SEGMENT_1);
    bytes[syncedBytes + 20] = 0xff; // within entry 4, which was never synced either
    disk.plant(SEGMENT_1, bytes);
    return openOrRefuse(disk, content, nonce);
  };
  assertEquals(claimed("a guess"), null);
  assertStringIncludes(claimed("nonce") ?? "", "although the log was synced");
});

Deno.test("a lost write before a kept one is no damage if neither was synced", () => {
  const { disk, log, syncedBytes, content } = unsynced();
  const middle = usedBytes(fileOf(disk, SEGMENT_1));
  log.append(null, entriesOf(5, 6, 1, 50), () => {});
  const bytes = fileOf(disk, SEGMENT_1);
  disk.plant(SEGMENT_1, bytes.slice().fill(0, syncedBytes, middle));
  assertEquals(openOrRefuse(disk, content, "lost write"), null);
});

Deno.test("damage that appears while the log is open is found by reading", () => {
  const { disk } = written();
  const log = DiskLog.open(disk, OPTIONS);
  const file = disk.open(SEGMENT_1, "existing");
  file.write(new Uint8Array([0x7e]), 300);
  assertThrows(() => log.entries(1, 9, 1e6), UserError, "is a damaged record");
});

Deno.test("foreign logs are refused", () => {
  const refusal = (prepare: (disk: FaultDisk) => void, change: Partial<DiskLogOptions> = {}) => {
    const { disk } = written();
    prepare(disk);
    return assertThrows(() => DiskLog.open(disk, { ...OPTIONS, ...change }), UserError).message;
  };
  assertStringIncludes(refusal(() => {}, { nodeId: "n2" }), "written by node n1 of cluster c1");
  assertStringIncludes(refusal(() => {}, { clusterId: "c9" }), "this is node n1 of cluster c9");
  const ofVersion1 = (disk: FaultDisk) => {
    const header = new RecordWriter();
    header.add(new TextEncoder().encode('{"format":1,"anything":true}'));
    disk.plant(SEGMENT_1, header.bytes().slice());
  };
  assertStringIncludes(refusal(ofVersion1), "its format is 1 and this version reads 3");
});

Deno.test("an unknown kind of record is refused, not skipped", () => {
  const noEntry = String.fromCharCode(...encodeEntry(noOp(10, 1)).subarray(0, 16));
  for (const payload of ["{}", "[1]", noEntry, '{"index":10,"term":1}', '{"member":"n4"}']) {
    const { disk } = written(1 << 20);
    const record = new RecordWriter();
    record.add(new TextEncoder().encode(payload));
    const file = disk.open(SEGMENT_1, "existing");
    file.write(record.bytes(), usedBytes(fileOf(disk, SEGMENT_1)));
    assertThrows(() => DiskLog.open(disk, OPTIONS), UserError, "does not know", payload);
  }
});

Deno.test("entries that leave a gap or go back in term are refused", () => {
  const text = new TextEncoder();
  const later = [
    encodeEntry(noOp(11, 2)),
    encodeEntry(noOp(10, 1)),
    text.encode('{"term":1,"vote":null}'),
    encodeSynced(20, "another nonce"),
    encodeSynced(1 << 19, "nonce"),
  ];
  for (const payload of later) {
    const { disk } = written(1 << 20);
    const record = new RecordWriter();
    record.add(payload);
    const file = disk.open(SEGMENT_1, "existing");
    file.write(record.bytes(), usedBytes(fileOf(disk, SEGMENT_1)));
    assertThrows(() => DiskLog.open(disk, OPTIONS), UserError, "Cannot read", `${payload}`);
  }
});

Deno.test("after a loss of power a log without sync records is still read", () => {
  const { disk, content } = written();
  disk.plant("log/synced", new Uint8Array(0));
  assertEquals(openOrRefuse(disk.afterCrash(seededRandom(1)), content, "empty mark"), null);
});
