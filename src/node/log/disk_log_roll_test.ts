import { assert, assertEquals, assertThrows } from "@std/assert";
import { FaultDisk, type FaultDiskOptions } from "../../../tests/support/fault_disk.ts";
import { contentOf, describeEntry, entriesOf } from "../../../tests/support/log_entries.ts";
import { EVERYTHING_LOST } from "../../../tests/support/power_loss.ts";
import { UserError } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../../platform/disk.ts";
import { DiskLog } from "./disk_log.ts";

const SEGMENT_BYTES_MAX = 1_000;
const MIB = 1 << 20;

/** A log on a disk whose operations end when the test says so. */
function start(options: FaultDiskOptions = {}, segmentBytesMax = SEGMENT_BYTES_MAX) {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => running.push(run), ...options });
  const warnings: string[] = [];
  const failures: string[] = [];
  let isOpen = false;
  const open = (on: FaultDisk) =>
    DiskLog.open(withoutBlocking(on, () => isOpen), {
      clusterId: "c1",
      nodeId: "n1",
      nonce: "nonce",
      create: true,
      segmentBytesMax,
      logger: { info() {}, error() {}, warn: (line) => warnings.push(line) },
      onFailure: ({ message }) => failures.push(message),
    });
  const log = open(disk);
  isOpen = true;
  const finish = (count = Infinity) => {
    for (; count > 0 && running.length > 0; count--) running.shift()?.();
  };
  const segments = () => disk.list("log").filter((name) => name.endsWith(".log")).length;
  const reopen = (on: FaultDisk) => {
    isOpen = false;
    return open(on);
  };
  return { log, disk, warnings, failures, finish, segments, running, reopen };
}

/** A disk on which nothing may block once the log is open. */
function withoutBlocking(disk: Disk, isForbidden: () => boolean): Disk {
  const refuse = (what: string) => {
    if (isForbidden()) throw new Error(`${what} in a log that is open`);
  };
  const wrapped: Disk = Object.create(disk);
  wrapped.syncDirectoryNow = (directory) => {
    refuse("syncDirectoryNow");
    disk.syncDirectoryNow(directory);
  };
  wrapped.open = (path, mode): DiskFile => {
    const file = disk.open(path, mode);
    return {
      ...file,
      syncNow: () => {
        refuse("syncNow");
        file.syncNow();
      },
    };
  };
  for (
    const name of ["list", "makeDirectory", "read", "rename", "remove", "syncDirectory"] as const
  ) {
    Object.assign(wrapped, { [name]: disk[name].bind(disk) });
  }
  return wrapped;
}

Deno.test("segments begin without a blocking sync, and writes are queued meanwhile", () => {
  const { log, finish, segments, disk, failures, reopen } = start();
  const done: number[] = [];
  for (let index = 1; index <= 12; index++) {
    log.append(null, entriesOf(index, index, 1, 200), () => done.push(index));
    assertEquals(log.lastIndex(), index);
    assertEquals(
      log.entries(1, index, 1e6).map(describeEntry),
      entriesOf(1, index, 1, 200).map(describeEntry),
    );
  }
  assertEquals([segments(), done, failures], [1, [], []]);
  finish();
  assertEquals([segments(), done], [12, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]);
  const content = contentOf(log);
  log.close();
  assertEquals(contentOf(reopen(disk.afterCrash(EVERYTHING_LOST))), content);
});

Deno.test("a tail that is cut off while it is queued does not come back", () => {
  const { log, finish, disk, reopen } = start();
  log.append(null, entriesOf(1, 3, 1, 200), () => {});
  log.append(null, entriesOf(4, 6, 1, 200), () => {});
  log.append({ term: 2, vote: null }, entriesOf(5, 5, 2, 20), () => {});
  const expected = [...entriesOf(1, 4, 1, 200), ...entriesOf(5, 5, 2, 20)].map(describeEntry);
  assertEquals(log.entries(1, 5, 1e6).map(describeEntry), expected);
  assertEquals(log.entries(4, 5, 230).map(({ index }) => index), [4]);
  finish();
  assertEquals(log.entries(1, 5, 1e6).map(describeEntry), expected);
  log.close();
  assertEquals(contentOf(reopen(disk.afterCrash(null))).entries, expected);
});

