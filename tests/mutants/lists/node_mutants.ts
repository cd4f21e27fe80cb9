import type { Mutant } from "../mutant.ts";

const CLUSTER = "src/node/node_test.ts";
const READS = "src/node/read_queue_test.ts";

/** The driver: how requests become entries, and entries replies. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: "sent-before-persisted",
    bug: "messages that depend on a write leave before it is durable",
    file: "src/node/node.ts",
    find: "for (const message of ready.messages) this.#send(message);",
    replace: `for (const message of [...ready.messages, ...ready.messagesAfterPersist]) {
      this.#send(message);
    }`,
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "unknown-told-as-not-executed",
    bug: "a write that committed is answered as not executed, and the client does it again",
    file: "src/node/proposals.ts",
    find: "request.settle(request.isWrite ? OUTCOME_UNKNOWN : LEADER_CHANGED);",
    replace:
      "request.settle(request.isWrite && requests.length < 0 ? OUTCOME_UNKNOWN : LEADER_CHANGED);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "lost-proposal-takes-another-entry",
    bug: "a reply goes to the wrong client: the entry of the next leader at the same index decides",
    file: "src/node/proposals.ts",
    find: "if (proposal.index >= entry.index && proposal.term < entry.term) {",
    replace: `if (proposal.index === entry.index) {
        this.#dropHead();
        return proposal;
      } else if (proposal.index > entry.index && proposal.term < entry.term) {`,
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-overtakes-own-write",
    bug: "program order: a read is asked before the write that was sent before it",
    file: "src/node/node.ts",
    find: "if (this.#isLeader && request.client.openWrites > 0) this.#proposals.addRider(request);",
    replace:
      "if (this.#isLeader && request.client.openWrites > 1) this.#proposals.addRider(request);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "rider-does-not-wait-for-its-write",
    bug:
      "program order: a read behind a proposed write waits only for what was committed before it",
    file: "src/node/node.ts",
    find: "this.#await(riders, this.#proposals.lastIndexIn(term));",
    replace: "this.#await(riders, this.#proposals.lastIndexIn(-1));",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-sees-later-write",
    bug:
      "program order: a read that waits for its confirmation sees a later write of its connection",
    file: "src/node/applier.ts",
    find: "reads.takeBefore(proposal.sequence)",
    replace: "reads.takeBefore(proposal.sequence - 1)",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-answered-before-what-it-follows",
    bug: "a read that came after a proposal is answered from the state before it",
    file: "src/node/read_queue.ts",
    find: "batch.afterProposal < proposalSequence",
    replace: "batch.afterProposal <= proposalSequence",
    killers: [READS, CLUSTER],
    simulation: true,
  },
  {
    name: "read-from-an-old-state",
    bug: "a follower answers a confirmed read before it has applied what the leader told it",
    file: "src/node/read_queue.ts",
    find: "batch.index !== null && batch.index <= appliedIndex",
    replace: "batch.index !== null && appliedIndex > 0",
    killers: [READS, CLUSTER],
    simulation: true,
  },
  {
    name: "later-read-confirmed-by-earlier-round",
    bug: "the confirmation of one round of reads counts for those that came after it began",
    file: "src/node/read_queue.ts",
    find: "if (batch.readId <= readId && batch.index === null) {",
    replace: "if (batch.readId <= readId + 1_000 && batch.index === null) {",
    killers: [READS, CLUSTER],
    simulation: true,
  },
  {
    name: "write-judged-by-the-leaders-clock",
    bug:
      "a key is expired on one node and alive on another: the leader takes deadlines from its own " +
      "clock when it applies",
    file: "src/node/applier.ts",
    find: "const nowMs = request.isWrite ? machine.timeMs :",
    replace: "const nowMs = request.isWrite && request.args.length === 0 ? machine.timeMs :",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "key-ends-by-a-nodes-own-clock",
    bug: "a key is expired on one node and alive on another: a read removes what is over by the " +
      "clock of the node that answers it",
    file: "src/node/applier.ts",
    find: "const { command, args } = request;\n",
    replace: `const { command, args } = request;
    machine.keyspace.advanceTime(nowMs);
`,
    killers: ["src/node/applier_test.ts"],
    simulation: true,
  },
  {
    name: "keys-live-on-in-an-idle-cluster",
    bug: "keys do not expire while nothing is written",
    file: "src/node/log_time.ts",
    find: "this.#passIfDue(0);",
    replace: "this.#passIfDue(Infinity);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "follower-skips-the-time",
    bug: "a key is expired on one node and alive on another: only writes move a follower's time",
    file: "src/node/applier.ts",
    find: "machine.advanceTime(data.timeMs);",
    replace: "if (data.commands.length > 0) machine.advanceTime(data.timeMs);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "writes-left-in-silence",
    bug: "a write collected when leadership ended is never answered",
    file: "src/node/node.ts",
    find: "if (hasSteppedDown) this.#steppedDown(isHandingOver);",
    replace: "if (hasSteppedDown && term === 0) this.#steppedDown(isHandingOver);",
    killers: [CLUSTER],
  },
  {
    name: "in-flight-without-a-bound",
    bug: "writes that wait for a majority take memory without a bound",
    file: "src/node/node.ts",
    find: "this.#proposals.bytes > this.#options.inFlightBytesMax",
    replace: "this.#proposals.bytes > this.#options.inFlightBytesMax * 1e9",
    killers: [CLUSTER],
  },
  {
    name: "lost-read-question-not-repeated",
    bug:
      "a spurious no-leader answer in a healthy cluster: the lost answer to one question is waited for",
    file: "src/node/read_asker.ts",
    find: "nowMs - this.#askedMs > 2 * heartbeatMs",
    replace: "nowMs - this.#askedMs > 1e9 * heartbeatMs",
    killers: [CLUSTER],
  },
  {
    name: "late-loop-counts-every-tick",
    bug: "an event loop that was late starts an election before it has read what the leader sent",
    file: "src/node/ticker.ts",
    find: "Math.min(passed, SLEEP_TICKS_MAX)",
    replace: "Math.max(passed, SLEEP_TICKS_MAX)",
    killers: ["src/node/ticker_test.ts"],
  },
  {
    name: "sleep-counted-after-message",
    bug: "the time that a node slept before a heartbeat counts as silence after it",
    file: "src/node/node.ts",
    find: `    this.#ticker.catchUp();
    this.#raft.step(message);`,
    replace: `    this.#raft.step(message);`,
    killers: [CLUSTER],
  },
  {
    name: "put-off-and-forgotten",
    bug: "committed entries that were to be applied later are replaced by those after them",
    file: "src/node/ready_writer.ts",
    find: `this.#write(ready);
    this.apply();`,
    replace: "this.#write(ready);",
    killers: ["src/node/ready_writer_test.ts"],
    simulation: true,
  },
  {
    name: "read-waits-for-what-was-lost",
    bug: "a read waits for an entry that was lost with its node's leadership, until it is refused",
    file: "src/node/node.ts",
    find: "this.#reads.forgetConfirmations();",
    replace: "if (this.#isLeader) this.#reads.forgetConfirmations();",
    killers: [CLUSTER],
  },
];
