import type { Mutant } from "../mutant.ts";

const COMPACTION = "src/node/log/disk_log_compaction_test.ts";
const ROLL = "src/node/log/disk_log_roll_test.ts";
const CRASH = "src/node/log/disk_log_crash_test.ts";
const OUTCOMES = "src/node/log/data_directory_outcomes_test.ts";
const DIRECTORY_CRASH = "src/node/log/data_directory_crash_test.ts";
const FAULTY = "src/faults/faulty_disk_test.ts";
const READY = "src/node/ready_runner_test.ts";
const QUICK = "src/platform/deno_disk_test.ts";
const SENDER = "src/node/snapshots/snapshot_sender_test.ts";
const SNAPSHOTS = "src/node/snapshots/node_snapshots_test.ts";
const OWN_DISK = "src/node/own_disk_test.ts";
const FILES = "src/node/snapshots/disk_snapshots_test.ts";

/** Disks that are slow, hang, or contain strange files, under a running node. */
export const storageMutants: readonly Mutant[] = [
  {
    name: "unreadable-directory-ends-the-node",
    bug: "a directory that cannot be read ends a running node when it compacts its log",
    file: "src/node/stray_files.ts",
    find: "      return [];\n",
    replace: "      throw error;\n",
    killers: [COMPACTION],
  },
  {
    name: "first-failed-unlink-stops-the-rest",
    bug: "snapshots older than one that cannot be removed stay for ever",
    file: "src/node/stray_files.ts",
    find: "this.#logOnce(path, `cannot remove ${this.#pathOf(path)}: ${messageOf(error)}`);",
    replace: "this.#logOnce(path, `cannot remove ${this.#pathOf(path)}: ${messageOf(error)}`);\n" +
      "      throw error;",
    killers: [COMPACTION, FILES],
  },
  {
    name: "stray-told-each-time",
    bug: "each compaction reports the same stray file again",
    file: "src/node/stray_files.ts",
    find: "if (this.#logged.has(path)) return;",
    replace: "if (this.#logged.has(path + line)) return;",
    killers: [COMPACTION, FILES],
  },
  {
    name: "roll-blocks",
    bug: "the start of a segment syncs the one before on the event loop",
    file: "src/node/log/log_writer.ts",
    find: "    old.sync(synced);\n",
    replace: "    old.syncNow();\n    synced(null);\n",
    killers: [ROLL],
  },
  {
    name: "old-segments-removed-early",
    bug: "a snapshot that replaces the log removes the segments before the new one is durable",
    file: "src/node/log/disk_log.ts",
    find: "this.#writer.afterwards(() => this.#removeBefore(segment));",
    replace: "this.#removeBefore(segment);",
    killers: [DIRECTORY_CRASH],
    simulation: true,
  },
  {
    name: "begun-segment-prepared-again",
    bug: "the file of a segment that is being begun is removed to prepare another",
    file: "src/node/log/log_writer.ts",
    find: "if (isHalfFull && !this.#isBusy) this.#next.prepare();",
    replace: "if (isHalfFull) this.#next.prepare();",
    killers: [ROLL, CRASH, OUTCOMES],
  },
  {
    name: "written-before-its-turn",
    bug: "writes during the start of a segment go to the segment before",
    file: "src/node/log/log_writer.ts",
    find: "if (!this.#isBusy) return this.#put(bytes, offset);",
    replace: "if (offset >= 0) return this.#put(bytes, offset);",
    killers: [ROLL, CRASH, OUTCOMES],
    simulation: true,
  },
  {
    name: "line-not-readable",
    bug: "entries that are queued for writing cannot be read",
    file: "src/node/log/log_writer.ts",
    find: "for (const entry of entries) this.#unwritten.set(entry.index, entry);",
    replace: "for (const entry of entries) this.#unwritten.delete(entry.index);",
    killers: [ROLL],
  },
  {
    name: "replaced-entry-forgotten",
    bug: "a queued entry that replaces another queued one is read from a file that lacks it",
    file: "src/node/log/log_writer.ts",
    find: "if (this.#unwritten.get(entry.index) === entry) this.#unwritten.delete(entry.index);",
    replace: "this.#unwritten.delete(entry.index);",
    killers: [ROLL, "src/node/log/log_store_test.ts"],
  },
  {
    name: "sync-overtakes-the-line",
    bug: "a sync reports queued writes as durable",
    file: "src/node/log/log_writer.ts",
    find: "if (!this.#isBusy) return this.#sync(position, done);",
    replace: "if (position.offset > 0) return this.#sync(position, done);",
    killers: [ROLL, CRASH, OUTCOMES],
    simulation: true,
  },
  {
    name: "large-payload-without-its-header",
    bug: "the header of a large record is written where the next one begins",
    file: "src/node/log/log_writer.ts",
    find: "this.#file.write(recordHeader(payload.length, checksum), offset);",
    replace: "this.#file.write(recordHeader(payload.length, checksum), end);",
    killers: [ROLL],
  },
  {
    name: "directory-syncs-as-fast-as-ever",
    bug: "FAULT slow-disk does not slow the syncs of directories",
    file: "src/faults/faulty_disk.ts",
    find: "this.#disk.syncDirectory(directory, this.#late(done));",
    replace: "this.#disk.syncDirectory(directory, done);",
    killers: [FAULTY],
  },
  {
    name: "blocking-syncs-as-fast-as-ever",
    bug: "FAULT slow-disk does not slow a sync that blocks the event loop",
    file: "src/faults/faulty_disk.ts",
    find: "if (delayMs > 0) this.#block(delayMs);",
    replace: "if (delayMs < 0) this.#block(delayMs);",
    killers: [FAULTY],
  },
  {
    name: "slow-disk-tried-on-the-spot",
    bug:
      "the event loop waits for a sync now and then, to check whether a slow disk has become fast",
    file: "src/platform/deno_disk.ts",
    find: "if (this.#untilQuick > 0) return;",
    replace: "if (this.#untilQuick > 0 && durationMs < 1) return;",
    killers: [QUICK],
  },
  {
    name: "nothing-to-write-synced-all-the-same",
    bug: "a Ready with nothing to write costs a sync while a write is in flight",
    file: "src/node/ready_runner.ts",
    find: "else last.push(ready);\n      return;",
    replace: "else {\n        this.#inFlight.push([ready]);\n" +
      "        log.append(null, [], () => this.#completeWrite());\n      }\n      return;",
    killers: [READY],
  },
  {
    name: "nothing-to-write-overtakes",
    bug: "a Ready with nothing to write is finished before the write before it",
    file: "src/node/ready_runner.ts",
    find: "if (last === undefined) this.#advance(ready);",
    replace: "if (last === undefined || last.length > 0) this.#advance(ready);",
    killers: [READY],
    simulation: true,
  },
  {
    name: "installed-before-the-entries-behind-it",
    bug: "the entries of a Ready with a snapshot are not waited for",
    file: "src/node/ready_runner.ts",
    find: "log.reset(at.index, at.term, ready.hardState, hasEntries ? () => {} : installed);",
    replace: "log.reset(at.index, at.term, ready.hardState, installed);\n" +
      "    if (hasEntries) return log.append(null, ready.entries, () => {});",
    killers: [READY],
  },
  {
    name: "damaged-snapshot-offered-again",
    bug: "a leader offers a snapshot whose file is damaged again and again",
    file: "src/node/snapshots/disk_snapshots.ts",
    find: "if (this.#newest === null || this.isNewestDamaged) return null;",
    replace: "if (this.#newest === null) return null;",
    killers: [SENDER],
  },
  {
    name: "damaged-snapshot-not-taken-anew",
    bug:
      "on an idle cluster a damaged snapshot is not taken again, since there is one of that entry",
    file: "src/node/snapshots/snapshot_taker.ts",
    find: "if (meta.index === this.#newestIndex && !store.isNewestDamaged) {",
    replace: "if (meta.index === this.#newestIndex) {",
    killers: [SNAPSHOTS],
  },
  {
    name: "damage-sent-to-the-peer",
    bug: "a leader does not check the bytes of a snapshot's file before it sends them",
    file: "src/node/snapshots/snapshot_sender.ts",
    find: "stream.scanner?.push(bytes);",
    replace: "stream.scanner?.push(bytes.subarray(bytes.length));",
    killers: [SENDER, SNAPSHOTS],
  },
  {
    name: "chunk-read-too-late-is-sent",
    bug: "a chunk whose reading took long is sent though the peer has requested another",
    file: "src/node/snapshots/snapshot_sender.ts",
    find: "if (isDue && !this.#sendChunk(stream, read, offset)) return;",
    replace: "if ((isDue || read.length > 0) && !this.#sendChunk(stream, read, offset)) return;",
    killers: [SENDER],
  },
  {
    name: "hanging-leader-leads-on",
    bug: "a leader whose own disk hangs leads on, and keeps all writes in memory",
    file: "src/node/node.ts",
    find: "    this.#ownDisk.tick();\n",
    replace: "    if (this.#isStopped) this.#ownDisk.tick();\n",
    killers: [OWN_DISK],
  },
  {
    name: "late-disk-taken-for-hanging",
    bug: "a leader whose disk is always a little late transfers leadership again and again",
    file: "src/node/own_disk.ts",
    find: "if (this.#mark !== null && durableIndex >= this.#mark.index) this.#mark = null;",
    replace: "",
    killers: [OWN_DISK],
  },
  {
    name: "handover-of-the-last-stall-counts",
    bug: "a leader whose disk hangs steps down without a handover, since one failed days before",
    file: "src/node/own_disk.ts",
    find: "sinceMs: nowMs, hasOffered: false };",
    replace: "sinceMs: nowMs, hasOffered: durableIndex > 10 };",
    killers: [OWN_DISK],
  },
  {
    name: "undurable-bytes-only-grow",
    bug: "durable writes still count as in flight to the disk",
    file: "src/node/ready_runner.ts",
    find: "this.#undurableBytes -= sizeBytes;",
    replace: "this.#undurableBytes -= Math.min(0, sizeBytes);",
    killers: [READY],
  },
  {
    name: "writes-pile-up-before-a-slow-disk",
    bug: "a leader accepts writes without a bound while its disk is late",
    file: "src/node/own_disk.ts",
    find: "return this.#options.undurableBytes() > UNDURABLE_BYTES_MAX;",
    replace: "return this.#options.undurableBytes() > 1e3 * UNDURABLE_BYTES_MAX;",
    killers: [OWN_DISK],
  },
  {
    name: "interrupted-restore-begun-anew",
    bug: "a node whose restore was interrupted starts as a new and empty one",
    file: "src/node/log/data_directory.ts",
    find: "if (unfinished !== undefined) {",
    replace: `if (unfinished === "") {`,
    killers: ["src/node/log/data_directory_test.ts"],
  },
];