Deno.test("the next segment is prepared when one is half full; a full disk gets more time", () => {
  let isFull = false;
  const error = new Error("no space left on device");
  const { log, disk, finish, warnings, failures, segments } = start({
    fault: ({ kind, path }) =>
      isFull && kind === "create" && path === "log/new" ? { kind: "error", error } : null,
  }, 4_500);
  const append = (index: number, bytes: number) => {
    log.append(null, entriesOf(index, index, 1, bytes), () => {});
    finish();
  };
  isFull = true;
  append(1, 2_500);
  append(2, 20);
  append(3, 20);
  assertEquals(warnings, ["cannot prepare the log's next segment: no space left on device"]);
  assertEquals([failures, disk.list("log").includes("new")], [[], false]);
  isFull = false;
  append(4, 2_500);
  assertEquals([failures, segments()], [[], 2]);
  append(5, 20);
  assertEquals(disk.list("log").includes("new"), true);
  append(6, 2_500);
  assertEquals([failures, segments()], [[], 3]);
  isFull = true;
  append(7, 2_500);
  assert(failures.length === 1, "without a file no segment begins");
});

Deno.test("large writes happen beside the event loop, in the order of the calls", () => {
  const { log, disk, running, finish, reopen } = start({}, 64 * MIB);
  const done: number[] = [];
  log.append(null, entriesOf(1, 1, 1), () => done.push(1));
  finish();
  log.append({ term: 2, vote: "n2" }, entriesOf(2, 3, 2, 3 * MIB), () => done.push(2));
  log.append(null, entriesOf(4, 4, 2, 100), () => done.push(3));
  assertEquals([log.lastIndex(), log.hardState().term], [4, 2]);
  assertEquals(log.entries(2, 4, 1e8).map(({ index }) => index), [2, 3, 4]);
  // One MiB after the other: three for each value, and a small rest.
  for (let count = 0; count < 8; count++) {
    assert(running.length === 1, `${running.length} at once`);
    finish(1);
  }
  assertEquals(done, [1]);
  finish();
  assertEquals(done, [1, 2, 3]);
  const content = contentOf(log);
  log.close();
  assertEquals(contentOf(reopen(disk.afterCrash(EVERYTHING_LOST))), content);
});

Deno.test("an error of a large write, or of a new segment, is final", () => {
  for (const broken of ["write log/", "rename log/new", "syncDirectory log", "sync log/new"]) {
    let isBroken = false;
    const { log, finish, failures } = start({
      fault: ({ kind, path }) =>
        isBroken && `${kind} ${path}`.startsWith(broken)
          ? { kind: "error", error: new Error("broken") }
          : null,
    }, 2 * MIB);
    const done: number[] = [];
    log.append(null, entriesOf(1, 1, 1, 900_000), () => done.push(1));
    finish();
    isBroken = true;
    log.append(null, entriesOf(2, 2, 1, 1_500_000), () => done.push(2));
    log.append(null, entriesOf(3, 3, 1), () => done.push(3));
    finish();
    assertEquals([done, failures], [[1], ["broken"]], broken);
    log.append(null, entriesOf(4, 4, 1), () => done.push(4));
    finish();
    assertEquals(done, [1], broken);
  }
});

Deno.test("an error in any piece of a large write is final, and nothing of it is acknowledged", () => {
  for (const number of [1, 2, 3]) {
    let pieces = 0;
    const { log, disk, finish, failures, reopen } = start({
      fault: ({ kind, sizeBytes }) =>
        kind === "write" && sizeBytes > MIB / 2 && ++pieces === number
          ? { kind: "error", error: new Error("broken"), bytesWritten: 1_000 }
          : null,
    }, 64 * MIB);
    const done: number[] = [];
    log.append({ term: 1, vote: "n1" }, entriesOf(1, 1, 1), () => done.push(1));
    finish();
    const before = contentOf(log);
    log.append(null, entriesOf(2, 2, 1, 3 * MIB), () => done.push(2));
    log.append(null, entriesOf(3, 3, 1), () => done.push(3));
    finish();
    assertEquals([done, failures, pieces], [[1], ["broken"], number]);
    log.append(null, entriesOf(4, 4, 1), () => done.push(4));
    finish();
    assertEquals([done, failures], [[1], ["broken"]]);
    log.close();
    assertEquals(contentOf(reopen(disk.afterCrash(null, {}))), before);
  }
});

Deno.test("each segment records from its beginning how far it was synced", () => {
  const { log, disk, finish } = start({}, 3_000);
  for (let index = 1; index <= 14; index++) {
    log.append(null, entriesOf(index, index, 1, 200), () => {});
    finish();
  }
  const names = disk.list("log").filter((name) => name.endsWith(".log"));
  assert(names.length > 1);
  for (const name of names) {
    const text = new TextDecoder().decode(disk.read(`log/${name}`) ?? undefined);
    assert(text.includes('{"synced":'), name);
  }
});

