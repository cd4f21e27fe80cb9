import type { Mutant } from "../mutant.ts";

/** Answers that come too late, or never: the simulation knows from the flags when they are due. */
export const answerMutants: readonly Mutant[] = [
  {
    name: "read-without-quorum-waits-twice",
    bug: "a node that finds no quorum keeps a read for twice --wait-ms",
    file: "src/node/clients/reads.ts",
    find: "reads.takeOlderThan(nowMs - waitMs)",
    replace: "reads.takeOlderThan(nowMs - 2 * waitMs)",
    killers: [],
    simulation: true,
  },
  {
    name: "removed-node-forgets-the-answer",
    bug: "a write that reaches a node after its removal is dropped, and its client waits for ever",
    file: "src/node/clients/client_requests.ts",
    find: `    } else if (this.#isRemoved && !this.#isLeader) {
      return request.sink.settle(this.redirect(slotOf(request)));`,
    replace: `    } else if (this.#isRemoved && !this.#isLeader) {
      if (request.isWrite) return;
      return request.sink.settle(this.redirect(slotOf(request)));`,
    killers: [],
    simulation: true,
  },
  {
    name: "refusal-is-never-sent",
    bug: "a node that knows no leader drops a write instead of refusing it",
    file: "src/node/clients/client_requests.ts",
    find: `    } else if (!this.#isLeader) {
      return request.sink.settle(this.redirect(slotOf(request)));`,
    replace: `    } else if (!this.#isLeader) {
      if (this.#leaderId === null) return;
      return request.sink.settle(this.redirect(slotOf(request)));`,
    killers: [],
    simulation: true,
  },
  {
    name: "unbegun-write-waits-for-ever",
    bug: "a deposed leader drops the writes that it had accepted and not put into its log",
    file: "src/node/clients/client_requests.ts",
    find: "request.settle(request.isWrite ? this.redirect(slotOf(request)) : LEADER_CHANGED);",
    replace: "if (!request.isWrite) request.settle(LEADER_CHANGED);",
    killers: [],
    simulation: true,
  },
  {
    name: "proxy-holds-for-ever",
    bug: "a proxy keeps requests that no node can take for longer than --hold-ms-max",
    file: "src/proxy/hold_queue.ts",
    find: "if (heldMs <= this.#limits.holdMsMax) break;",
    replace: "if (heldMs >= 0) break;",
    killers: [],
    simulation: true,
  },
  {
    name: "handed-over-beyond-the-wait",
    bug:
      "a write that waits for the next leader is kept longer than --wait-ms if elections take longer",
    file: "src/node/clients/client_requests.ts",
    find: "const taken = this.#requests.filter((request) => request.sinceMs <= sinceMs);",
    replace: "const taken = this.#requests.filter((request) => request.sinceMs <= sinceMs - 1e9);",
    killers: ["src/node/node_test.ts"],
    simulation: true,
    firstSeed: 919216578,
  },
  {
    name: "handed-over-refused-at-once",
    bug:
      "a write that waits for the next leader is refused at the next heartbeat, before its time is over",
    file: "src/node/clients/client_requests.ts",
    find: "this.#handover.takeOlderThan(tooOldMs)",
    replace: "this.#handover.takeOlderThan(nowMs)",
    killers: ["src/node/node_test.ts"],
  },
  {
    name: "read-behind-a-write-given-up-on",
    bug: "a read sees a later write of its own connection after an earlier write was given up",
    file: "src/node/clients/proposals.ts",
    find: "if (proposal.requests.length > 0) this.#pacer.noteAnswers(proposal.requests);",
    replace: `if (proposal.requests.length === 0) return null;
        this.#pacer.noteAnswers(proposal.requests);`,
    killers: ["src/node/clients/applier_test.ts"],
  },
  {
    name: "read-behind-a-snapshot",
    bug: "a read sees a later write of its own connection that a snapshot brought",
    file: "src/node/clients/applier.ts",
    find: "reads.takeBefore(lastCovered)",
    replace: "reads.takeBefore(lastCovered - lastCovered)",
    killers: ["src/node/clients/applier_test.ts"],
  },
  {
    name: "handler-of-both-kinds",
    bug: "a handler of decoded requests that can forward as well is never asked to serve one",
    file: "src/server/listener.ts",
    find: `"handle" in handler !== "forward" in handler,`,
    replace: `"handle" in handler || "forward" in handler,`,
    killers: ["src/server/listener_test.ts"],
  },
  {
    name: "request-that-no-handler-takes",
    bug: "a client hangs, since its request is of a kind that the handler does not take",
    file: "src/server/listener.ts",
    find: `assert(!frontend.isForwarding, "the handler takes requests as text only");`,
    replace: "if (frontend.isForwarding) return;",
    killers: ["src/server/listener_test.ts"],
  },
  {
    name: "end-of-a-client-ends-the-process",
    bug: "an exception after a client has disconnected ends the process",
    file: "src/server/listener.ts",
    find: `} catch (error) {
      this.logFailure(connection, error);
    }`,
    replace: `} catch (error) {
      throw error;
    }`,
    killers: ["src/server/listener_faults_test.ts"],
  },
  {
    name: "reply-that-cannot-be-sent-ends-the-process",
    bug: "one reply that cannot be encoded ends the process",
    file: "src/server/connection.ts",
    find: `this.#flush();
    } catch (error) {
      this.fail(error);`,
    replace: `this.#flush();
    } catch (error) {
      throw error;`,
    killers: ["src/server/listener_faults_test.ts"],
  },
  {
    name: "endless-sender-fills-the-memory",
    bug: "a client that waits without a limit and keeps sending fills the memory",
    file: "src/server/connection.ts",
    find: "if (this.#decoder.pendingBytes <= PROBED_BYTES_MAX) return;",
    replace: "if (this.#decoder.pendingBytes <= 1_000 * PROBED_BYTES_MAX) return;",
    killers: ["src/server/listener_faults_test.ts"],
  },
  {
    name: "client-that-has-read-all-is-cut-off",
    bug: "a client is disconnected though it has read everything that was buffered",
    file: "src/server/reply_output.ts",
    find: "if (!this.#isBehind) return;",
    replace: "",
    killers: ["src/server/listener_faults_test.ts"],
  },
  {
    name: "pause-forgotten-by-the-node",
    bug: "writes go on during CLIENT PAUSE",
    file: "src/server/dispatcher.ts",
    find: "if (this.pause.isOn && this.#isHeld(connection, request, reply, isWrite)) return;",
    replace: "if (isWrite && connection.id < 0 && this.pause.isOn) return;",
    killers: ["src/server/node_frontend_test.ts"],
  },
  {
    name: "transaction-executed-in-parts-by-the-node",
    bug: "commands between MULTI and EXEC are executed one by one",
    file: "src/server/dispatcher.ts",
    find: `if (refusal !== null) return reply.settle(refusal);
    }`,
    replace: `if (refusal !== null && command.kind === "local") return reply.settle(refusal);
    }`,
    killers: ["src/server/node_frontend_test.ts"],
  },
  {
    name: "wait-at-a-follower-counts-nobody",
    bug:
      "WAIT at a follower returns a number of replicas instead of an error that names the leader",
    file: "src/server/node_frontend.ts",
    find: `const refusal = this.#node.refusal(0);
    if (refusal !== null) return reply.settle(refusal);
    reply.waitUnbounded(`,
    replace: `const refusal = this.#node.refusal(0);
    if (refusal !== null && replicas < 0) return reply.settle(refusal);
    reply.waitUnbounded(`,
    killers: ["src/server/node_frontend_test.ts"],
  },
  {
    name: "backup-hangs-when-its-node-stops",
    bug: "a client that waits for a snapshot gets no answer when the node stops",
    file: "src/node/snapshots/snapshot_exports.ts",
    find: `one.refuse("it is stopping");`,
    replace: "one.end();",
    killers: ["src/node/snapshots/snapshot_exports_test.ts"],
  },
  {
    name: "failing-backup-ends-the-node",
    bug: "an exception after a piece of a backup was read ends the node, with all its clients",
    file: "src/server/snapshot_commands.ts",
    find: "(read) => reply.guard(() => done(read))",
    replace: "(read) => done(read)",
    killers: ["src/server/snapshot_commands_test.ts"],
  },
  {
    name: "damaged-backup-stays-held",
    bug: "backups that found a damaged file use up the slots of all others",
    file: "src/server/snapshot_commands.ts",
    find: `this.#forget(connection, id);
      held.end();
      reply.settle(new ErrorReply(\`ERR \${messageOf(read)}\`));`,
    replace: `this.#forget(connection, id);
      reply.settle(new ErrorReply(\`ERR \${messageOf(read)}\`));`,
    killers: ["src/server/snapshot_commands_test.ts"],
  },
  {
    name: "config-get-of-any-pattern",
    bug: "a pattern of 8 MiB keeps a node busy for seconds, and its followers elect another leader",
    file: "src/commands/server_rows.ts",
    find: "if (bytes > PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;",
    replace: "if (bytes > 1e6 * PATTERN_BYTES_MAX) throw PATTERN_TOO_LONG;",
    killers: ["src/server/node_frontend_test.ts"],
  },
];
