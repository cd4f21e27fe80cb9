import type { Mutant } from "../mutant.ts";

const RUDE = "src/proxy/rude_nodes_test.ts";
const HOLD = "src/proxy/hold_queue_test.ts";
const PROXY = "src/proxy/proxy_test.ts";

/** How a proxy treats nodes that send nonsense, and clients' commands about the proxy itself. */
export const proxyBorderMutants: readonly Mutant[] = [
  {
    name: "unanswered-fence-waited-for",
    bug:
      "a leader that does not answer the fence gets no new connection, and writes wait for nothing",
    file: "src/proxy/upstream_pool.ts",
    find: "if (nowMs - upstream.createdMs > OPENING_MS_MAX)",
    replace: "if (nowMs - upstream.createdMs > 1e6 * OPENING_MS_MAX)",
    killers: [RUDE],
  },
  {
    name: "pause-counts-as-waiting-for-a-node",
    bug:
      "a request waits for CLIENT PAUSE: the proxy takes that time for the node's, and ends the connection that all clients share",
    file: "src/proxy/proxy_frontend.ts",
    find: "this.pause.waitsSince(connection.lastReadMs)",
    replace: "connection.lastReadMs",
    killers: ["src/proxy/paused_clients_test.ts"],
  },
  {
    name: "no-resp-from-a-node-waited-for",
    bug: "a connection on which a node sends nonsense stays, and its requests hang",
    file: "src/proxy/upstream.ts",
    find: `if (scanned.kind === "invalid") {`,
    replace: `if (scanned.kind === "invalid" && answers < 0) {`,
    killers: [RUDE],
  },
  {
    name: "babbling-node-ends-the-proxy",
    bug: "a state that cannot be decoded ends the proxy",
    file: "src/proxy/watcher.ts",
    find: "return null; // its lengths are well-formed, but its content is not",
    replace: "throw new Error(text);",
    killers: [RUDE],
  },
  {
    name: "unreadable-state-counts-as-life",
    bug: "a node whose states cannot be read keeps its last role",
    file: "src/proxy/watcher.ts",
    find: `if (state === null) return this.#refuse("sent a state that cannot be read");`,
    replace: "if (state === null) continue;",
    killers: [RUDE],
  },
  {
    name: "error-of-a-watched-node-ignored",
    bug: "nobody learns why a node that requires a password is not used",
    file: "src/proxy/watcher.ts",
    find: 'if (step.kind === "refused") this.#refuse(step.reason);',
    replace: "",
    killers: [RUDE],
  },
  {
    name: "pause-forgotten-by-the-proxy",
    bug: "writes through a proxy go on during CLIENT PAUSE",
    file: "src/server/dispatcher.ts",
    find: "if (this.pause.isOn && this.#isHeld(connection, request, reply, isWrite)) return;",
    replace: "if (isWrite && connection.id < 0 && this.pause.isOn) return;",
    killers: [PROXY],
  },
  {
    name: "transaction-executed-in-parts-by-the-proxy",
    bug: "commands between MULTI and EXEC are executed one by one through a proxy",
    file: "src/server/dispatcher.ts",
    find: "if (refusal !== null) return reply.settle(refusal);",
    replace: `if (refusal !== null && command.kind === "local") return reply.settle(refusal);`,
    killers: [PROXY],
  },
  {
    name: "reset-statistics-keep-holds",
    bug: "CONFIG RESETSTAT at a proxy does not reset the numbers of held and refused requests",
    file: "src/proxy/proxy_frontend.ts",
    find: "router.hold.resetStatistics(clock.monotonicMs());",
    replace: "if (clock.monotonicMs() < 0) router.hold.resetStatistics(0);",
    killers: [PROXY],
  },
  {
    name: "known-leader-called-none",
    bug: "the error of a request that a known leader does not take says that there is no leader",
    file: "src/proxy/proxy_request.ts",
    find: `isLeaderKnown ? "no node has taken this request" : "no leader";`,
    replace: `isLeaderKnown && heldMs < 0 ? "no node has taken this request" : "no leader";`,
    killers: [HOLD],
  },
  {
    name: "full-hold-called-no-leader",
    bug:
      "the error of a request beyond what is held for a known leader says that there is no leader",
    file: "src/proxy/proxy_request.ts",
    find: `isLeaderKnown ? "" : "no leader, held 0 ms: "`,
    replace: `isLeaderKnown && limit === "" ? "" : "no leader, held 0 ms: "`,
    killers: [HOLD],
  },
  {
    name: "unknown-outcome-called-a-lost-connection",
    bug: "the error of a write whose outcome the leader did not know speaks of a lost connection",
    file: "src/proxy/proxy_request.ts",
    find: "UNKNOWN No leader has confirmed the write, it may",
    replace: "UNKNOWN The connection to the leader was lost, the write may",
    killers: ["src/proxy/exactly_once_test.ts"],
  },
];
