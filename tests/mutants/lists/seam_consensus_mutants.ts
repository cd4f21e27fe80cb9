import type { Mutant } from "../mutant.ts";

/**
 * Where a node, its consensus, its log, its snapshots and its peers meet. The author had not seen
 * the tests.
 */
export const seamConsensusMutants: readonly Mutant[] = [
  {
    name: "seam-slow-successor-not-asked-again",
    bug: "a stopping leader ends without a successor if one attempt is too slow",
    file: "src/node/node.ts",
    find: "start(to, () => end(again));",
    replace: "start(to, () => end(done));",
    killers: ["src/node/handover_test.ts"],
  },
  {
    name: "leader-ends-before-its-successor-is-elected",
    bug: "a stopping leader ends when it no longer leads, though its vote is still needed",
    file: "src/node/node.ts",
    find: "return this.#leaderId === null ? again() : done();",
    replace: "return this.#leaderId === null && isLate ? again() : done();",
    killers: ["src/node/handover_test.ts"],
  },
  {
    name: "seam-pending-writes-outlive-a-snapshot",
    bug:
      "a snapshot replaces the log while a write is in flight: when the write ends, entries count as durable that are not there",
    file: "src/raft/log.ts",
    find:
      `    for (const pending of this.#pending) pending.lastIndex = Math.min(pending.lastIndex, kept);
`,
    replace: "",
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-entries-are-applied-before-their-snapshot",
    bug:
      "one message brings a snapshot and the next the entries after it: they are applied before the snapshot's state is there",
    file: "src/raft/log.ts",
    find: "this.#appliedIndex < this.#commitIndex && this.#appliedIndex >= this.#base.index;",
    replace: "this.#appliedIndex < this.#commitIndex;",
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-write-before-a-snapshot-counts-as-its-own",
    bug:
      "a write that was in flight before a snapshot came ends: the state counts as that of the snapshot, which is not installed yet",
    file: "src/raft/log.ts",
    find: "Math.max(this.#appliedIndex, pending.restoredIndex)",
    replace: "Math.max(this.#appliedIndex, this.#base.index)",
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-verified-index-outlives-its-leader",
    bug: "entries that matched the last leader's log count as matching the next one's",
    file: "src/raft/state.ts",
    find: `    this.matchIndex = this.log.commitIndex();
    this.leaderCommit = 0;`,
    replace: "    this.leaderCommit = 0;",
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-removed-peer-is-told-one-entry-more",
    bug: "a removed peer counts as informed of its removal only with the entry after it",
    file: "src/raft/membership.ts",
    find: "if (peer.commitSent >= one.index) one.commitSentTick",
    replace: "if (peer.commitSent > one.index) one.commitSentTick",
    killers: ["src/raft/membership_test.ts"],
  },
  {
    name: "seam-retiring-leader-picks-the-worst",
    bug: "a removed leader transfers leadership to the voter with the shortest log",
    file: "src/raft/membership.ts",
    find: "match > best.match",
    replace: "match < best.match",
    killers: ["src/raft/transfer_test.ts"],
  },
  {
    name: "seam-request-to-take-over-is-sent-once",
    bug: "the request to take over is lost: it is not resent",
    file: "src/raft/membership.ts",
    find: "if (isHeartbeatTime) transfer.isTimeoutNowSent = false;",
    replace:
      "if (isHeartbeatTime && state.ticks >= transfer.endTick) transfer.isTimeoutNowSent = false;",
    killers: ["src/raft/script_test.ts"],
  },
  {
    name: "seam-peer-with-the-snapshot-needs-one-entry-more",
    bug:
      "a peer that has installed a snapshot is sent it again and again, until an entry arrives in another way",
    file: "src/raft/progress.ts",
    find: `if (this.state === "snapshot" && index >= this.#snapshotIndex) this.#replicate();`,
    replace: `if (this.state === "snapshot" && index > this.#snapshotIndex) this.#replicate();`,
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-bytes-of-lost-appends-stay-under-way",
    bug: "a connection is lost: its bytes in flight count for ever against the peer's limit",
    file: "src/raft/progress.ts",
    find: `    this.#inflights.length = 0;
    this.#inflightBytes = 0;
`,
    replace: `    this.#inflights.length = 0;
`,
    killers: ["src/raft/chaos_test.ts"],
  },
  {
    name: "seam-transfer-makes-lead-who-must-not",
    bug: "a node that must not lead because its clock is wrong takes over when asked",
    file: "src/raft/election.ts",
    find: `if (state.role === "leader" || !state.mayLead || !state.isVoter(state.id)) return;`,
    replace: `if (state.role === "leader" || !state.isVoter(state.id)) return;`,
    killers: ["src/raft/transfer_test.ts"],
  },
  {
    name: "seam-wanted-snapshot-ends-before-the-log",
    bug: "a peer with an older snapshot counts as having the compacted entries: the leader asserts",
    file: "src/raft/leader.ts",
    find: "const index = state.log.firstIndex() - 1;",
    replace: "const index = Math.max(0, state.log.firstIndex() - 2);",
    killers: ["src/raft/leader_test.ts"],
  },
  {
    name: "seam-snapshot-counts-before-the-entries-behind-it",
    bug:
      "one Ready brings a snapshot and entries: it is advanced when the snapshot is durable, and the entries are not",
    file: "src/node/ready_runner.ts",
    find: `log.reset(at.index, at.term, ready.hardState, hasEntries ? () => {} : installed);
    if (hasEntries) log.append(null, ready.entries, installed);`,
    replace: `log.reset(at.index, at.term, ready.hardState, installed);
    if (hasEntries) log.append(null, ready.entries, () => {});`,
    killers: ["src/node/ready_runner_test.ts"],
  },
  {
    name: "seam-configuration-behind-a-snapshot-is-missed",
    bug:
      "one Ready brings a snapshot and, in the entries after it, a membership change: the node does not learn of it",
    file: "src/node/ready_runner.ts",
    find: `    members.noteAppend(ready.entries);
    this.#isInstalling`,
    replace: "    this.#isInstalling",
    killers: ["src/node/ready_runner_test.ts"],
  },
  {
    name: "seam-waiter-follows-the-logs-end",
    bug: "WAIT under steady writes of others waits for their entries too",
    file: "src/node/clients/client_requests.ts",
    find: "waiter.index ??= lastIndex",
    replace: "waiter.index = lastIndex",
    killers: ["src/node/clients/replication_waiters_test.ts"],
  },
  {
    name: "seam-reads-wait-for-one-entry-less",
    bug: "reads that came after a write of this node are answered before it",
    file: "src/node/clients/applier.ts",
    find: "reads.takeBefore(proposal.sequence)",
    replace: "reads.takeBefore(proposal.sequence + 1)",
    killers: ["src/node/node_test.ts"],
  },
  {
    name: "seam-time-passes-again-within-a-command",
    bug:
      "a long command of an entry continues: its time passes again, and removes expired keys between the command's steps",
    file: "src/node/clients/applier.ts",
    find: "const isBegun = work.done > 0 || this.#slices !== null;",
    replace: "const isBegun = work.done > 0;",
    killers: ["src/node/clients/applier_test.ts"],
  },
  {
    name: "seam-refused-open-writes-still-count",
    bug: "writes that timed out are refused: their bytes count as in flight for ever",
    file: "src/node/clients/proposals.ts",
    find: `      this.#bytes -= bytes;
      this.#openBytes -= bytes;
      this.#openWriteCount--;`,
    replace: `      this.#bytes -= bytes;
      this.#openWriteCount--;`,
    killers: ["src/node/clients/proposals_test.ts"],
  },
  {
    name: "seam-removal-leaves-half",
    bug: "a member may be removed though only half of the others answer, and no majority is left",
    file: "src/node/members/membership.ts",
    find: "const needed = Math.floor(voters.length / 2) + 1;",
    replace: "const needed = Math.ceil(voters.length / 2);",
    killers: ["src/node/members/membership_test.ts"],
  },
  {
    name: "seam-removed-node-may-lead-after-a-clock-message",
    bug:
      "a removed node, or one that stops, may stand for election when the next clock report arrives",
    file: "src/node/time/timekeeping.ts",
    find: "raft.mayLead = time.isKnown && !isWrong && !this.#isRetired;",
    replace:
      `raft.mayLead = time.isKnown && !isWrong && (!this.#isRetired || raft.role !== "leader");`,
    killers: ["src/node/time/timekeeping_test.ts"],
  },
  {
    name: "seam-new-segment-claims-what-the-old-one-had-synced",
    bug:
      "a segment is begun: until it is as long as the last one it does not record how far it was synced",
    file: "src/node/log/log_writer.ts",
    find: `    this.#claimedBytes = begun.segment.endBytes;
`,
    replace: "",
    killers: ["src/node/log/disk_log_roll_test.ts"],
  },
  {
    name: "seam-sync-in-line-marks-what-comes-later",
    bug: "a sync is queued: the mark claims that later requests are durable as well",
    file: "src/node/log/log_writer.ts",
    find: `    this.#enqueue((next) => {
      this.#sync(position, done);`,
    replace: `    this.#enqueue((next) => {
      const { sequence, endBytes } = this.#segment;
      this.#sync({ segment: sequence, offset: endBytes }, done);`,
    killers: ["src/node/log/disk_log_crash_test.ts"],
  },
  {
    name: "seam-segment-begins-before-the-old-one-is-synced",
    bug: "a new segment gets its name when the first of two syncs has ended",
    file: "src/node/log/log_writer.ts",
    find: "    let inFlight = 2;",
    replace: "    let inFlight = 1;",
    killers: ["src/node/log/disk_log_crash_test.ts"],
  },
  {
    name: "seam-sync-covers-what-came-meanwhile",
    bug: "entries appended during a sync count as durable at its end",
    file: "src/node/log/log_writer.ts",
    find: `    const covered = this.#waiting;
    this.#waiting = [];
    this.#isSyncing = true;
    this.#sync((error) => {
      this.#isSyncing = false;`,
    replace: `    this.#isSyncing = true;
    this.#sync((error) => {
      const covered = this.#waiting;
      this.#waiting = [];
      this.#isSyncing = false;`,
    killers: ["src/node/log/disk_log_crash_test.ts"],
  },
  {
    name: "seam-overtaken-snapshot-counts-as-arriving",
    bug:
      "the last entry of a snapshot that is durable here also arrives in the log: the node counts as installing a snapshot and serves no reads",
    file: "src/node/snapshots/snapshot_receiver.ts",
    find: "const isNeeded = status.appliedIndex < arrival.incoming.snapshot.index;",
    replace: "const isNeeded = status.appliedIndex <= arrival.incoming.snapshot.index;",
    killers: ["src/node/snapshots/snapshot_receiver_test.ts"],
  },
  {
    name: "seam-snapshot-of-what-is-committed-is-received",
    bug:
      "a leader offers a snapshot of the last entry that the node already has: it is received, discarded and offered again, for ever",
    file: "src/node/snapshots/snapshot_receiver.ts",
    find: "if (snapshot.index <= status.commitIndex) return this.#report",
    replace: "if (snapshot.index < status.commitIndex) return this.#report",
    killers: ["src/node/snapshots/snapshot_receiver_test.ts"],
  },
  {
    name: "seam-lost-chunks-fill-the-window",
    bug:
      "chunks of a snapshot are lost and it is offered again: the lost ones count as in flight, and nothing more is sent",
    file: "src/node/snapshots/snapshot_sender.ts",
    find: `      stream.chunksInFlight.length = 0;
`,
    replace: "",
    killers: ["src/node/snapshots/node_snapshots_test.ts"],
  },
  {
    name: "seam-log-is-compacted-before-the-state-is-there",
    bug: "a received snapshot is not installed yet: the log is compacted up to it all the same",
    file: "src/node/snapshots/snapshot_taker.ts",
    find: `const { appliedIndex, durableIndex } = this.#options.status();
    const newest = Math.min(this.#newestIndex, appliedIndex, durableIndex);`,
    replace: `const { durableIndex } = this.#options.status();
    const newest = Math.min(this.#newestIndex, durableIndex);`,
    killers: ["src/node/snapshots/snapshot_taker_test.ts"],
  },
  {
    name: "seam-failed-snapshot-keeps-its-view",
    bug:
      "the disk does not accept a snapshot: the view of the state stays open, and the next attempt ends the node",
    file: "src/node/snapshots/snapshot_taker.ts",
    find: `    this.#attempt?.view.end();
`,
    replace: "",
    killers: ["src/node/snapshots/snapshot_taker_test.ts"],
  },
  {
    name: "seam-snapshot-of-entries-that-are-not-durable",
    bug:
      "a snapshot is taken of entries that others have committed and this node has not made durable",
    file: "src/node/snapshots/snapshot_taker.ts",
    find: "if (meta.index > status().durableIndex) return;",
    replace: "if (meta.index > status().commitIndex) return;",
    killers: ["src/node/snapshots/snapshot_taker_test.ts"],
  },
  {
    name: "seam-taken-parts-still-count",
    bug:
      "entries that arrived in parts count against the limit after they were accepted: finally each long entry closes the connection",
    file: "src/node/peers/message_codec.ts",
    find: `    this.#bytes -= entry.sizeBytes;
    return entry.bytes;`,
    replace: "    return entry.bytes;",
    killers: ["src/node/peers/message_codec_test.ts"],
  },
  {
    name: "seam-bulk-lane-is-not-opened-anew",
    bug:
      "the urgent connection to a peer is lost: the other one, which is mostly idle, does not reopen it",
    file: "src/node/peers/link.ts",
    find: `        this.#bulk.renew();
        options.onLost(peer, isSilent);`,
    replace: "        options.onLost(peer, isSilent);",
    killers: ["src/node/peers/link_lanes_test.ts"],
  },
  {
    name: "seam-moved-link-tries-the-old-address-first",
    bug:
      "a peer has moved: its old address, from which nothing comes, is dialled before the new one",
    file: "src/node/peers/link.ts",
    find: `    this.#isAnswered = true; // the old address must not be tried before this one
`,
    replace: "",
    killers: ["src/node/peers/link_test.ts"],
  },
  {
    name: "seam-link-to-a-member-that-came-back-ends",
    bug:
      "a member is removed from the plan and added again at once: its link ends three seconds later",
    file: "src/node/peers/transport.ts",
    find: `    this.#leaving.get(peer)?.();
    this.#leaving.delete(peer);
  }

  #leave`,
    replace: `    this.#leaving.delete(peer);
  }

  #leave`,
    killers: ["src/node/peers/transport_test.ts"],
  },
];
