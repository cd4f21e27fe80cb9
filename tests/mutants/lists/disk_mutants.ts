import type { Mutant } from "../mutant.ts";

const CRASH = "src/node/log/disk_log_crash_test.ts";
const DAMAGE = "src/node/log/disk_log_damage_test.ts";
const STORE = "src/node/log/log_store_test.ts";
const DIRECTORY = "src/node/log/data_directory_test.ts";
const DIRECTORY_CRASH = "src/node/log/data_directory_outcomes_test.ts";
const DIRECTORY_DAMAGE = "src/node/log/data_directory_damage_test.ts";
const COMMANDS = "src/node/log/commands_codec_test.ts";
const RECORD = "src/node/log/record_test.ts";

/** The log's files. */
export const diskMutants: readonly Mutant[] = [
  {
    name: "failed-sync-only-logged",
    bug: "an error while persisting is only logged",
    file: "src/node/log/log_writer.ts",
    find: "if (error !== null) return this.fail(error);",
    replace: "if (error !== null) this.#onFailure(error);",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "failed-sync-retried",
    bug: "a failed fsync is retried as if the data were still there (the kernel has dropped it)",
    file: "src/node/log/log_writer.ts",
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
    file: "src/node/log/segment.ts",
    find: "file.write(bytes, from);",
    replace: "",
    killers: [CRASH],
  },
  {
    name: "torn-tail-skipped",
    bug: "a torn tail is skipped, not cut off, and later appends follow it",
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
    file: "src/node/log/recovery.ts",
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
    file: "src/node/log/log_writer.ts",
    find: `    this.#disk.syncDirectory(LOG_DIRECTORY, (error) => {
      if (this.#isStopped) return;
      if (error !== null) this.#fail(error);
      else this.#try(begun);
    });`,
    replace: "    this.#disk.list(LOG_DIRECTORY);\n    begun();",
    killers: [CRASH],
    simulation: true,
  },
  {
    name: "identity-renamed-unsynced",
    bug: "a crash in the middle leaves half a file, and the node never starts again",
    file: "src/node/log/data_directory.ts",
    find: "file.syncNow();",
    replace: "",
    killers: [DIRECTORY],
  },
  {
    name: "identity-directory-not-synced",
    bug: "a file is renamed, its directory not synced: the identity",
    file: "src/node/log/data_directory.ts",
    find: `disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);
  disk.syncDirectoryNow("");`,
    replace: "disk.rename(NEW_IDENTITY_PATH, IDENTITY_PATH);",
    killers: [DIRECTORY],
  },
  {
    name: "found-identity-taken-for-durable",
    bug: "a rename that a dead process did not sync is relied upon, and a loss of power undoes it",
    file: "src/node/log/data_directory.ts",
    find: `else disk.syncDirectoryNow("");`,
    replace: "",
    killers: [DIRECTORY, DIRECTORY_CRASH],
  },
  {
    name: "disk-full-overlooked",
    bug: "the disk is full half-way through a batch, and the log goes on after it",
    file: "src/node/log/disk_log.ts",
    find: `this.#writer.stop();
      this.#commit.fail(errorOf(error));
      return;`,
    replace: "if (errorOf(error) !== error) throw error;",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "sync-covers-later-writes",
    bug: "a sync is taken to cover writes that came after it began",
    file: "src/node/log/log_writer.ts",
    find: "this.#durable.push(...covered);",
    replace: "this.#durable.push(...covered, ...this.#waiting.splice(0));",
    killers: [STORE, CRASH],
    simulation: true,
  },
  {
    name: "mark-ahead-of-sync",
    bug: "writes during a sync are marked as synced, and the node never starts again",
    file: "src/node/log/log_writer.ts",
    find: "const failure = error ?? this.#trySetSynced(position);",
    replace: "const failure = error ??\n" +
      "        this.#trySetSynced({ ...position, offset: this.#segment.endBytes });",
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
    bug: "a conflicting tail is cut off in memory and is back after a restart",
    file: "src/node/log/log_index.ts",
    find: "this.#lastIndex = index;",
    replace: "this.#lastIndex = Math.max(this.#lastIndex, index);",
    killers: [STORE, CRASH],
  },
  {
    name: "terms-of-a-cut-tail-kept",
    bug: "the terms of entries that were cut off stay for the entries that replace them",
    file: "src/node/log/log_index.ts",
    find: "    this.cutFrom(index);\n",
    replace: "",
    killers: [STORE, CRASH],
  },
  {
    name: "gap-in-the-log-accepted",
    bug: "a gap between two entries of the log is ignored at a restart",
    file: "src/node/log/recovery.ts",
    find: "if (index < segment.first || index > this.index.lastIndex + 1) {",
    replace: "if (index < segment.first) {",
    killers: [DAMAGE],
  },
  {
    name: "segment-missing-overlooked",
    bug: "a missing file in the middle of the log is ignored",
    file: "src/node/log/recovery.ts",
    find: "if (before === 0) return;",
    replace: "return;",
    killers: [DAMAGE],
    harmless: "a hole is refused before anything is read; this is a second check",
  },
  {
    name: "marked-before-the-sync",
    bug: "the log is marked as synced when the sync begins; after a loss of power nothing starts",
    file: "src/node/log/log_writer.ts",
    find: "    this.#syncing = file;\n",
    replace: "    this.#syncing = file;\n    this.#trySetSynced(position);\n",
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "full-segment-not-synced",
    bug: "a full segment is followed by the next one before it is durable",
    file: "src/node/log/log_writer.ts",
    find: "    old.sync(synced);\n",
    replace: "    synced(null);\n",
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "segment-renamed-unsynced",
    bug: "a segment is renamed before its header is durable",
    file: "src/node/log/log_writer.ts",
    find: "    file.sync(synced);\n",
    replace: "    synced(null);\n",
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "segments-in-the-order-of-entries",
    bug: "segments are read in the order of their first entries, not in that of writing",
    file: "src/node/log/segment.ts",
    find: "left.sequence - right.sequence",
    replace: "left.first - right.first",
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "unfinished-segment-in-the-way",
    bug: "the remains of a segment after a crash keep the next one from being begun",
    file: "src/node/log/segment.ts",
    find: "    removeUnfinishedSegment(this.#disk, this.#strays);\n",
    replace: "    if (this.#hasFailed) removeUnfinishedSegment(this.#disk, this.#strays);\n",
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "entries-before-the-hard-state",
    bug: "the entries of a write are kept, and the term that came with them is torn off",
    file: "src/node/log/log_writer.ts",
    find: `    if (hardState !== null) records.add(encodeHardState(hardState));
    const entriesFrom = this.#segment.endBytes + records.length;
    const entriesBytes = recordBytes(entries);
    if (entriesBytes > LARGE_BYTES) this.#writeLarge(entries, entriesFrom);
    else {
      for (const entry of entries) records.add(encodeEntry(entry));
      this.#writeSmall(entries);
    }
    this.#segment.endBytes = entriesFrom + entriesBytes;`,
    replace: `    const entriesFrom = this.#segment.endBytes + records.length;
    const entriesBytes = recordBytes(entries);
    if (entriesBytes > LARGE_BYTES) this.#writeLarge(entries, entriesFrom);
    else {
      for (const entry of entries) records.add(encodeEntry(entry));
      if (hardState !== null) records.add(encodeHardState(hardState));
      this.#writeSmall(entries);
    }
    this.#segment.endBytes += records.length;`,
    killers: [CRASH, DIRECTORY_CRASH],
  },
  {
    name: "found-segment-taken-for-durable",
    bug: "a segment that a dead process renamed is written to before its name is durable",
    file: "src/node/log/recovery.ts",
    find: "  disk.syncDirectoryNow(LOG_DIRECTORY);\n  const file",
    replace: "  const file",
    killers: [DIRECTORY, CRASH, DIRECTORY_CRASH],
  },
  {
    name: "mark-created-after-the-segment",
    bug: "a loss of power in the first start keeps the segment and loses the mark",
    file: "src/node/log/recovery.ts",
    find: `  // So wherever there is a segment, there is a mark as well.
  disk.syncDirectoryNow(LOG_DIRECTORY);
`,
    replace: "",
    killers: [DIRECTORY, CRASH, DIRECTORY_CRASH],
  },
  {
    name: "claim-ahead-of-the-sync",
    bug:
      "a record claims that everything before it is synced, and not only what the last sync covered",
    file: "src/node/log/log_writer.ts",
    find: "records.add(encodeSynced(offset, this.#nonce));",
    replace: "records.add(encodeSynced(this.#segment.endBytes, this.#nonce));",
    killers: [DIRECTORY_CRASH],
  },
  {
    name: "claim-of-a-client-believed",
    bug: "a value that looks like a sync record keeps a node from starting after a torn write",
    file: "src/node/log/recovery.ts",
    find: `record?.kind === "synced" && record.nonce === nonce &&`,
    replace: `record?.kind === "synced" && (record.nonce === nonce || nonce !== "") &&`,
    killers: [DAMAGE],
  },
  {
    name: "claims-behind-damage-overlooked",
    bug: "the log's own sync records are ignored after damage",
    file: "src/node/log/recovery.ts",
    find: "const SYNCED_BYTES_MAX = 256;",
    replace: "const SYNCED_BYTES_MAX = 16;",
    killers: [DAMAGE],
  },
  {
    name: "innocent-segment-named",
    bug: "a segment that was cut at the end of a record is reported as damage of the next one",
    file: "src/node/log/recovery.ts",
    find: "const { fileName } = this.index.newest;",
    replace: "const { fileName } = segment;",
    killers: [DIRECTORY_DAMAGE],
  },
  {
    name: "half-begun-log-refused",
    bug: "a crash in the first start leaves a directory that never starts",
    file: "src/node/log/data_directory.ts",
    find: "if (stored?.incarnation !== identity.incarnation) writeIdentity(disk, identity);",
    replace: "if (stored?.incarnation !== identity.incarnation) {\n" +
      "    writeIdentity(disk, { ...identity, hasLog: true });\n  }",
    killers: [DIRECTORY, DIRECTORY_CRASH],
  },
  {
    name: "identity-removed-before-it-is-replaced",
    bug: "a crash between removing the old identity and renaming the new one leaves none",
    file: "src/node/log/data_directory.ts",
    find: `  const file = disk.open(NEW_IDENTITY_PATH, "create");`,
    replace: `  if (disk.read(IDENTITY_PATH) !== null) disk.remove(IDENTITY_PATH);
  const file = disk.open(NEW_IDENTITY_PATH, "create");`,
    killers: [DIRECTORY, DIRECTORY_CRASH],
  },
  {
    name: "short-write-taken-for-whole",
    bug: "a short write is taken for a whole one",
    file: "src/platform/deno_disk.ts",
    find: `for (let written = 0; written < bytes.length;) {
      const count = this.#file.writeSync`,
    replace: `for (let written = 0; written === 0;) {
      const count = this.#file.writeSync`,
    killers: ["src/platform/deno_disk_test.ts"],
  },
  {
    name: "short-read-taken-for-whole",
    bug: "a short read is taken for a whole one",
    file: "src/platform/deno_disk.ts",
    find: `for (let filled = 0; filled < into.length;) {
      const count = this.#file.readSync`,
    replace: `for (let filled = 0; filled === 0;) {
      const count = this.#file.readSync`,
    killers: ["src/platform/deno_disk_test.ts"],
  },
  {
    name: "bytes-above-127-as-utf-8",
    bug: "a value that is not ASCII is written as UTF-8",
    file: "src/base/bytes.ts",
    find: "if (read < piece.length) writeOther(bytes, at, text, from, to);",
    replace: 'if (read === 0 && piece !== "") writeOther(bytes, at, text, from, to);',
    killers: ["src/base/bytes_test.ts", COMMANDS],
  },
  {
    name: "text-of-the-whole-buffer",
    bug: "on an older Deno a long argument includes the bytes before it",
    file: "src/base/bytes.ts",
    find: "atob(base64Text(bytes.subarray(from, to)))",
    replace: "atob(base64Text(bytes.subarray(Math.min(0, from), to)))",
    killers: ["src/base/bytes_test.ts"],
  },
  {
    name: "bytes-behind-the-commands-passed-over",
    bug: "an entry that is longer than its commands is accepted",
    file: "src/node/log/entry.ts",
    find: "return at === bytes.length ? commands : null;",
    replace: "return commands;",
    killers: [COMMANDS],
  },
  {
    name: "arguments-behind-the-end",
    bug: "a truncated argument is accepted",
    file: "src/node/log/entry.ts",
    find: "if (length > bytes.length - at) return null;",
    replace: "if (at > bytes.length) return null;",
    killers: [COMMANDS],
  },
  {
    name: "index-beyond-exact-numbers",
    bug: "an entry's index that is not an exact number is taken for its neighbour",
    file: "src/node/log/entry.ts",
    find: "index > 0 && term > 0 && Number.isSafeInteger(index) &&",
    replace: "index > 0 && term > 0 &&",
    killers: ["src/node/log/entry_codec_test.ts"],
  },
];
