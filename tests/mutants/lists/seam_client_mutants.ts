import type { Mutant } from "../mutant.ts";

/** Where clients, the proxy and nodes meet. The author had not seen the tests. */
export const seamClientMutants: readonly Mutant[] = [
  {
    name: "seam-lost-session-stays-in-use",
    bug:
      "a session that the nodes have forgotten still stamps writes: each is refused, stamped with the same session and refused again",
    file: "src/proxy/write_sessions.ts",
    find: `if (this.#current === session) this.#current = null;
    this.maintain`,
    replace: `if (this.#next === session) this.#current = null;
    this.maintain`,
    killers: ["src/proxy/exactly_once_test.ts"],
  },
  {
    name: "seam-draining-session-closed-early",
    bug:
      "a session that is being drained is closed when its first write ends: the others have lost their stamps when they are retried",
    file: "src/proxy/write_sessions.ts",
    find: "if (this.#draining.has(session) && session.isDrained) this.#close(session);",
    replace: "if (this.#draining.delete(session)) this.#close(session);",
    killers: ["src/proxy/exactly_once_test.ts"],
  },
  {
    name: "seam-stamp-acknowledges-all-before-it",
    bug:
      "a stamp acknowledges all serials before it: a write that is retried after another one is refused as forgotten",
    file: "src/proxy/write_sessions.ts",
    find: "`${serial}/${this.#acked}`",
    replace: "`${serial}/${serial - 1}`",
    killers: ["src/proxy/leased_session_test.ts"],
  },
  {
    name: "seam-refused-writes-count-as-uncertain",
    bug:
      "the leader has reported that it leads no more, and the connection ends: writes after that report, which nobody has executed, are answered as perhaps executed",
    file: "src/proxy/router.ts",
    find: `wasWritten && !upstream.executesNothingMore ? "maybe" : "no"`,
    replace: `wasWritten ? "maybe" : "no"`,
    killers: ["src/proxy/router_test.ts"],
  },
  {
    name: "seam-reads-taken-back-fill-the-window",
    bug:
      "reads that were moved elsewhere count for ever against the bytes in flight on their connection",
    file: "src/proxy/upstream.ts",
    find: `      taken.push({ request, wasWritten: i < writtenCount });
      this.#bytesInFlight -= request.bytes;`,
    replace: "      taken.push({ request, wasWritten: i < writtenCount });",
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-one-probe-proves-a-node-that-is-back",
    bug:
      "a node that was not readable needs one answer to the proxy's own read, which may have taken a catch-up, and that counts as its latency",
    file: "src/proxy/node_links.ts",
    find: `upstream.isHealthy = upstream.hasPassedProbe = false;
        if (isReadable)`,
    replace: `upstream.isHealthy = false;
        if (isReadable)`,
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-replaced-connection-takes-more",
    bug:
      "a node answers after a silence: clients with requests on the old connection, which may hang, still send theirs there",
    file: "src/proxy/node_links.ts",
    find: `upstream.replacedMs ??= nowMs;
      upstream.isDraining = true;`,
    replace: "upstream.replacedMs ??= nowMs;",
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-stale-connection-drops-a-write-among-reads",
    bug:
      "a replaced connection is given up although it has a write in flight that can be sent only once",
    file: "src/proxy/upstream_pool.ts",
    find: "return ![...upstream.requests()].some(isOnlyOnce);",
    replace: "return ![...upstream.requests()].every(isOnlyOnce);",
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-reads-at-a-node-without-a-leader-wait-for-ever",
    bug:
      "a node reports that it has no leader and keeps its reads: with no other node to ask, they are not given up after --hold-ms-max",
    file: "src/proxy/upstream_pool.ts",
    find: "const isHeld = fenceTerm === null && node.isResponsive && !node.isReadable;",
    replace: "const isHeld = fenceTerm !== null && node.isResponsive && !node.isReadable;",
    killers: ["src/proxy/hold_queue_test.ts"],
  },
  {
    name: "seam-each-attempt-begins-the-hold-time-anew",
    bug:
      "the time of a held request begins anew with each attempt: it is held for ever while the known leader cannot be reached",
    file: "src/proxy/hold_queue.ts",
    find: "if (this.holds(client) && client.first === first) client.heldSinceMs = heldSinceMs;",
    replace: "if (this.holds(client) && client.first !== first) client.heldSinceMs = heldSinceMs;",
    killers: ["src/proxy/hold_queue_test.ts"],
  },
  {
    name: "seam-repeated-request-begins-its-time-anew",
    bug: "the time of a request that was refused and is held again begins anew",
    file: "src/proxy/hold_queue.ts",
    find: "return request.firstSentMs ?? Math.max(request.sentMs, sinceMs);",
    replace: "return Math.max(request.firstSentMs ?? request.sentMs, sinceMs);",
    killers: ["src/proxy/hold_queue_test.ts"],
  },
  {
    name: "seam-ended-connection-holds-up-batches",
    bug:
      "a connection that ended with unsent requests counts for ever when reads are collected for a batch",
    file: "src/proxy/upstream.ts",
    find: `    this.#senders.delete(sender);
    this.flush();`,
    replace: `    if (sender.openCount > 0) this.#senders.delete(sender);
    this.flush();`,
    killers: ["src/proxy/batching_test.ts"],
  },
  {
    name: "seam-silence-of-all-makes-members-forgotten",
    bug: "for a moment no node answers: the proxy forgets all members but its seeds",
    file: "src/proxy/watcher.ts",
    find: "if (known.size > 0) this.#members = known;",
    replace: "this.#members = known;",
    killers: ["src/proxy/watchers_test.ts"],
  },
  {
    name: "seam-beginning-to-serve-is-no-news",
    bug:
      "a leader reports that it serves now, and nothing else of it changes: nothing is sent to it until something does",
    file: "src/proxy/topology.ts",
    find: "a.isServing !== b.isServing || a.addresses.size",
    replace: "a.addresses.size",
    killers: ["src/proxy/topology_test.ts"],
  },
  {
    name: "seam-leaders-word-on-addresses-counts-least",
    bug:
      "nodes disagree about a member's address: a follower's report counts more than the leader's",
    file: "src/proxy/topology.ts",
    find: "node === this.#leader ? Infinity : termOf(node)",
    replace: "node === this.#leader ? -Infinity : termOf(node)",
    killers: ["src/proxy/topology_test.ts"],
  },
  {
    name: "seam-executed-write-leaves-no-mark",
    bug:
      "a write is executed while an earlier one has to be retried: that one is retried all the same, and undoes it",
    file: "src/proxy/client_queue.ts",
    find: `else if (request.isWrite) this.#settleAndMark(request, text);
    else this.#retry(request, null);`,
    replace: `else if (request.isWrite) request.settle(text);
    else this.#retry(request, null);`,
    killers: ["src/proxy/exactly_once_test.ts"],
  },
  {
    name: "seam-write-passes-one-wide-read",
    bug:
      "a write is sent while a read of all keys of its client is in flight, which is retried later and sees the write",
    file: "src/proxy/client_queue.ts",
    find: "if (this.#unknownKeysCount > 0 || write.hasUnknownKeys)",
    replace: "if (this.#unknownKeysCount > 1 || write.hasUnknownKeys)",
    killers: ["src/proxy/router_test.ts"],
  },
  {
    name: "seam-half-closed-client-waits-at-the-proxy-for-ever",
    bug:
      "a client sends WAIT without a time limit through the proxy and closes its side: its disconnect is never noticed",
    file: "src/proxy/proxy_frontend.ts",
    find: `if (command.kind === "local") reply.waitUnbounded(() => {});`,
    replace: "",
    killers: ["src/proxy/proxy_test.ts"],
  },
  {
    name: "seam-dedicated-connection-outlives-its-client",
    bug: "a client disconnects during WAIT: its connection to the leader stays",
    file: "src/proxy/router.ts",
    find: "if (client.upstream?.isDedicated) client.upstream.destroy",
    replace: "if (client.upstream?.isDedicated && client.isIdle) client.upstream.destroy",
    killers: ["src/proxy/router_test.ts"],
  },
  {
    name: "seam-refused-read-makes-writes-certain",
    bug:
      "the leader could not confirm a read in time, and then the connection ends: writes after the read count as not executed, though they may be",
    file: "src/proxy/node_links.ts",
    find: `if (refusal === "moved" || request.isWrite) upstream.executesNothingMore = true;`,
    replace: `if (refusal !== "again" || request.isWrite) upstream.executesNothingMore = true;`,
    killers: ["src/proxy/router_test.ts"],
  },
  {
    name: "seam-longest-request-is-stamped",
    bug:
      "a write with the maximum number of arguments is stamped as well: the node rejects it and closes the connection, which others share",
    file: "src/proxy/proxy_request.ts",
    find: "const STAMPED_ARGUMENTS_MAX = DEFAULT_CLIENT_LIMITS.argumentsMax - STAMP_ARGUMENTS;",
    replace:
      "const STAMPED_ARGUMENTS_MAX = DEFAULT_CLIENT_LIMITS.argumentsMax + 0 * STAMP_ARGUMENTS;",
    killers: ["src/proxy/exactly_once_test.ts"],
  },
  {
    name: "seam-reset-keeps-the-reply-mode",
    bug: "a client sends CLIENT REPLY OFF and then RESET: its replies stay off",
    file: "src/server/client_fields.ts",
    find: `    this.replyMode = "on";
    this.isInRefusedTransaction = false;`,
    replace: "    this.isInRefusedTransaction = false;",
    killers: ["src/server/connection_replies_test.ts"],
  },
  {
    name: "seam-requests-of-gone-clients-weigh-on",
    bug:
      "the requests in flight of a disconnected client count for ever against the limit of all clients",
    file: "src/server/connection.ts",
    find: `    this.#owner.load.unansweredBytes -= this.#requestBytes;
    this.#owner.load.forget`,
    replace: "    this.#owner.load.forget",
    killers: ["src/server/connection_end_test.ts"],
  },
  {
    name: "seam-answers-to-gone-clients-free-bytes-twice",
    bug:
      "a request is answered after its client has disconnected: its bytes are subtracted twice, and the limit of all clients no longer holds",
    file: "src/server/connection.ts",
    find: `    if (this.#isClosed) return;
    this.#requestBytes -=`,
    replace: "    this.#requestBytes -=",
    killers: ["src/server/connection_end_test.ts"],
  },
  {
    name: "seam-held-request-keeps-the-protocol",
    bug:
      "a client sends HELLO 3 and another request while clients are paused: the second reply comes in the old protocol",
    file: "src/server/connection.ts",
    find: `    reply.protocol = this.protocol; // a request before it may have been HELLO
`,
    replace: "",
    killers: ["src/server/connection_replies_test.ts"],
  },
  {
    name: "seam-client-pause-uses-up-skip",
    bug:
      "CLIENT REPLY SKIP comes before CLIENT PAUSE, and the next request during it: its reply is sent, and the client takes it for that of the request after it",
    file: "src/server/client_pause.ts",
    find: "if (isAfterHeld) connection.prepare(reply);",
    replace: "if (isAfterHeld || !reply.isGone) connection.prepare(reply);",
    killers: ["src/server/held_requests_test.ts"],
  },
  {
    name: "seam-client-pause-forgets-held-skip",
    bug: "CLIENT REPLY SKIP is held by CLIENT PAUSE: the reply after it is sent all the same",
    file: "src/server/client_pause.ts",
    find: "if (isAfterHeld) connection.prepare(reply);",
    replace: "if (!isAfterHeld) connection.prepare(reply);",
    killers: ["src/server/held_requests_test.ts"],
  },
  {
    name: "seam-fault-pause-forgets-held-skip",
    bug: "CLIENT REPLY is held by FAULT PAUSE: it does not count for the requests held after it",
    file: "src/server/pausable_frontend.ts",
    find: "if (at > 0) connection.prepare(reply);",
    replace: "if (at >= 0) reply.protocol = connection.protocol;",
    killers: ["src/server/held_requests_test.ts"],
  },
  {
    name: "seam-held-request-fails-for-others",
    bug:
      "a request that CLIENT PAUSE has held fails: the requests after it are lost, and the exception ends the process or the client that sent CLIENT UNPAUSE",
    file: "src/server/client_pause.ts",
    find: "reply.guard(serve);",
    replace: "serve();",
    killers: ["src/server/held_requests_test.ts"],
  },
  {
    name: "seam-request-of-a-killed-client-outlives-fault-pause",
    bug: "a held CLIENT KILL ends a client: its held requests are executed all the same",
    file: "src/server/pausable_frontend.ts",
    find: "if (connection.isClosed) break;",
    replace: "",
    killers: ["src/server/held_requests_test.ts"],
  },
  {
    name: "seam-second-pause-shortens-the-first",
    bug: "a short pause ends a longer one before its time",
    file: "src/server/client_pause.ts",
    find: "Math.max(this.#untilMs, this.#clock.monotonicMs() + durationMs)",
    replace: "this.#clock.monotonicMs() + durationMs",
    killers: ["src/server/client_pause_test.ts"],
  },
  {
    name: "seam-ended-pause-lengthens-the-next",
    bug: "a pause that was ended by CLIENT UNPAUSE gives its remaining time to the next one",
    file: "src/server/client_pause.ts",
    find: `    this.#mode = null;
    this.#untilMs = -Infinity;`,
    replace: "    this.#mode = null;",
    killers: ["src/server/client_pause_test.ts"],
  },
  {
    name: "seam-second-watcher-hears-no-changes",
    bug:
      "all watchers of a node's state have left: the next watcher learns of changes only at the interval",
    file: "src/server/cluster_commands.ts",
    find: `    this.#cancelWatch?.();
    this.#cancelWatch = null;`,
    replace: "    this.#cancelWatch?.();",
    killers: ["src/server/state_subscribers_test.ts"],
  },
  {
    name: "seam-watching-again-keeps-the-old-beat",
    bug: "a client that watches again with another interval gets reports at both",
    file: "src/server/cluster_commands.ts",
    find: `    this.#timers.get(connection)?.();
    connection.isWatching = true;`,
    replace: "    connection.isWatching = true;",
    killers: ["src/server/state_subscribers_test.ts"],
  },
  {
    name: "seam-all-connections-are-one-owner",
    bug:
      "sessions of all connections that use one protocol version count as of one owner: the 65th is refused to all",
    file: "src/server/node_frontend.ts",
    find: "${this.#options.facts.runId.slice(0, 8)}-${connection.id}",
    replace: "${this.#options.facts.runId.slice(0, 8)}-${connection.protocol}",
    killers: ["src/server/node_frontend_test.ts"],
  },
  {
    name: "seam-answered-wait-still-waits",
    bug:
      "a client whose WAIT is answered closes its side and reads slowly: after a second it is disconnected",
    file: "src/server/pending_reply.ts",
    find: "return this.#gone !== null && this.text === null;",
    replace: "return this.#gone !== null;",
    killers: ["src/server/connection_end_test.ts"],
  },
  {
    name: "seam-request-of-a-gone-client-outlives-fault-pause",
    bug: "a client disconnects while its node is paused: its requests are executed all the same",
    file: "src/server/pausable_frontend.ts",
    find: `    this.#held.delete(connection);
`,
    replace: "",
    killers: ["src/server/pausable_frontend_test.ts"],
    harmless:
      "when the pause ends, requests of a closed connection are skipped as well; until then they only take memory",
  },
  {
    name: "seam-fair-reading-resumes-who-paused-itself",
    bug:
      "a connection that must not be read, because too much waits, is read when sockets get their turns",
    file: "src/platform/acceptor.ts",
    find: "for (const [socket, isWanted] of paused) if (isWanted()) socket.resume();",
    replace: "for (const [socket] of paused) socket.resume();",
    killers: ["src/platform/acceptor_test.ts"],
  },
  {
    name: "seam-relieved-connection-is-still-probed",
    bug:
      "a client that was probed while it waited is read again: its next bytes are taken for a sign of life, and it hangs",
    file: "src/server/connection.ts",
    find: "this.#isPaused = this.#isProbing = false;",
    replace: "this.#isPaused = false;",
    killers: ["src/server/connection_end_test.ts"],
  },
  {
    name: "seam-late-proxy-gives-up-what-is-answered",
    bug: "a suspended proxy replies UNKNOWN to writes whose answers it has not read yet",
    file: "src/proxy/upstream_pool.ts",
    find: "this.#isLate = elapsedMs > STOOD_STILL_MS && !this.#isLate;",
    replace: "this.#isLate = elapsedMs > STOOD_STILL_MS * 1e9 && !this.#isLate;",
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-late-proxy-gives-nothing-up",
    bug: "a proxy on a machine so busy that it is always late waits for dead nodes for ever",
    file: "src/proxy/upstream_pool.ts",
    find: "this.#isLate = elapsedMs > STOOD_STILL_MS && !this.#isLate;",
    replace: "this.#isLate = elapsedMs > STOOD_STILL_MS;",
    killers: ["src/proxy/node_trouble_test.ts"],
  },
  {
    name: "seam-reset-goes-on-pushing",
    bug:
      "RESET after CLUSTER WATCH: a client that sends HELLO 3 again gets pushes among its replies",
    file: "src/server/node_frontend.ts",
    find: "    this.#subscribers.remove(connection);\n    this.#snapshots",
    replace: "    this.#snapshots",
    killers: ["src/server/node_frontend_test.ts"],
  },
  {
    name: "seam-no-tcp-keep-alive",
    bug: "clients of a machine that lost power keep their slots for ever",
    file: "src/server/connection.ts",
    find: "if (tcpKeepaliveS > 0) socket.setKeepAlive(true, tcpKeepaliveS * 1_000);",
    replace: "if (tcpKeepaliveS < 0) socket.setKeepAlive(true, tcpKeepaliveS * 1_000);",
    killers: ["src/server/listener_test.ts"],
  },
  {
    name: "seam-replies-behind-an-open-one-uncounted",
    bug:
      "clients that WAIT and pipeline reads hold any number of replies, which the limit of all clients together does not count",
    file: "src/server/connection.ts",
    find: "if (reply === first || settledBytes > UNCOUNTED_BYTES_MAX) this.#markDirty();",
    replace: "if (reply === first || settledBytes > 1e6 * UNCOUNTED_BYTES_MAX) this.#markDirty();",
    killers: ["src/server/listener_bounds_test.ts"],
  },
  {
    name: "seam-message-within-a-reply",
    bug: "a report for a watching client is sent in the middle of a long reply",
    file: "src/server/pending_reply.ts",
    find: "if (first === null || !first.isInPieces) return output.add(text);",
    replace: 'if (first === null || !first.isInPieces || text !== "") return output.add(text);',
    killers: ["src/server/pending_reply_test.ts"],
  },
  {
    name: "seam-long-reply-encoded-at-once",
    bug: "a long array is encoded as a whole in one turn",
    file: "src/server/pending_reply.ts",
    find: "while (this.#rest !== null && bytes < room) {",
    replace: "while (this.#rest !== null && bytes < 1e6 * room) {",
    killers: ["src/server/pending_reply_test.ts"],
  },
  {
    name: "seam-large-replies-without-a-look",
    bug: "eight requests with large replies are executed before the clock is read",
    file: "src/server/connection.ts",
    find: "(count > 1 && this.#replies.settledBytes > REPLY_BYTES_PER_CLOCK_READ);",
    replace: "(count > 1e6 && this.#replies.settledBytes > REPLY_BYTES_PER_CLOCK_READ);",
    killers: ["src/server/connection_turns_test.ts"],
  },
  {
    name: "seam-pause-of-no-time",
    bug:
      "10,000 times CLIENT PAUSE 0 in one write keep all other clients waiting for half a minute",
    file: "src/server/client_pause.ts",
    find: "if (durationMs === 0 && !this.isOn) return;",
    replace: "",
    killers: ["src/server/client_pause_test.ts"],
  },
];
