import type { Mutant } from "../mutant.ts";

const CLUSTER = "src/node/node_test.ts";
const READS = "src/node/clients/reads_test.ts";

/** The driver: how requests become entries, and entries become replies. */
export const nodeMutants: readonly Mutant[] = [
  {
    name: "sent-before-persisted",
    bug: "messages that depend on a write are sent before it is durable",
    file: "src/node/node.ts",
    find: "for (const message of ready.messages) this.#peers?.send(message);",
    replace: `for (const message of [...ready.messages, ...ready.messagesAfterPersist]) {
      this.#peers?.send(message);
    }`,
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "unknown-told-as-not-executed",
    bug: "a committed write is answered as not executed, and the client repeats it",
    file: "src/node/clients/proposals.ts",
    find: "request.settle(request.isWrite ? reply : LEADER_CHANGED);",
    replace: "request.settle(request.isWrite && requests.length < 0 ? reply : LEADER_CHANGED);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "lost-proposal-takes-another-entry",
    bug: "a reply goes to the wrong client: the entry of the next leader at the same index decides",
    file: "src/node/clients/proposals.ts",
    find: "if (isOlder || (proposal.index === entry.index && proposal.term !== entry.term)) {",
    replace: `if (proposal.index === entry.index) {
        this.#dropHead();
        return proposal;
      } else if (isOlder) {`,
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "older-entry-in-a-proposal's-place",
    bug: "a node dies, or answers OK, when an entry of an older term has replaced its proposal",
    file: "src/node/clients/proposals.ts",
    find: "if (isOlder || (proposal.index === entry.index && proposal.term !== entry.term)) {",
    replace: "if (isOlder) {",
    killers: ["src/node/clients/proposals_test.ts"],
  },
  {
    name: "read-overtakes-own-write",
    bug: "program order: a read index is requested before the write that was sent before the read",
    file: "src/node/clients/client_requests.ts",
    find: "if (this.#isLeader && request.client.openWrites > 0) {",
    replace: "if (this.#isLeader && request.client.openWrites > 1) {",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-after-write-does-not-wait-for-it",
    bug: "program order: a read after a proposed write waits only for entries committed before it",
    file: "src/node/clients/client_requests.ts",
    find: "this.#await(reads, this.#proposals.lastIndexIn(term));",
    replace: "this.#await(reads, this.#proposals.lastIndexIn(-1));",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-sees-later-write",
    bug:
      "program order: a read that waits for its confirmation sees a later write of its connection",
    file: "src/node/clients/applier.ts",
    find: "reads.takeBefore(proposal.sequence)",
    replace: "reads.takeBefore(proposal.sequence - 1)",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "read-answered-before-what-it-follows",
    bug: "a read that came after a proposal is answered from the state before it",
    file: "src/node/clients/reads.ts",
    find: "batch.afterProposal < proposalSequence",
    replace: "batch.afterProposal <= proposalSequence",
    killers: [READS, CLUSTER],
    simulation: true,
  },
  {
    name: "read-from-an-old-state",
    bug:
      "a follower answers a confirmed read before it has applied the entries that the leader named",
    file: "src/node/clients/reads.ts",
    find: "batch.index !== null && batch.index <= appliedIndex",
    replace: "batch.index !== null && appliedIndex > 0",
    killers: [READS, CLUSTER],
    simulation: true,
  },
  {
    name: "later-read-confirmed-by-earlier-round",
    bug: "the confirmation of one round of reads counts for those that came after it began",
    file: "src/node/clients/reads.ts",
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
    file: "src/node/clients/applier.ts",
    find: "const nowMs = request.isWrite ? machine.timeMs :",
    replace: "const nowMs = request.isWrite && request.args.length === 0 ? machine.timeMs :",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "key-ends-by-a-nodes-own-clock",
    bug: "a key is expired on one node and alive on another: a read removes what is over by the " +
      "clock of the node that answers it",
    file: "src/node/clients/applier.ts",
    find: "const begun = machine.begin(request.command, request.args, nowMs, random);",
    replace: `machine.keyspace.advanceTime(nowMs);
    const begun = machine.begin(request.command, request.args, nowMs, random);`,
    killers: ["src/node/clients/applier_test.ts"],
    simulation: true,
  },
  {
    name: "keys-live-on-in-an-idle-cluster",
    bug: "keys do not expire while nothing is written",
    file: "src/node/time/log_time.ts",
    find: "this.#passIfDue(0);",
    replace: "this.#passIfDue(Infinity);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "follower-skips-the-time",
    bug: "a key is expired on one node and alive on another: only writes advance a follower's time",
    file: "src/node/clients/applier.ts",
    find: "machine.advanceTime(timeMs);",
    replace: "if (requests !== null || commands.length > 0) machine.advanceTime(timeMs);",
    killers: [CLUSTER],
    simulation: true,
  },
  {
    name: "final-state-skips-the-time",
    bug: "a new cluster from a survivor's directory has keys that had expired there",
    file: "src/node/clients/applier.ts",
    find: "machine.advanceTime(data.timeMs);",
    replace: "if (data.commands.length > 0) machine.advanceTime(data.timeMs);",
    killers: ["src/cli/offline/survivor_test.ts"],
  },
  {
    name: "writes-left-in-silence",
    bug: "a write that was batched when leadership ended is never answered",
    file: "src/node/node.ts",
    find: "if (hasSteppedDown) this.#endLeadership(isHandingOver);",
    replace: "if (hasSteppedDown && term === 0) this.#endLeadership(isHandingOver);",
    killers: [CLUSTER],
  },
  {
    name: "in-flight-without-a-bound",
    bug: "writes that wait for a majority take memory without a bound",
    file: "src/node/clients/client_requests.ts",
    find: "this.#proposals.bytes > this.#options.inFlightBytesMax",
    replace: "this.#proposals.bytes > this.#options.inFlightBytesMax * 1e9",
    killers: [CLUSTER],
  },
  {
    name: "lost-read-question-not-repeated",
    bug:
      "a spurious no-leader answer in a healthy cluster: the lost answer to one question is waited for",
    file: "src/node/clients/reads.ts",
    find: "nowMs - this.#askedMs > 2 * heartbeatMs",
    replace: "nowMs - this.#askedMs > 1e9 * heartbeatMs",
    killers: [CLUSTER],
  },
  {
    name: "late-loop-counts-every-tick",
    bug: "a late event loop starts an election before it has read the leader's messages",
    file: "src/node/ticker.ts",
    find: "Math.min(passed, SLEEP_TICKS_MAX)",
    replace: "Math.max(passed, SLEEP_TICKS_MAX)",
    killers: ["src/node/ticker_test.ts"],
  },
  {
    name: "sleep-counted-after-message",
    bug: "the time that a node was suspended before a heartbeat counts as silence after it",
    file: "src/node/node.ts",
    find: `    this.#ticker.catchUp();
    this.#raft.step(message);`,
    replace: `    this.#raft.step(message);`,
    killers: [CLUSTER],
  },
  {
    name: "put-off-and-forgotten",
    bug: "committed entries that are queued for applying are replaced by those after them",
    file: "src/node/ready_runner.ts",
    find: `this.#write(ready);
    this.apply();`,
    replace: "this.#write(ready);",
    killers: ["src/node/ready_runner_test.ts"],
    simulation: true,
  },
  {
    name: "read-waits-for-what-was-lost",
    bug: "a read waits for an entry that was lost with its node's leadership, until it times out",
    file: "src/node/clients/client_requests.ts",
    find: "this.#reads.forgetConfirmations();",
    replace: "if (this.#isLeader) this.#reads.forgetConfirmations();",
    killers: [CLUSTER],
  },
  {
    name: "thousands-of-proposals-lose-one",
    bug: "beyond a thousand proposals in flight, one write in a thousand is never answered",
    file: "src/node/clients/proposals.ts",
    find: "this.#proposed = this.#proposed.slice(this.#head);",
    replace: "this.#proposed = this.#proposed.slice(this.#head + 1);",
    killers: ["src/node/clients/proposals_test.ts"],
  },
  {
    name: "waiters-forgotten-at-the-end",
    bug: "clients that wait for replicas when a node stops get no answer",
    file: "src/node/clients/client_requests.ts",
    find: `this.#reads.refuseAll(() => STOPPING);
    this.#checkWaiters(false);`,
    replace: "this.#reads.refuseAll(() => STOPPING);",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "requests-after-the-end-hang",
    bug: "a request that arrives after the node has stopped is never answered",
    file: "src/node/clients/client_requests.ts",
    find: "if (this.#isStopped) return request.sink.settle(STOPPING);",
    replace: "if (this.#isStopped) return;",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "handed-over-writes-hang-at-the-end",
    bug: "writes that wait for a successor get no answer when the node stops",
    file: "src/node/clients/client_requests.ts",
    find: "for (const request of this.#handover.takeAll()) request.settle(STOPPING);",
    replace: "",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "reads-among-lost-writes-asked-again",
    bug: "a read between two writes of its client is sent to the next leader, which has neither",
    file: "src/node/clients/client_requests.ts",
    find: "for (const request of this.#reads.takeWhere(hasWrites)) request.settle(LEADER_CHANGED);",
    replace: "void hasWrites;",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "long-turn-is-the-last",
    bug: "a node with too much work for one turn does nothing any more",
    file: "src/node/node.ts",
    find: `        this.#clock.after(0, this.#runTurn);
        break;`,
    replace: "        break;",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "committed-behind-a-long-entry-is-lost",
    bug: "entries committed while a long entry is applied replace those that waited before",
    file: "src/node/ready_runner.ts",
    find: "this.#unapplied = [...this.#unapplied, ...ready.committed];",
    replace: "this.#unapplied = ready.committed;",
    killers: ["src/node/ready_runner_test.ts"],
  },
  {
    name: "leader-sends-writes-to-itself",
    bug:
      "writes that waited for a successor without success are sent to the node that refuses them",
    file: "src/node/clients/client_requests.ts",
    find: `request.settle(this.#isLeader ? LEADER_CHANGED : this.redirect(slotOf(request)));
    }
  }`,
    replace: `request.settle(this.redirect(slotOf(request)));
    }
  }`,
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "rest-is-the-last",
    bug: "a node whose turn has used up its budget does nothing until its next input",
    file: "src/node/ticker.ts",
    find: "      this.#wake();",
    replace: "      if (this.#isLeft) this.#wake();",
    killers: ["src/node/node_end_test.ts"],
  },
  {
    name: "entries-behind-a-snapshot-forgotten",
    bug: "what is committed behind a snapshot while it is installed is never applied",
    file: "src/node/ready_runner.ts",
    find: "this.#unapplied = this.#unapplied.filter(({ index }) => index > at.index);",
    replace: "this.#unapplied = this.#unapplied.filter(({ index }) => index > at.index + 1);",
    killers: ["src/node/ready_runner_test.ts"],
  },
  {
    name: "version-forgotten-offline",
    bug: "a state that is built from a log offline stays at its old version",
    file: "src/node/clients/applier.ts",
    find: "if (data.machineVersion !== null) machine.advanceVersion(data.machineVersion);\n  for",
    replace: "for",
    killers: ["src/node/clients/applier_test.ts"],
  },
  {
    name: "queue-without-open-writes",
    bug: "the number of requests that a node reports lacks the writes that are being collected",
    file: "src/node/clients/proposals.ts",
    find: "sum + requests.length, this.#open.length)",
    replace: "sum + requests.length, 0)",
    killers: ["src/node/node_test.ts"],
  },
  {
    name: "queue-without-reads-in-flight",
    bug: "the number of requests that a node reports lacks the reads whose round has started",
    file: "src/node/clients/reads.ts",
    find: "(sum, { requests }) => sum + requests.length, this",
    replace: "(sum, { requests }) => sum + 0 * requests.length, this",
    killers: ["src/node/node_test.ts"],
  },
];
