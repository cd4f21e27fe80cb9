import type { Mutant } from "../mutant.ts";

const CRASH = "src/node/log/disk_log_crash_test.ts";
const DAMAGE = "src/node/log/disk_log_damage_test.ts";
const STORE = "src/node/log/log_store_test.ts";
const DIRECTORY = "src/node/data_directory_test.ts";
const RECORD = "src/node/log/record_test.ts";

/** The log's files. */
export const diskMutants: readonly Mutant[] = [
  {
    name: "failed-sync-only-logged",
    bug: "an error while persisting is only logged",
    file: "src/node/log/group_commit.ts",
    find: "if (error !== null) return this.fail(error);",
    replace: "if (error !== null) this.#onFailure(error);",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "failed-sync-retried",
    bug: "a failed fsync is retried as if the data were still there (the kernel has dropped it)",
    file: "src/node/log/group_commit.ts",
    find: "if (error !== null) return this.fail(error);",
    replace: `if (error !== null) {
        this.#waiting.unshift(...covered);
        return this.#start();
      }`,
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "failed-sync-believed-after-restart",
    bug: "after a restart a sync that has nothing to write is taken for one that wrote",
    file: "src/node/log/log_files.ts",
    find: "file.write(bytes, from);",
    replace: "",
    killers: [CRASH],
  },
  {
    name: "torn-tail-skipped",
    bug: "a torn tail is skipped, not cut, and then appended after",
    file: "src/node/log/recovery.ts",
    find: "if (isTorn) file.truncate(segment.endBytes);",
    replace: "if (isTorn) segment.endBytes = file.sizeBytes();",
    killers: [DAMAGE, CRASH],
    simulation: true,
  },
  {
    name: "acknowledged-record-taken-for-torn",
    bug:
      "a checksum error at the end is taken for a torn tail when the record had been acknowledged",
    file: "src/node/log/log_replay.ts",
    find: "if (this.syncedBytes > end) {",
    replace: "if (this.syncedBytes > end && !isTorn) {",
    killers: [DAMAGE],
  },
  {
    name: "checksum-not-compared",
    bug: "a damaged record is read as if it were whole",
    file: "src/node/log/record.ts",
    find: "return checksum(payload) === readUint32(bytes, offset + 4) ? payload : null;",
    replace: "return checksum(payload) >= 0 ? payload : null;",
    killers: [RECORD, DAMAGE],
    simulation: true,
  },
  {
    name: "segment-renamed-directory-not-synced",
    bug: "a file is renamed, its directory not synced",
    file: "src/node/log/log_files.ts",
    find: "disk.syncDirectory(LOG_DIRECTORY);",
    replace: "",
    killers: [CRASH],
    simulation: true,
  },
  {
    name: "identity-renamed-unsynced",
    bug: "a crash in the middle leaves half a file, and the node never starts again",
    file: "src/node/data_directory.ts",
    find: "file.syncNow();",
    replace: "",
    killers: [DIRECTORY],
  },
  {
    name: "identity-directory-not-synced",
    bug: "a file is renamed, its directory not synced: the identity",
    file: "src/node/data_directory.ts",
    find: `disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);
  disk.syncDirectory("");`,
    replace: "disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);",
    killers: [DIRECTORY],
  },
  {
    name: "found-identity-taken-for-durable",
    bug: "what a dead process renamed and did not sync is built upon, and a loss of power takes it",
    file: "src/node/data_directory.ts",
    find: `else disk.syncDirectory("");`,
    replace: "",
    killers: [DIRECTORY],
  },
  {
    name: "disk-full-overlooked",
    bug: "the disk is full half-way through a batch, and the log goes on behind it",
    file: "src/node/log/disk_log.ts",
    find: `this.#writer.stop();
      this.#commit.fail(error instanceof Error ? error : new Error(String(error)));
      return;`,
    replace: "if (!(error instanceof Error)) throw error;",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "sync-covers-later-writes",
    bug: "a sync is taken to cover what was written after it began",
    file: "src/node/log/group_commit.ts",
    find: "this.#durable.push(...covered);",
    replace: "this.#durable.push(...covered, ...this.#waiting.splice(0));",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "mark-ahead-of-sync",
    bug: "what was written during a sync is marked as synced, and the node never starts again",
    file: "src/node/log/log_writer.ts",
    find: "done(error ?? this.#trySetSynced(position));",
    replace: "done(error ?? this.#trySetSynced({ ...position, offset: this.#segment.endBytes }));",
    killers: [STORE, CRASH],
  },
  {
    name: "vote-lost-with-the-segment",
    bug: "the vote is lost when a new segment of the log begins",
    file: "src/node/log/disk_log.ts",
    find: "const { term, vote } = this.#hardState;",
    replace: "const { term } = this.#hardState;\n    const vote = null;",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "cut-tail-comes-back",
    bug: "a conflicting tail is cut off in memory and is there again after a restart",
    file: "src/node/log/log_index.ts",
    find: "this.#lastIndex = index;",
    replace: "this.#lastIndex = Math.max(this.#lastIndex, index);",
    killers: [STORE, CRASH],
  },
  {
    name: "terms-of-a-cut-tail-kept",
    bug: "the terms of entries that were cut off stay for those that replace them",
    file: "src/node/log/term_runs.ts",
    find: "    this.cutFrom(index);\n",
    replace: "",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "gap-in-the-log-accepted",
    bug: "a gap between two entries of the log is passed over at a restart",
    file: "src/node/log/log_replay.ts",
    find: "if (index < segment.first || index > this.index.lastIndex + 1) {",
    replace: "if (index < segment.first) {",
    killers: [DAMAGE],
  },
  {
    name: "segment-missing-overlooked",
    bug: "a missing file in the middle of the log is passed over",
    file: "src/node/log/log_replay.ts",
    find: "if (sequence !== this.#sequence + 1) {",
    replace: "if (sequence <= this.#sequence) {",
    killers: [DAMAGE],
  },
  {
    name: "short-write-taken-for-whole",
    bug: "a short write is taken for a whole one",
    file: "src/cli/platform/deno_disk.ts",
    find: "for (let written = 0; written < bytes.length;) {",
    replace: "for (let written = 0; written === 0;) {",
    killers: ["src/cli/platform/deno_disk_test.ts"],
  },
  {
    name: "short-read-taken-for-whole",
    bug: "a short read is taken for a whole one",
    file: "src/cli/platform/deno_disk.ts",
    find: "for (let filled = 0; filled < into.length;) {",
    replace: "for (let filled = 0; filled === 0;) {",
    killers: ["src/cli/platform/deno_disk_test.ts"],
  },
];
