import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { UserError } from "../../../src/base/errors.ts";
import { type Random, randomInteger } from "../../../src/base/random.ts";
import { DiskLog, type DiskLogOptions } from "../../../src/node/log/disk_log.ts";
import { dumpLog } from "../../../src/node/log/dump_log.ts";
import { scanRecords } from "../../../src/node/log/record.ts";
import { FaultDisk } from "../../support/fault_disk.ts";
import { contentOf, entriesOf } from "../../support/log_entries.ts";
import type { FuzzTarget } from "../fuzz_target.ts";
import { mutate } from "../mutate.ts";
import { payloadText, sealed } from "./records.ts";

const OPTIONS: DiskLogOptions = {
  clusterId: "c1",
  nodeId: "n1",
  nonce: "nonce",
  create: false,
  segmentBytesMax: 600,
  onFailure: (error) => {
    throw error;
  },
};

/** A log of several segments, with conflicts and an unsynced last write. */
function writtenDisk(): FaultDisk {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ schedule: (run) => running.push(run) });
  const log = DiskLog.open(disk, { ...OPTIONS, create: true });
  log.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1), () => {});
  log.append({ term: 2, vote: null }, entriesOf(3, 6, 2, 60), () => {});
  while (running.length > 0) running.shift()?.();
  log.append({ term: 3, vote: "n2" }, entriesOf(5, 7, 3), () => {});
  return disk;
}

const BASE = writtenDisk();
const FILES = BASE.list("log").map((name) => {
  const bytes = BASE.read(`log/${name}`) ?? new Uint8Array(0);
  const usedBytes = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return { name, content: latin1(bytes, 0, usedBytes) };
});

/** Payloads of the file's records. */
function payloadsOf(content: string): string[] {
  const payloads: string[] = [];
  scanRecords(
    latin1Bytes(content),
    (payload) => payloads.push(latin1(payload, 0, payload.length)),
  );
  return payloads;
}

/** A file of whole records, some changed and given a new checksum. */
function resealed(content: string, random: Random): string {
  const payloads = payloadsOf(content);
  const at = randomInteger(random, payloads.length);
  const another = () => payloadText(random);
  const change = randomInteger(random, 4);
  if (change === 0) payloads.splice(at, 1);
  else if (change === 1) payloads.splice(at, 0, payloads[randomInteger(random, at + 1)] ?? "");
  else if (change === 2) payloads.splice(at, 0, another());
  else payloads[at] = mutate(payloads[at] ?? "", { random, words: ["null", "{}", ","], another });
  return sealed(payloads);
}

/**
 * A node that starts on changed files of its log: it refuses with a message, or has a log that can
 * be read, written, and read again. The input is a file's name, a line feed, and its content.
 */
export const logFiles: FuzzTarget = {
  name: "log-files",
  words: [
    ...FILES.map(({ name }) => name),
    "\0".repeat(512),
    "{",
    '{"synced":300,"nonce":"nonce"}',
  ],
  sample(random) {
    const { name, content } = FILES[randomInteger(random, FILES.length)] ??
      { name: "", content: "" };
    return `${name}\n${random() < 0.5 ? content : resealed(content, random)}`;
  },
  run(input) {
    const at = input.indexOf("\n");
    const name = input.slice(0, Math.max(0, Math.min(at, 64))).replace(/[^ -.0-~]/g, "_");
    const running: (() => void)[] = [];
    const disk = BASE.afterCrash(null, { schedule: (run) => running.push(run) });
    disk.plant(`log/${name}`, latin1Bytes(input.slice(at + 1)));
    inWords(() => {
      for (const line of dumpLog(disk)) {
        assert(!line.includes("\n"), "a line of the dump contains a line feed");
      }
    });
    inWords(() =>
      assertUsable(disk, () => {
        while (running.length > 0) running.shift()?.();
      })
    );
  },
};

/** Requires that an error is one with a message for people, and not a bug. */
function inWords(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    assert(error.message.length < 600, "a message repeats too much of the file");
  }
}

/** @param settle completes the disk's pending work, such as a new segment */
function assertUsable(disk: FaultDisk, settle: () => void): void {
  const log = DiskLog.open(disk, OPTIONS);
  const before = contentOf(log);
  const term = Math.max(log.hardState().term, log.term(log.lastIndex())) + 1;
  if (!Number.isSafeInteger(term) || !Number.isSafeInteger(log.lastIndex() + 2)) return;
  log.append(
    { term, vote: null },
    entriesOf(log.lastIndex() + 1, log.lastIndex() + 2, term),
    () => {},
  );
  settle();
  const grown = contentOf(log);
  assertEquals(grown.entries.slice(0, before.entries.length), before.entries);
  log.close();
  assertEquals(
    contentOf(DiskLog.open(disk, OPTIONS)),
    grown,
    "the next start finds a different log",
  );
}
