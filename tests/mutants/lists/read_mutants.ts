import type { Mutant } from "../mutant.ts";

const CHAOS = "src/raft/chaos_test.ts";
const PAPER = "src/raft/raft_paper_test.ts";
const CLUSTER = "src/node/node_test.ts";
const SCRIPT = "src/raft/script_test.ts";

/** Reads in the core. */
export const readMutants: readonly Mutant[] = [
  {
    name: "read-without-quorum",
    bug: "a cut-off leader serves stale reads: one answer to a round of heartbeats is enough",
    file: "src/raft/leader.ts",
    find: "const round = reachedByVoters(state, reads.round, (peer) => peer.ackedRound);",
    replace:
      `const acked = [...leadershipOf(state).progress.values()].map((peer) => peer.ackedRound);
  const round = acked.length === 0 ? reads.round : Math.max(...acked);`,
    killers: [SCRIPT],
  },
  {
    name: "read-before-no-op",
    bug: "reads are served before the new leader's no-op is committed",
    file: "src/raft/state.ts",
    find: "return state.log.term(state.log.commitIndex()) === state.term;",
    replace: "return state.log.term(state.log.commitIndex()) <= state.term;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "read-by-lease",
    bug: "lease reads: a leader answers by itself for as long as it has not stepped down",
    file: "src/raft/leader.ts",
    find:
      "if (index !== null && isMajorityWith(state, from)) state.answerRead(from, readId, index);",
    replace:
      "if (index !== null && (from === state.id || isMajorityWith(state, from))) state.answerRead(from, readId, index);",
    killers: [CLUSTER, PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "asker-outvotes-the-majority",
    bug: "a follower's question counts as a majority's answer in a cluster of any size",
    file: "src/raft/leader.ts",
    find: "return reachedByVoters(state, 1, (peer) => peer === other ? 1 : 0) === 1;",
    replace: "return other !== undefined || state.quorum === 1;",
    killers: [SCRIPT],
  },
  {
    name: "round-asks-too-few",
    bug: "a round of confirmation goes to fewer voters than can confirm it",
    file: "src/raft/leader.ts",
    find: "return voters.slice(0, state.quorum - (state.isVoter(state.id) ? 1 : 0));",
    replace: "return voters.slice(0, state.quorum - (state.isVoter(state.id) ? 2 : 1));",
    killers: [SCRIPT],
  },
  {
    name: "late-round-goes-to-nobody-else",
    bug: "a voter that is away delays reads until the next heartbeats",
    file: "src/raft/leader.ts",
    find: "const isAsked = isRoundLate && peer.askedRound < leadership.reads.round;",
    replace: "const isAsked = isRoundLate && peer.askedRound > leadership.reads.round;",
    killers: [SCRIPT],
  },
  {
    name: "read-joins-a-round-under-way",
    bug: "a read is confirmed by heartbeats that were sent before it arrived",
    file: "src/raft/reads.ts",
    find: "else this.#fresh.push({ ...read, index: commitIndex });",
    replace: `else if (this.#rounds.length > 0) {
      const reads = [{ ...read, index: commitIndex }];
      this.#rounds.push({ round: this.#round, reads, openedTick: 0 });
    } else this.#fresh.push({ ...read, index: commitIndex });`,
    killers: [PAPER, CHAOS],
  },
  {
    name: "late-read-answer-after-restart",
    bug: "the answer to a read from before a restart is taken for the answer to a newer one",
    file: "src/raft/reads.ts",
    find: "randomInteger(random, 2 ** 32) * 2 ** 20",
    replace: "randomInteger(random, 1)",
    killers: [PAPER],
  },
  {
    name: "late-read-answer-of-an-older-term",
    bug: "a ReadIndex answer outlives a change of leader: one of an older term is taken",
    file: "src/raft/raft.ts",
    find: "if (message.term === state.term) return true;",
    replace: `if (message.term === state.term) return true;
  if (message.type === "readIndexReply" && message.term < state.term) return true;`,
    killers: [PAPER],
    harmless: "every question is forgotten when its leader's term ends; and an index that a " +
      "confirmed leader gave after a read came in is right for that read for ever",
  },
  {
    name: "read-outlives-its-leader",
    bug:
      "a ReadIndex answer outlives a change of leader: requests to the old leader are not given up",
    file: "src/raft/state.ts",
    find: "for (const readId of this.forwardedReads.giveUp()) this.refusedReads.push(readId);",
    replace: "for (const readId of this.forwardedReads.giveUp(-1)) this.refusedReads.push(readId);",
    killers: [PAPER, CHAOS],
  },
  {
    name: "old-round-answer-confirms",
    bug: "any answer to a heartbeat confirms all reads, also one to an older round",
    file: "src/raft/leader.ts",
    find: "peer.ackedRound = reply.round;",
    replace: "peer.ackedRound = reads.round;",
    killers: [PAPER, CHAOS],
    simulation: true,
  },
  {
    name: "reads-not-confirmed-by-fewer",
    bug: "reads wait for voters that a membership change has just removed",
    file: "src/raft/leader.ts",
    find: "confirmReads(state); // fewer voters need",
    replace: "// fewer voters need",
    killers: ["src/raft/membership_test.ts"],
  },
  {
    name: "reads-wait-twice",
    bug: "a read that waits for its round to begin waits its whole time again when it has begun",
    file: "src/node/clients/reads.ts",
    find: "while (isOld(this.#open[0])) taken.push(this.#open.shift() as Request);",
    replace: "",
    killers: ["src/node/clients/reads_test.ts", "src/node/node_test.ts"],
  },
  {
    name: "writes-wait-for-ever",
    bug: "a leader that cannot commit never answers its writers",
    file: "src/node/clients/client_requests.ts",
    find:
      "this.#proposals.giveUp(tooOldMs, this.#isLeader ? WRITE_NOT_CONFIRMED : OUTCOME_UNKNOWN);",
    replace: `const sinceMs = this.#isLeader ? -Infinity : tooOldMs;
    this.#proposals.giveUp(sinceMs, this.#isLeader ? WRITE_NOT_CONFIRMED : OUTCOME_UNKNOWN);`,
    killers: ["src/node/node_test.ts"],
  },
  {
    name: "open-writes-wait-for-ever",
    bug: "a leader that cannot commit never answers writers whose turn does not come",
    file: "src/node/clients/client_requests.ts",
    find: "this.#proposals.takeOpenOlderThan(tooOldMs)",
    replace: "this.#proposals.takeOpenOlderThan(-Infinity)",
    killers: ["src/node/node_test.ts"],
  },
];
