import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const CORE = "src/raft/lone_member_test.ts";
const RAFT_LOG = "src/raft/log_test.ts";
const SNAPSHOTS = "src/node/snapshots/node_snapshots_test.ts";
const SNAPSHOTS_CHAOS = "src/node/snapshots/node_snapshots_chaos_test.ts";
const FILES = "src/node/snapshots/disk_snapshots_test.ts";
const DAMAGE = "src/node/snapshots/snapshot_damage_test.ts";
const DIRECTORY = "src/node/data_directory_test.ts";
const DIRECTORY_CRASH = "src/node/data_directory_crash_test.ts";
const COMPACTION = "src/node/log/log_compaction_test.ts";
const MEMBERS = "src/node/members_test.ts";

/** Snapshots, and the log that they take the place of. */
export const snapshotMutants: readonly Mutant[] = [
  {
    name: "compacted-previous-taken-for-conflict",
    bug: "a missing previous entry that was compacted is taken for a conflict",
    file: "src/raft/step_follower.ts",
    find: "const skipped = Math.max(0, log.commitIndex() - request.prevIndex);",
    replace: "const isThere = request.prevIndex >= log.firstIndex() - 1;\n" +
      "  const skipped = isThere ? Math.max(0, log.commitIndex() - request.prevIndex) : 0;",
    killers: [CORE, CHAOS],
    simulation: true,
  },
  {
    name: "off-by-one-behind-a-snapshot",
    bug: "log index off by one after a snapshot is loaded",
    file: "src/raft/log.ts",
    find: "this.#base = { index, term };",
    replace: "this.#base = { index: index - 1, term };",
    killers: [RAFT_LOG, CHAOS],
    simulation: true,
  },
  {
    name: "state-off-by-one-behind-a-snapshot",
    bug: "the entry behind an installed snapshot is taken for one that is applied",
    file: "src/node/applier.ts",
    find: "this.#last = { index: snapshot.index, term: snapshot.term };",
    replace: "this.#last = { index: snapshot.index + 1, term: snapshot.term };",
    killers: [SNAPSHOTS],
    simulation: true,
  },
  {
    name: "gap-behind-the-snapshot-accepted",
    bug: "a gap between snapshot and log is accepted at the start",
    file: "src/node/log/recovery.ts",
    find: "if (index < before) {",
    replace: "if (index < 0 * before) {",
    killers: [COMPACTION],
  },
  {
    name: "removed-segment-begins-the-log",
    bug:
      "a whole log is refused as damaged when a loss of power brings a segment back that was cut off",
    file: "src/node/log/recovery.ts",
    find: "names.findIndex(({ first }) => first === lowest)",
    replace: "names.findIndex(({ first }) => first >= lowest)",
    killers: [COMPACTION],
  },
  {
    name: "snapshot-of-what-the-log-has",
    bug: "a snapshot older than the log takes its place, and confirmed entries are gone",
    file: "src/raft/snapshot.ts",
    find: "if (!core.log.matches(index, term)) {",
    replace: "if (index > 0 && term > 0) {",
    killers: [CORE, CHAOS],
  },
  {
    name: "older-snapshot-over-a-newer-log",
    bug: "a snapshot older than the log takes the log's place at the start",
    file: "src/node/data_directory.ts",
    find: "if (index <= log.lastIndex() && log.term(index) === term) return;",
    replace: "if (index === log.lastIndex() && log.term(index) === term) return;",
    killers: [DIRECTORY, DIRECTORY_CRASH],
    simulation: true,
  },
  {
    name: "half-snapshot-accepted",
    bug: "a snapshot file without its end is taken for a whole one",
    file: "src/node/snapshots/snapshot_scanner.ts",
    find: "if (!this.#isComplete || this.#header === null)",
    replace: "if (this.#header === null)",
    killers: [FILES, DAMAGE],
  },
  {
    name: "snapshot-end-not-compared",
    bug: "a snapshot that lacks a record in the middle is taken for a whole one",
    file: "src/node/snapshots/snapshot_scanner.ts",
    find: "if (!isWhole) throw",
    replace: "if (!isWhole && end.chunks < 0) throw",
    killers: [FILES, DAMAGE],
  },
  {
    name: "snapshot-checksum-not-compared",
    bug: "a flipped bit in a snapshot's chunk is taken into the state",
    file: "src/node/snapshots/snapshot_scanner.ts",
    find: "if (payload.checksum !== payload.expectedChecksum) throw",
    replace: "if (payload.checksum !== payload.expectedChecksum && isLast) throw",
    killers: [FILES, DAMAGE],
  },
  {
    name: "snapshot-renamed-without-directory-sync",
    bug: "a snapshot is renamed, its directory not synced, and the log is let go",
    file: "src/node/snapshots/unfinished_file.ts",
    find: `this.#disk.syncDirectory(path.slice(0, path.lastIndexOf("/")));`,
    replace: `this.#disk.list(path.slice(0, path.lastIndexOf("/")));`,
    killers: [FILES, DIRECTORY_CRASH],
    simulation: true,
  },
  {
    name: "snapshot-renamed-before-sync",
    bug: "a crash in the middle leaves half a file under a snapshot's name",
    file: "src/node/snapshots/unfinished_file.ts",
    find: "if (this.#isAbandoned || this.unsyncedBytes === 0) this.#onSynced?.();",
    replace: "if (this.#isAbandoned || this.unsyncedBytes >= 0) this.#onSynced?.();",
    killers: [FILES, DIRECTORY_CRASH],
  },
  {
    name: "applied-again-after-restart",
    bug:
      "an applied command is applied again after a restart: what the snapshot has is in the log too",
    file: "src/node/node.ts",
    find: "const { index, term } = newest ?? { index: log.firstIndex() - 1, term: 0 };",
    replace: "const { index, term } = { index: log.firstIndex() - 1, term: newest?.term ?? 0 };",
    killers: [SNAPSHOTS, SNAPSHOTS_CHAOS],
    simulation: true,
  },
  {
    name: "configuration-of-the-first-snapshot",
    bug: "the configuration is lost from the second snapshot on: the first one's is written again",
    file: "src/node/members.ts",
    find: "this.#known.findLast((one) => one.index <= index) ??",
    replace: "this.#known.find((one) => one.index <= index) ??",
    killers: [MEMBERS, SNAPSHOTS],
  },
  {
    name: "configuration-of-a-received-snapshot-lost",
    bug: "a node that installs a snapshot keeps the members it knew before",
    file: "src/raft/configuration_log.ts",
    find: "this.#configurations = [{ index, configuration }];",
    replace:
      "this.#configurations = [{ index, configuration: this.newest.configuration ?? configuration }];",
    killers: [CORE, CHAOS],
  },
  {
    name: "log-let-go-before-its-snapshot",
    bug: "the log is trimmed to what is applied, not to what a durable snapshot covers",
    file: "src/node/snapshots/snapshot_taker.ts",
    find: "const newest = Math.min(this.#newestIndex, appliedIndex, durableIndex);",
    replace: "const newest = Math.min(appliedIndex, durableIndex);",
    killers: [SNAPSHOTS, SNAPSHOTS_CHAOS],
    simulation: true,
  },
  {
    name: "own-proposals-left-behind-a-snapshot",
    bug: "a write whose entry is in an installed snapshot is never answered",
    file: "src/node/applier.ts",
    find: "this.#options.proposals.passOver(snapshot.index);",
    replace: "this.#options.proposals.passOver(0);",
    killers: [SNAPSHOTS, SNAPSHOTS_CHAOS],
    simulation: true,
  },
  {
    name: "log-not-begun-anew",
    bug: "what stood in the log before an installed snapshot counts again after a restart",
    file: "src/node/log/log_replay.ts",
    find: "if (isFirstLeft || header.afterSnapshot) this",
    replace: "if (isFirstLeft) this",
    killers: [COMPACTION, DIRECTORY_CRASH],
    simulation: true,
    firstSeed: 2316,
  },
  {
    name: "removed-segment-back-from-the-dead",
    bug: "a segment that a loss of power brought back is taken for a gap in the log",
    file: "src/node/log/recovery.ts",
    find: "return names.slice(Math.max(0, gap));",
    replace: "return names.slice(Math.max(0, gap) * 0);",
    killers: [COMPACTION, DIRECTORY_CRASH],
  },
  {
    name: "oldest-snapshot-loaded",
    bug: "of two snapshots close together the older one is loaded",
    file: "src/node/snapshots/snapshot_files.ts",
    find: "order(right).index - order(left).index ||",
    replace: "order(left).index - order(right).index ||",
    killers: [FILES, DIRECTORY_CRASH],
  },
];
