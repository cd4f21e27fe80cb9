import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const PAPER = "src/raft/raft_paper_test.ts";
const SCRIPT = "src/raft/script_test.ts";
const CLUSTER = "src/node/node_test.ts";

/** Votes and terms. */
export const electionMutants: readonly Mutant[] = [
  {
    name: "vote-forgotten-at-restart",
    bug: "two votes in one term: the vote is not taken up after a restart",
    file: "src/raft/core.ts",
    find: "this.#vote = options.hardState.vote;",
    replace: "this.#vote = null;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "heartbeats-slept-through",
    bug: "a leader that hears nothing wakes too late for its heartbeats",
    file: "src/raft/leader.ts",
    find: "const untilHeartbeat = core.options.heartbeatTicks - heartbeatElapsed;",
    replace: "const untilHeartbeat = 2 * core.options.heartbeatTicks - heartbeatElapsed;",
    killers: [PAPER],
  },
  {
    name: "vote-cleared-in-the-same-term",
    bug: "the vote is cleared when stepping down within the same term",
    file: "src/raft/core.ts",
    find: "if (term > this.#term) {",
    replace: "if (term >= this.#term) {",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "old-vote-counted",
    bug: "a vote from an older term is counted",
    file: "src/raft/raft.ts",
    find: "if (message.term === core.term) return true;",
    replace: `if (message.term === core.term) return true;
  if (message.type === "voteReply" && message.term < core.term) return true;`,
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "vote-in-a-second-write",
    bug: "term and vote are persisted in two writes, the vote's own after it was told",
    file: "src/raft/raft.ts",
    find: "return isSame ? null : { term, vote };",
    replace:
      "return isSame ? null : { term, vote: term > this.#handedHardState.term ? null : vote };",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "vote-told-before-it-is-durable",
    bug: "term and vote are persisted after the reply",
    file: "src/raft/core.ts",
    find: "(this.isHardStateDurable() && dependsOnIndex <= this.log.durableIndex())",
    replace: "dependsOnIndex <= this.log.durableIndex()",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "minority-elects",
    bug: "half of the members count as a majority",
    file: "src/raft/quorum.ts",
    find: "return Math.floor(voterCount / 2) + 1;",
    replace: "return Math.ceil(voterCount / 2 + 0.5) - 1 || 1;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "longer-log-wins-over-newer",
    bug: "a candidate with a longer log of older terms is voted for (Raft paper §5.4.1)",
    file: "src/raft/log.ts",
    find: "lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.#lastIndex)",
    replace: "lastTerm > ownTerm || lastIndex >= this.#lastIndex",
    killers: ["src/raft/log_test.ts", PAPER, CHAOS],
  },
  {
    name: "returning-node-deposes-leader",
    bug: "a node cut off for long comes back and deposes a healthy leader: pre-votes are granted " +
      "while the leader is alive",
    file: "src/raft/raft.ts",
    find: "if (core.isLeaderAlive() && !message.isTransfer) return false;",
    replace:
      `if (message.type === "vote" && core.isLeaderAlive() && !message.isTransfer) return false;`,
    killers: [PAPER, SCRIPT, CHAOS],
    simulation: true,
  },
  {
    name: "leader-without-majority-stays",
    bug: "a cut-off leader never steps down",
    file: "src/raft/leader.ts",
    find: `if (core.role === "leader" && !hasActiveMajority(core))`,
    replace: `if (core.role === "leader" && core.quorum < 1 && !hasActiveMajority(core))`,
    killers: [PAPER, SCRIPT, CLUSTER],
    simulation: true,
  },
  {
    name: "higher-term-unable-to-return",
    bug: "a node that has reached a higher term alone is never heard again",
    file: "src/raft/raft.ts",
    find: "if (!isFromLeader(message)) return;",
    replace: "if (!isFromLeader(message) || core.term > 0) return;",
    killers: [PAPER, SCRIPT, CHAOS],
  },
  {
    name: "lost-vote-request-not-repeated",
    bug: "an election stands still when a request for a vote is lost",
    file: "src/raft/election.ts",
    find: "if (core.votes.has(core.id)) requestVotes(core, type, term);",
    replace: "if (core.votes.size > core.quorum) requestVotes(core, type, term);",
    killers: [PAPER, SCRIPT, CHAOS],
  },
];
