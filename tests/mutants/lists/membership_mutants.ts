import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const RAFT_MEMBERSHIP = "src/raft/membership_test.ts";
const TRANSFER = "src/raft/transfer_test.ts";
const CHANGES = "src/node/members/membership_test.ts";
const MEMBERSHIP = "src/node/members/membership_test.ts";

/** Members that join and leave, and transfers of leadership. */
export const membershipMutants: readonly Mutant[] = [
  {
    name: "second-change-before-the-first",
    bug: "a second change is begun before the first is committed: split brain (thesis §4.1)",
    file: "src/raft/membership.ts",
    find: `if (!state.isConfigurationCommitted) return "changeInProgress";`,
    replace: `if (!state.isConfigurationCommitted && state.term === 0) return "changeInProgress";`,
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "change-before-own-entry",
    bug: "a change is begun before the leader committed an entry of its own term: split brain",
    file: "src/raft/membership.ts",
    find: `if (!hasCommittedInTerm(state)) return "termNotOpened";`,
    replace: `if (!hasCommittedInTerm(state) && state.term === 0) return "termNotOpened";`,
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "two-voters-at-once",
    bug: "two voters are swapped at once, so that two majorities need not overlap",
    file: "src/raft/membership.ts",
    find: `return difference.size > 1 ?`,
    replace: `return difference.size > 2 ?`,
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "election-by-committed-configuration",
    bug: "an election counts votes by the committed configuration, not by the newest",
    file: "src/raft/election.ts",
    find: "for (const voter of state.configuration.voters) {\n    const answer",
    replace:
      "for (const voter of state.configurations.at(state.log.commitIndex()).configuration.voters) {\n" +
      "    const answer",
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "learner-counted",
    bug: "a learner's entries count towards the majority",
    file: "src/raft/leader.ts",
    find: "return reachedByMajority(state.configuration.voters.map((voter) => {",
    replace: `const { voters, learners } = state.configuration;
  return reachedByMajority([...voters, ...learners].map((voter) => {`,
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "learner-stands",
    bug: "a learner stands for election",
    file: "src/raft/election.ts",
    find: "if (state.isVoter(state.id)) return true;",
    replace:
      "if (state.isVoter(state.id) || state.configuration.learners.includes(state.id)) return true;",
    killers: [RAFT_MEMBERSHIP, CHAOS, MEMBERSHIP],
  },
  {
    name: "removed-leader-counts-itself",
    bug: "a leader that removes itself counts itself towards the majority (thesis §4.2.2)",
    file: "src/raft/leader.ts",
    find: "state.configuration.voters.map((voter) => {",
    replace: "[...new Set([state.id, ...state.configuration.voters])].map((voter) => {",
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "removed-leader-stays",
    bug: "a leader that is no longer a member goes on leading",
    file: "src/raft/membership.ts",
    find: "if (state.isConfigurationCommitted && !state.isVoter(state.id)) startRetiring(state);",
    replace: "if (state.isConfigurationCommitted && state.term === 0) startRetiring(state);",
    killers: [TRANSFER, CHAOS, MEMBERSHIP],
  },
  {
    name: "removed-peer-not-told",
    bug: "a removed node never learns of it and disturbs the others for ever",
    file: "src/raft/membership.ts",
    find: "const timeoutTicks = LEAVING_ELECTION_TIMEOUTS * state.options.electionTicks;",
    replace: "const timeoutTicks = 0 * LEAVING_ELECTION_TIMEOUTS;",
    killers: [RAFT_MEMBERSHIP, MEMBERSHIP],
  },
  {
    name: "late-reply-of-a-removed-node",
    bug: "a late reply of a removed node corrupts the progress of its successor",
    file: "src/raft/leader.ts",
    find: "const peer = leadershipOf(state).progress.get(reply.from);",
    replace: `const { progress: all } = leadershipOf(state);
  const peer = all.get(reply.from) ?? [...all.values()].at(-1);`,
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "cut-configuration-still-holds",
    bug: "a change that was cut off with the log's tail stays in force",
    file: "src/raft/state.ts",
    find: "this.configurations.truncateFrom(index);",
    replace: "this.configurations.truncateFrom(index + 1_000_000);",
    killers: [RAFT_MEMBERSHIP, CHAOS],
  },
  {
    name: "removed-id-readmitted",
    bug: "an id that was removed comes back with an empty directory",
    file: "src/node/members/membership.ts",
    find: "if (removed.includes(id)) {",
    replace: "if (removed.includes(id) && members.length === 0) {",
    killers: [CHANGES],
  },
  {
    name: "voter-joins-again-without-data",
    bug:
      "a voter whose directory was lost joins again, and the entries that it once acknowledged are missing",
    file: "src/node/members/membership.ts",
    find: "if (present.incarnation !== incarnation) {",
    replace: "if (present.incarnation !== incarnation && members.length === 0) {",
    killers: [CHANGES],
  },
  {
    name: "removal-leaves-too-few",
    bug: "a member is removed though too few of those left answer",
    file: "src/node/members/membership.ts",
    find: "if (liveCount >= needed) return next;",
    replace: "if (liveCount >= 0 * needed) return next;",
    killers: [CHANGES],
  },
  {
    name: "vote-before-caught-up",
    bug: "a new node becomes a voter before it has the data: writes stall until it has",
    file: "src/node/members/membership.ts",
    find: "peer.match >= commitIndex - CAUGHT_UP_ENTRIES &&",
    replace: "peer.match >= 0 * (commitIndex - CAUGHT_UP_ENTRIES) &&",
    killers: [MEMBERSHIP],
  },
  {
    name: "timeout-now-before-caught-up",
    bug: "leadership is transferred to a node that lacks entries: it cannot win",
    file: "src/raft/membership.ts",
    find: "return progress.get(transfer.to)?.match === state.log.lastIndex();",
    replace: "return progress.get(transfer.to)?.match !== undefined;",
    killers: [TRANSFER],
  },
  {
    name: "proposals-during-transfer",
    bug: "a leader accepts proposals during a transfer, so that its successor never has everything",
    file: "src/raft/raft.ts",
    find: `if (state.role !== "leader" || state.leadership?.transfer !== null) return null;`,
    replace: `if (state.role !== "leader" || state.leadership === null) return null;`,
    killers: [TRANSFER, CHAOS],
  },
  {
    name: "transfer-without-end",
    bug: "a transfer to a node that does not take over stops all writes for ever",
    file: "src/raft/membership.ts",
    find: "else leadership.transfer = null;",
    replace: "else transfer.isTimeoutNowSent = false;",
    killers: [TRANSFER, MEMBERSHIP],
  },
  {
    name: "writes-not-held-during-transfer",
    bug: "writes that arrive during a transfer are proposed to a core that accepts none",
    file: "src/node/members/membership.ts",
    find: "return raft.transferringTo !== null ||",
    replace: "return raft.transferringTo === id ||",
    killers: [MEMBERSHIP],
  },
  {
    name: "transfer-refused-by-the-living",
    bug: "nobody votes for the node that the leader asked to stand, since the leader is alive",
    file: "src/raft/raft.ts",
    find: "if (state.isLeaderAlive() && !message.isTransfer) return false;",
    replace: "if (state.isLeaderAlive()) return false;",
    killers: [TRANSFER, MEMBERSHIP],
  },
  {
    name: "node-ends-by-an-open-removal",
    bug: "a node ends for good because of a removal that is in its log and may never be committed",
    file: "src/node/members/membership.ts",
    find: "return this.committed.removed.includes(this.#options.id);",
    replace:
      "return this.#options.members.newest.configuration.removed.includes(this.#options.id);",
    killers: [],
    simulation: true,
  },
  {
    name: "follower-steps-down",
    bug:
      "a follower that must not lead any more forgets its leader, and a leader in that place leads on",
    file: "src/raft/raft.ts",
    find: `if (state.role === "leader") state.becomeFollower(state.term, null);`,
    replace: `if (state.role !== "leader") state.becomeFollower(state.term, null);`,
    killers: [TRANSFER],
  },
  {
    name: "changes-of-members-pile-up",
    bug: "any number of changes of the members may wait for one that cannot be committed",
    file: "src/node/members/membership.ts",
    find: "if (this.#waiting.length >= WAITING_MAX)",
    replace: "if (this.#waiting.length >= 100 * WAITING_MAX)",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "transfer-on-top-of-another",
    bug: "a second transfer of leadership waits for one that was never begun",
    file: "src/node/members/membership.ts",
    find: "if (!raft.transfer(to)) {",
    replace: "if (!raft.transfer(to) && raft.transferringTo === to) {",
    killers: ["src/node/members/membership_test.ts"],
  },
];
