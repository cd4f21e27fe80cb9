import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const CORE = "src/raft/lone_member_test.ts";
const CHANGES = "src/node/member_changes_test.ts";
const MEMBERSHIP = "src/node/membership_test.ts";

/** Members that come and go, and leadership that is handed over. */
export const membershipMutants: readonly Mutant[] = [
  {
    name: "second-change-before-the-first",
    bug: "a second change is begun before the first is committed: split brain (thesis §4.1)",
    file: "src/raft/membership.ts",
    find: `if (!core.isConfigurationCommitted) return "changeUnderWay";`,
    replace: `if (!core.isConfigurationCommitted && core.term === 0) return "changeUnderWay";`,
    killers: [CORE, CHAOS],
  },
  {
    name: "change-before-own-entry",
    bug: "a change is begun before the leader committed an entry of its own term: split brain",
    file: "src/raft/membership.ts",
    find: `if (!hasCommittedInTerm(core)) return "termNotOpened";`,
    replace: `if (!hasCommittedInTerm(core) && core.term === 0) return "termNotOpened";`,
    killers: [CORE, CHAOS],
  },
  {
    name: "two-voters-at-once",
    bug: "two voters change places at once, so that two majorities need not meet",
    file: "src/raft/membership.ts",
    find: `return difference.size > 1 ?`,
    replace: `return difference.size > 2 ?`,
    killers: [CORE, CHAOS],
  },
  {
    name: "election-by-committed-configuration",
    bug: "an election counts the votes of a configuration that is committed, not of the newest",
    file: "src/raft/election.ts",
    find: "for (const voter of core.configuration.voters) {\n    const answer",
    replace:
      "for (const voter of core.configurations.at(core.log.commitIndex()).configuration.voters) {\n" +
      "    const answer",
    killers: [CORE, CHAOS],
  },
  {
    name: "learner-counted",
    bug: "what a learner has counts towards the majority",
    file: "src/raft/leader.ts",
    find: "return reachedByMajority(core.configuration.voters.map((voter) => {",
    replace: `const { voters, learners } = core.configuration;
  return reachedByMajority([...voters, ...learners].map((voter) => {`,
    killers: [CORE, CHAOS],
  },
  {
    name: "learner-stands",
    bug: "a learner stands for election",
    file: "src/raft/election.ts",
    find: "if (core.isVoter(core.id)) return true;",
    replace:
      "if (core.isVoter(core.id) || core.configuration.learners.includes(core.id)) return true;",
    killers: [CORE, CHAOS, MEMBERSHIP],
  },
  {
    name: "removed-leader-counts-itself",
    bug: "a leader that removes itself counts itself towards the majority (thesis §4.2.2)",
    file: "src/raft/leader.ts",
    find: "core.configuration.voters.map((voter) => {",
    replace: "[...new Set([core.id, ...core.configuration.voters])].map((voter) => {",
    killers: [CORE, CHAOS],
  },
  {
    name: "removed-leader-stays",
    bug: "a leader that is no member any more goes on leading",
    file: "src/raft/membership.ts",
    find: "if (core.isConfigurationCommitted && !core.isVoter(core.id)) startRetiring(core);",
    replace: "if (core.isConfigurationCommitted && core.term === 0) startRetiring(core);",
    killers: [CORE, CHAOS, MEMBERSHIP],
  },
  {
    name: "removed-peer-not-told",
    bug: "a removed node never hears of it and disturbs the others for ever",
    file: "src/raft/membership.ts",
    find: "const patience = LEAVING_ELECTIONS * core.options.electionTicks;",
    replace: "const patience = 0 * LEAVING_ELECTIONS;",
    killers: [CORE, MEMBERSHIP],
  },
  {
    name: "late-reply-of-a-removed-node",
    bug: "a late reply of a removed node corrupts the progress of its successor",
    file: "src/raft/step_leader.ts",
    find: "const peer = leadershipOf(core).progress.get(reply.from);",
    replace: `const { progress: all } = leadershipOf(core);
  const peer = all.get(reply.from) ?? [...all.values()].at(-1);`,
    killers: [CORE, CHAOS],
  },
  {
    name: "cut-configuration-still-holds",
    bug: "a change that was cut off with the log's tail goes on holding",
    file: "src/raft/core.ts",
    find: "this.configurations.truncatedFrom(index);",
    replace: "this.configurations.truncatedFrom(index + 1_000_000);",
    killers: [CORE, CHAOS],
  },
  {
    name: "removed-id-readmitted",
    bug: "an id that was removed comes back with an empty directory",
    file: "src/node/member_changes.ts",
    find: "if (removed.includes(id)) {",
    replace: "if (removed.includes(id) && members.length === 0) {",
    killers: [CHANGES],
  },
  {
    name: "voter-joins-again-without-data",
    bug: "a voter whose directory was lost joins again, and what it once confirmed is missing",
    file: "src/node/member_changes.ts",
    find: "if (!present.isLearner) {",
    replace: "if (!present.isLearner && members.length === 0) {",
    killers: [CHANGES],
  },
  {
    name: "removal-leaves-too-few",
    bug: "a member is removed though too few of those left answer",
    file: "src/node/member_changes.ts",
    find: "if (liveCount >= needed) return next;",
    replace: "if (liveCount >= 0 * needed) return next;",
    killers: [CHANGES],
  },
  {
    name: "vote-before-caught-up",
    bug: "a new node gets its vote before it has the data: writes stand still until it has",
    file: "src/node/membership.ts",
    find: "peer.match >= commitIndex - CAUGHT_UP_ENTRIES &&",
    replace: "peer.match >= 0 * (commitIndex - CAUGHT_UP_ENTRIES) &&",
    killers: [MEMBERSHIP],
  },
  {
    name: "timeout-now-before-caught-up",
    bug: "leadership is handed to a node that lacks entries: it cannot win",
    file: "src/raft/transfer.ts",
    find: "return progress.get(transfer.to)?.match === core.log.lastIndex();",
    replace: "return progress.get(transfer.to)?.match !== undefined;",
    killers: [CORE],
  },
  {
    name: "proposals-during-transfer",
    bug: "a leader that hands over takes proposals, so that its successor never has everything",
    file: "src/raft/raft.ts",
    find: `if (core.role !== "leader" || core.leadership?.transfer !== null) return null;`,
    replace: `if (core.role !== "leader" || core.leadership === null) return null;`,
    killers: [CORE, CHAOS],
  },
  {
    name: "transfer-without-end",
    bug: "a transfer to a node that does not take over stops all writes for ever",
    file: "src/raft/transfer.ts",
    find: "else leadership.transfer = null;",
    replace: "else transfer.isAsked = false;",
    killers: [CORE, MEMBERSHIP],
  },
  {
    name: "writes-not-held-during-transfer",
    bug: "writes that come while leadership is handed over are proposed to a core that takes none",
    file: "src/node/membership.ts",
    find: "return raft.transferringTo !== null ||",
    replace: "return raft.transferringTo === id ||",
    killers: [MEMBERSHIP],
  },
  {
    name: "transfer-refused-by-the-living",
    bug: "nobody votes for the node that the leader asked to stand, since the leader is alive",
    file: "src/raft/raft.ts",
    find: "if (core.isLeaderAlive() && !message.isTransfer) return false;",
    replace: "if (core.isLeaderAlive()) return false;",
    killers: [CORE, MEMBERSHIP],
  },
];