Deno.test("a segment of very many entries finds each of them, after cuts and restarts too", () => {
  const { log, disk, finish, reopen, segments } = start({}, 64 * MIB);
  const count = 3_000;
  log.append({ term: 1, vote: "n1" }, entriesOf(1, count, 1), () => {});
  finish();
  // A conflict in the middle, and further entries.
  log.append({ term: 2, vote: null }, entriesOf(1_000, count, 2), () => {});
  finish();
  assertEquals([segments(), log.lastIndex()], [1, count]);
  const expected = [...entriesOf(1, 999, 1), ...entriesOf(1_000, count, 2)].map(describeEntry);
  assertEquals(contentOf(log).entries, expected);
  for (const index of [1, 256, 257, 511, 512, 513, 999, 1_000, 2_048, 2_049, count]) {
    assertEquals(log.entries(index, index, 1e6).map(describeEntry), [expected[index - 1]]);
    assertEquals(log.term(index), index < 1_000 ? 1 : 2);
  }
  log.close();
  assertEquals(contentOf(reopen(disk.afterCrash(EVERYTHING_LOST))).entries, expected);
});

Deno.test("entries are read at once, whether they are in the file or queued", () => {
  const { log, finish } = start({}, 64 * MIB);
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  finish();
  log.append(null, entriesOf(4, 4, 1, 2 * MIB), () => {});
  log.append(null, entriesOf(5, 6, 1), () => {});
  const expected = [...entriesOf(1, 3, 1), ...entriesOf(4, 4, 1, 2 * MIB), ...entriesOf(5, 6, 1)]
    .map(describeEntry);
  for (let steps = 0; steps < 5; steps++) {
    for (let from = 1; from <= 6; from++) {
      for (let to = from; to <= 6; to++) {
        const read = log.entries(from, to, 1e9).map(describeEntry);
        assertEquals(read.length, to - from + 1, `${from} to ${to}`);
        assert(read.every((entry, at) => entry === expected[from - 1 + at]), `${from} to ${to}`);
      }
    }
    finish(1);
  }
});

Deno.test("a log is not opened with segments of a size that none can have", () => {
  for (const size of [0, -1, NaN, 2 ** 31 + 1]) {
    assertThrows(() => start({}, size), RangeError, "segmentBytesMax");
  }
});

Deno.test("a log that is closed at any moment of a roll reports nothing more", () => {
  for (let before = 0; before < 40; before++) {
    let isClosed = false;
    const error = new Error("failed on purpose");
    const { log, finish, failures } = start({
      fault: () => isClosed && before % 2 === 1 ? { kind: "error", error } : null,
    });
    const reported: number[] = [];
    for (const entry of entriesOf(1, 8, 1, 400)) {
      log.append(null, [entry], () => reported.push(isClosed ? -entry.index : entry.index));
    }
    finish(before);
    log.close();
    isClosed = true;
    finish();
    assertEquals([reported.filter((index) => index < 0), failures], [[], []], `${before}`);
  }
});

Deno.test("a segment that is listed and cannot be found is reported, and the log is not opened", () => {
  const { log, disk, finish } = start();
  for (const entry of entriesOf(1, 8, 1, 400)) log.append(null, [entry], () => {});
  finish();
  log.close();
  const after = disk.afterCrash(null, { schedule: (run) => run() });
  const [first = ""] = after.list("log").filter((name) => name.endsWith(".log"));
  const { read } = after;
  after.read = (path) => path.endsWith(first) ? null : read.call(after, path);
  const open = () =>
    DiskLog.open(after, {
      clusterId: "c1",
      nodeId: "n1",
      nonce: "nonce",
      create: false,
      onFailure() {},
    });
  const { message } = assertThrows(open, UserError, "the file is missing");
  assertEquals(message.includes(first), true, message);
});

Deno.test("an entry that is appended when another one is durable is durable after it, on a disk without delay", () => {
  const { log } = start({ schedule: (run) => run() }, MIB);
  const durable: number[] = [];
  const [first, second, third] = entriesOf(1, 3, 1, 10);
  assert(first && second && third);
  log.append(null, [first], () => {
    log.append(null, [second], () => durable.push(2));
    log.append(null, [third], () => durable.push(3));
    durable.push(1);
  });
  assertEquals(durable, [1, 2, 3]);
  log.close();
});
