import { assert, assertEquals, assertThrows } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import {
  configurationEntryOf,
  contentOf,
  entriesOf,
  entryOf,
} from "../../../tests/support/log_entries.ts";
import { UserError } from "../../base/errors.ts";
import { DiskLog, type DiskLogOptions } from "./disk_log.ts";
import { encodeEntry } from "./entry.ts";
import {
  encodeSegmentHeader,
  parseLogRecord,
  payloadAt,
  RECORD_HEADER_BYTES,
  RecordWriter,
  type SegmentHeader,
} from "./record.ts";

/**
 * Files whose checksums all fit, and which are no log of ours all the same: such as a tool writes, a
 * bug of another version, or somebody who puts two directories together.
 */
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

/** A disk with a log of several segments in term 3. */
function written(segmentBytesMax = 700): { disk: FaultDisk; newest: string; lastIndex: number } {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const log = DiskLog.open(disk, { ...OPTIONS, create: true, segmentBytesMax });
  log.append({ term: 3, vote: "n1" }, entriesOf(1, 3, 3), () => {});
  for (let index = 4; index <= 12; index++) log.append(null, entriesOf(index, index, 3), () => {});
  log.close();
  const names = disk.list("log").filter((name) => name.endsWith(".log"));
  const newest = names.at(-1);
  assert(newest !== undefined);
  return { disk, newest, lastIndex: log.lastIndex() };
}

function recordOf(payload: Uint8Array): Uint8Array {
  const writer = new RecordWriter();
  writer.add(payload);
  return writer.bytes().slice();
}

const usedBytes = (bytes: Uint8Array) => bytes.findLastIndex((byte) => byte !== 0) + 1;

/** Gives a segment another header, and a matching name. */
function forge(disk: FaultDisk, name: string, change: Partial<SegmentHeader>): void {
  const bytes = disk.read(`log/${name}`);
  const payload = bytes === null ? null : payloadAt(bytes, 0);
  const record = payload === null ? null : parseLogRecord(payload);
  assert(bytes !== null && payload !== null && record?.kind === "header");
  const header = { ...record.header, ...change };
  const rest = bytes.subarray(RECORD_HEADER_BYTES + payload.length);
  disk.remove(`log/${name}`);
  const [segment, first] = [[header.segment, 8], [header.first, 20]].map(([value, digits]) =>
    String(value).padStart(digits ?? 0, "0")
  );
  const head = recordOf(encodeSegmentHeader(header));
  disk.plant(`log/${segment}-${first}.log`, new Uint8Array([...head, ...rest]));
  disk.plant("log/synced", new Uint8Array(0)); // it does not say how long this segment is
}

/** Appends one more record. */
function append(disk: FaultDisk, name: string, payload: Uint8Array): void {
  const file = disk.open(`log/${name}`, "existing");
  file.write(recordOf(payload), usedBytes(disk.read(`log/${name}`) ?? new Uint8Array(0)));
}

const refusal = (disk: FaultDisk, change: Partial<DiskLogOptions> = {}) =>
  assertThrows(() => DiskLog.open(disk, { ...OPTIONS, ...change }), UserError).message;

function assertIncludes(text: string, part: string): void {
  assert(text.includes(part), text);
}

Deno.test("a segment with its own header is read", () => {
  const { disk, newest, lastIndex } = written();
  forge(disk, newest, {});
  assertEquals(DiskLog.open(disk, OPTIONS).lastIndex(), lastIndex);
});

Deno.test("a segment that does not follow the one before is refused, with its name and the reason", () => {
  const { newest } = written();
  const first = Number(newest.slice(9, -4));
  const forged: readonly (readonly [Partial<SegmentHeader>, string])[] = [
    [{ nonce: "other" }, "the segment belongs to another log"],
    [{ term: 2 }, "the term goes back to 2"],
    [{ first: 0 }, "the segment starts at entry 0"],
    [
      { first: first + 1 },
      `the segment starts at entry ${first + 1}, and the log so far ends at ${first - 1}`,
    ],
    [{ previousTerm: 2 }, "the header gives the previous entry term 2"],
    [{ previousTerm: 0 }, "the header gives the previous entry term 0"],
    [{ previousBytes: 5 }, "says that they end at byte 5"],
    [{ cluster: "c2" }, "it was written by node n1 of cluster c2"],
    [{ node: "n2" }, "it was written by node n2 of cluster c1"],
  ];
  for (const [change, why] of forged) {
    const { disk } = written();
    forge(disk, newest, change);
    assertIncludes(refusal(disk), why);
  }
});

Deno.test("an invalid change of members is refused at the start, not skipped", () => {
  const { disk, newest } = written(1 << 20);
  const payload = encodeEntry(configurationEntryOf(13, 3, 3));
  append(disk, newest, payload);
  const log = DiskLog.open(disk, OPTIONS);
  assertEquals([log.lastIndex(), log.configurations().at(-1)?.index], [13, 13]);
  log.close();
  const broken = encodeEntry(configurationEntryOf(14, 3, 4)).slice();
  broken[broken.lastIndexOf("}".charCodeAt(0))] = "]".charCodeAt(0);
  append(disk, newest, broken);
  const message = refusal(disk);
  assertIncludes(message, `Cannot read data/n1/log/${newest}`);
  assertIncludes(message, "is not an entry (");
});

Deno.test("an invalid entry is reported when it is read, with its position", () => {
  const { disk, newest } = written(1 << 20);
  const broken = encodeEntry(entryOf(13, 3));
  append(disk, newest, broken.subarray(0, broken.length - 1));
  const log = DiskLog.open(disk, OPTIONS);
  assertEquals(log.entries(1, 12, 1e6).length, 12);
  const { message } = assertThrows(() => log.entries(13, 13, 1e6), UserError);
  assertIncludes(message, `Cannot read data/n1/log/${newest}`);
  assertIncludes(message, "is not an entry (");
});

Deno.test("a log that a snapshot has replaced is refused without the snapshot", () => {
  const error = new Error("not now");
  const disk = new FaultDisk({
    schedule: (run) => run(),
    fault: ({ kind }) => kind === "remove" ? { kind: "error", error } : null,
  });
  const options = { ...OPTIONS, segmentBytesMax: 1 << 20 };
  const log = DiskLog.open(disk, { ...options, create: true });
  log.append({ term: 1, vote: null }, entriesOf(1, 5, 1), () => {});
  log.reset(30, 1, null, () => {});
  log.append(null, entriesOf(31, 32, 1), () => {});
  log.close();
  assert(disk.list("log").some((name) => name.startsWith("00000001-")), "what was before is there");
  assertIncludes(refusal(disk), "the snapshot up to entry 30 is missing");
  const again = DiskLog.open(disk, { ...options, snapshot: { index: 30, term: 1 } });
  assertEquals([again.firstIndex(), contentOf(again).entries.length], [31, 2]);
});

Deno.test("a segment that the disk cannot read is named with the disk's reason", () => {
  const { disk, newest } = written();
  const read = disk.read.bind(disk);
  disk.read = (path) => {
    if (path === `log/${newest}`) throw new Error("Input/output error (os error 5)");
    return read(path);
  };
  const message = refusal(disk);
  assertIncludes(message, `Cannot read data/n1/log/${newest}`);
  assertIncludes(message, "it cannot be read (Input/output error (os error 5))");
});
