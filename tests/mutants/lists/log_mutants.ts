import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const PAPER = "src/raft/raft_paper_test.ts";
const PROGRESS = "src/raft/progress_test.ts";
const CLUSTER = "src/node/node_test.ts";

/** Replication and commitment in the core. */
export const logMutants: readonly Mutant[] = [
  {
    name: "commit-beyond-verified",
    bug: "the commit index advances beyond the entries known to match",
    file: "src/raft/follower.ts",
    find: "state.log.commitTo(Math.min(state.leaderCommit, state.matchIndex));",
    replace: "state.log.commitTo(Math.min(state.leaderCommit, state.log.lastIndex()));",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "heartbeat-commits-unmatched",
    bug: "a heartbeat makes a follower commit entries that it was never shown to have",
    file: "src/raft/leader.ts",
    find: "const commit = Math.min(peer.match, state.log.commitIndex());",
    replace: "const commit = state.log.commitIndex();",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "older-term-committed-by-counting",
    bug: "an entry of an older term is committed by counting replicas (Raft paper §5.4.2)",
    file: "src/raft/leader.ts",
    find: "if (index <= state.log.commitIndex() || state.log.term(index) !== state.term) return;",
    replace: "if (index <= state.log.commitIndex()) return;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "old-append-truncates",
    bug: "an old AppendEntries, delayed by the network, truncates a newer log",
    file: "src/raft/follower.ts",
    find: "if (log.matches(entry.index, entry.term)) continue;",
    replace: `if (log.matches(entry.index, entry.term)) {
      const isLast = entry === request.entries.at(-1) && entry.index < log.lastIndex();
      if (isLast && entry.index >= log.commitIndex()) log.truncateFrom(entry.index + 1);
      continue;
    }`,
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "conflicting-tail-kept",
    bug: "a conflicting tail is not truncated",
    file: "src/raft/follower.ts",
    find: "if (entry.index <= log.lastIndex()) state.truncateFrom(entry.index);",
    replace: "if (entry.index <= log.lastIndex()) continue;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "previous-entry-not-compared",
    bug: "entries are appended after a previous entry of another term",
    file: "src/raft/follower.ts",
    find: "if (skipped === 0 && !log.matches(request.prevIndex, request.prevTerm)) {",
    replace: "if (skipped === 0 && request.prevIndex > log.lastIndex()) {",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "confirmed-before-sync",
    bug: "a follower acknowledges entries before they are durable",
    file: "src/raft/follower.ts",
    find: "state.send(reply, matchIndex);",
    replace: "state.send(reply);",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "leader-counts-itself-before-sync",
    bug: "a cluster of one acknowledges before its own sync",
    file: "src/raft/leader.ts",
    find: "reachedByVoters(state, state.log.durableIndex(), (peer) => peer.match)",
    replace: "reachedByVoters(state, state.log.lastIndex(), (peer) => peer.match)",
    killers: [CLUSTER, PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "late-write-speaks-for-truncated-log",
    bug:
      "append and truncate are reordered by asynchronous storage: the end of an old write counts " +
      "for the entries that replaced what it wrote",
    file: "src/raft/log.ts",
    find: "pending.lastIndex = Math.min(pending.lastIndex, index - 1);",
    replace: "pending.lastIndex = Math.max(pending.lastIndex, index - 1);",
    killers: ["src/raft/log_test.ts", CHAOS],
    simulation: true,
    firstSeed: 402,
  },
  {
    name: "confirmation-carried-into-a-new-term",
    bug:
      "entries acknowledged to a leader of an older term are acknowledged to the next one without a comparison",
    file: "src/raft/follower.ts",
    find: "last.to === to && last.term === term) {",
    replace: "last.to === to) {",
    killers: [PAPER],
  },
  {
    name: "not-durable-read-from-disk",
    bug: "entries are read back from the disk before they are certain to be there",
    file: "src/raft/log.ts",
    find: "return this.#reader.entries(from, Math.min(to, this.#tailFirst - 1), bytesMax);",
    replace: "return this.#reader.entries(from, to, bytesMax);",
    killers: ["src/raft/log_test.ts", CHAOS],
  },
  {
    name: "match-goes-back",
    bug: "a late reply corrupts the progress of a peer",
    file: "src/raft/progress.ts",
    find: "if (isNews) this.match = index;",
    replace: "this.match = index;",
    killers: [PROGRESS, CHAOS],
  },
  {
    name: "late-refusal-believed",
    bug: "a late rejection sends the leader back before entries that the peer has acknowledged",
    file: "src/raft/progress.ts",
    find: "if (index <= this.match || index >= this.next) return;",
    replace: "if (index >= this.next) return;",
    killers: [PROGRESS, CHAOS],
  },
  {
    name: "lost-probe-not-repeated",
    bug: "replication to a peer stops for ever when one append is lost",
    file: "src/raft/progress.ts",
    find:
      "if (this.#probeTick !== null && tick - this.#probeTick >= retryTicks) this.#probeTick = null;",
    replace: "if (this.#probeTick !== null && tick < this.#probeTick) this.#probeTick = null;",
    killers: [PROGRESS, CHAOS],
  },
  {
    name: "unwritten-commands-forgotten",
    bug: "the commands of a batch that was never encoded are lost when it is executed",
    file: "src/node/log/entry.ts",
    find: "if (this.#encoded !== null) this.#commands = null;",
    replace: "this.#commands = null;",
    killers: ["src/node/log/entry_codec_test.ts", CLUSTER],
  },
  {
    name: "impossible-confirmation-believed",
    bug: "an acknowledgement of entries that were never sent crashes the leader's core",
    file: "src/raft/leader.ts",
    find: "if (reply.index > state.log.lastIndex()) return;",
    replace: "if (reply.index < 0) return;",
    killers: ["src/raft/hostile_messages_test.ts"],
  },
  {
    name: "failed-piece-of-a-large-write-acknowledged",
    bug: "a disk error in the middle of a large value is ignored, and the value is acknowledged",
    file: "src/node/log/log_writer.ts",
    find: `if (error !== null) this.#fail(error);
        else this.#try(() => putFrom`,
    replace: `if (error !== null && start < 0) this.#fail(error);
        else this.#try(() => putFrom`,
    killers: ["src/node/log/disk_log_roll_test.ts"],
  },
  {
    name: "segment-of-another-log-read",
    bug: "segments of two directories are read as one log",
    file: "src/node/log/recovery.ts",
    find: "if (this.#previousBytes !== null && header.nonce !== this.nonce) {",
    replace: `if (this.#previousBytes !== null && header.nonce === "") {`,
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "term-goes-back-between-segments",
    bug: "a node forgets that it has voted, when a segment of an older term follows",
    file: "src/node/log/recovery.ts",
    find: "if (header.term < this.hardState.term) throw",
    replace: "if (header.term < 0) throw",
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "gap-between-segments-read",
    bug: "a log that lacks entries between two segments is read as a whole one",
    file: "src/node/log/recovery.ts",
    find: "if (first < firstIndex || first > lastIndex + 1) {",
    replace: "if (first < firstIndex || first > lastIndex + 100) {",
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "segment-follows-another-history",
    bug: "a segment is read after an entry that it did not follow",
    file: "src/node/log/recovery.ts",
    find: "if (previousTerm !== this.index.termAt(first - 1)) {",
    replace: "if (previousTerm < 0) {",
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "unreadable-members-passed-over",
    bug: "a node starts with older members, since it cannot read the newest ones",
    file: "src/node/log/recovery.ts",
    find: `throw damagedLog(this.#disk, segment.fileName, offset, what);
    }
  }
}`,
    replace: `if (what === "") throw damagedLog(this.#disk, segment.fileName, offset, what);
      return null;
    }
  }
}`,
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "log-read-without-its-snapshot",
    bug: "a log whose snapshot is lost is read, and its beginning is missing",
    file: "src/node/log/recovery.ts",
    find: "if (before === 0) return;",
    replace: "if (before >= 0) return;",
    killers: ["src/node/log/disk_log_forgery_test.ts"],
  },
  {
    name: "large-segment-forgets-places",
    bug: "from the 257th entry of a segment on, the log loses the positions of the entries before",
    file: "src/node/log/segment.ts",
    find: "offsets.set(this.#offsets);",
    replace: "",
    killers: ["src/node/log/disk_log_roll_test.ts"],
  },
  {
    name: "unwritten-entries-read-from-the-file",
    bug:
      "a leader ends with an error about damage when it reads entries that are still queued for writing",
    file: "src/node/log/disk_log.ts",
    find: "while (last > from && this.#writer.unwritten(last) !== undefined) last--;",
    replace: "if (last < from) last = Math.min(last, this.#writer.segment.last);",
    killers: ["src/node/log/disk_log_roll_test.ts"],
  },
];
