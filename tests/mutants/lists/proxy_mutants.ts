import type { Mutant } from "../mutant.ts";

const ROUTER = "src/proxy/router_test.ts";
const HOLD = "src/proxy/hold_queue_test.ts";
const TOPOLOGY = "src/proxy/topology_test.ts";
const FAULTS = "src/proxy/faults_test.ts";
const WATCHERS = "src/proxy/watchers_test.ts";

/** The proxy: who gets which request, and whose is which reply. */
export const proxyMutants: readonly Mutant[] = [
  {
    name: "reply-to-the-wrong-client",
    bug: "a reply goes to the wrong client: the late answer to a read that was taken back",
    file: "src/proxy/upstream.ts",
    find: "if (request === null) return;",
    replace: "if (request === null) return this.#answered(text);",
    killers: [ROUTER, FAULTS],
  },
  {
    name: "push-taken-for-a-reply",
    bug: "a message that answers nothing shifts all replies that follow",
    file: "src/proxy/upstream.ts",
    find: "const isPush = text.charCodeAt(0) === 0x3e;",
    replace: "const isPush = text.charCodeAt(0) === 0x7c;",
    killers: [ROUTER, FAULTS],
  },
  {
    name: "ambiguous-write-resent",
    bug: "a non-idempotent write is resent after an ambiguous failure",
    file: "src/proxy/router.ts",
    find: `wasWritten && !upstream.isOver ? "maybe" : "no"`,
    replace: `wasWritten && upstream.isDedicated ? "maybe" : "no"`,
    killers: [ROUTER, FAULTS],
    simulation: true,
  },
  {
    name: "unknown-outcome-resent",
    bug: "a write whose outcome the node does not know is sent again",
    file: "src/proxy/proxy_request.ts",
    find: `return text.startsWith("-TRYAGAIN ") ? "again" : null;`,
    replace:
      `return text.startsWith("-TRYAGAIN ") || text.startsWith("-UNKNOWN ") ? "again" : null;`,
    killers: [ROUTER, FAULTS],
    simulation: true,
  },
  {
    name: "refused-read-taken-for-the-end",
    bug:
      "a non-idempotent write is resent after an ambiguous failure: a read before it could not " +
      "be confirmed in time, though the leader led on and executed the write",
    file: "src/proxy/router.ts",
    find:
      `if (refusal === "moved" || (refusal === "down" && request.isWrite)) upstream.isOver = true;`,
    replace:
      `if (refusal === "moved" || (refusal === "down" && request.bytes > 0)) upstream.isOver = true;`,
    killers: [ROUTER],
  },
  {
    name: "refusal-shown-to-the-client",
    bug: "a spurious no-leader answer in a healthy cluster",
    file: "src/proxy/proxy_request.ts",
    find: `if (text.startsWith("-CLUSTERDOWN ")) return "down";`,
    replace: `if (text.startsWith("-CLUSTERDOWN!")) return "down";`,
    killers: [ROUTER, FAULTS],
  },
  {
    name: "overtaken-write-repeated",
    bug: "program order: a refused write is repeated after a later one was executed",
    file: "src/proxy/client_queue.ts",
    find: "else if (overtaking.overtakes(request)) {",
    replace: "else if (overtaking.overtakes(request) && !request.isWrite) {",
    killers: [ROUTER, FAULTS],
  },
  {
    name: "write-without-a-fence",
    bug: "program order: a write follows its client's reads on a connection that is not fenced",
    file: "src/proxy/router.ts",
    find: "(current.fenceTerm !== null || !request.isWrite);",
    replace: "(current.fenceTerm !== null || request.bytes > 0);",
    killers: [ROUTER, FAULTS],
    simulation: true,
  },
  {
    name: "fence-not-asked-for",
    bug: "pipelined writes behind a refused one are executed when the node leads again",
    file: "src/proxy/upstream.ts",
    find: "if (fenceTerm !== null) greetings.push(",
    replace: "if (fenceTerm === 0) greetings.push(",
    killers: [ROUTER, FAULTS],
    simulation: true,
  },
  {
    name: "fence-ignored",
    bug: "pipelined writes behind a refused one are executed: the node forgets the fence",
    file: "src/server/cluster_commands.ts",
    find: "session.fenceTerm = term;",
    replace: "session.fenceTerm = null;",
    killers: ["src/server/node_sessions_test.ts"],
    simulation: true,
  },
  {
    name: "sent-behind-what-is-to-be-repeated",
    bug: "a request follows others of its client while an earlier one of them has to be repeated",
    file: "src/proxy/client_queue.ts",
    find: "return this.#repeating.size === 0;",
    replace: "return this.#repeating.size >= 0;",
    killers: [ROUTER, FAULTS],
    harmless:
      "a refusal also closes a fenced connection to further requests; a read that follows " +
      "on another is put behind the one to be repeated, and both are asked anew",
  },
  {
    name: "read-torn-from-behind-its-write",
    bug: "program order: a read behind a write that is under way is asked elsewhere",
    file: "src/proxy/upstream_pool.ts",
    find: "({ client }) => client.writesUnderWay === 0",
    replace: "({ client }) => client.writesUnderWay >= 0",
    killers: [ROUTER, FAULTS],
  },
  {
    name: "silent-leader-waited-for",
    bug: "the client stays for minutes on a leader that accepts connections but answers nothing",
    file: "src/proxy/topology.ts",
    find: "node.silentMs <= this.#silenceMsMax",
    replace: "node.silentMs <= this.#silenceMsMax * 1e9",
    killers: [TOPOLOGY, ROUTER],
  },
  {
    name: "superseded-leader-waited-for",
    bug: "a write stays on a silent leader although another was elected",
    file: "src/proxy/upstream_pool.ts",
    find: "this.#options.topology.highestLedTerm > fenceTerm;",
    replace: "this.#options.topology.highestLedTerm > fenceTerm * 1e9;",
    killers: [ROUTER, FAULTS],
  },
  {
    name: "superseded-leader-routed-to",
    bug: "a leader of an older term counts beside the newer one",
    file: "src/proxy/topology.ts",
    find: "termOf(node) === this.#highestLedTerm",
    replace: "termOf(node) <= this.#highestLedTerm",
    killers: [TOPOLOGY, ROUTER],
  },
  {
    name: "hold-without-a-bound",
    bug: "the hold queue is without a bound of requests",
    file: "src/proxy/hold_queue.ts",
    find: "if (totals.requests >= holdRequestsMax) {",
    replace: "if (totals.requests >= holdRequestsMax * 1e9) {",
    killers: [HOLD],
  },
  {
    name: "hold-without-a-bound-of-bytes",
    bug: "the hold queue is without a bound of bytes",
    file: "src/proxy/hold_queue.ts",
    find: "if (totals.bytes + bytes > holdBytesMax) {",
    replace: "if (bytes > holdBytesMax) {",
    killers: [HOLD],
  },
  {
    name: "held-for-ever",
    bug: "a held request is never answered while there is no leader",
    file: "src/proxy/hold_queue.ts",
    find: "if (heldMs <= this.#limits.holdMsMax) break;",
    replace: "if (heldMs <= this.#limits.holdMsMax * 1e9) break;",
    killers: [HOLD, ROUTER],
  },
  {
    name: "hold-never-empties",
    bug:
      "clients that go away leave their place in the hold queue, until it is full in a healthy cluster",
    file: "src/proxy/client_queue.ts",
    find: "for (const request of this.#waiting.drain()) this.#count(request, -1);",
    replace: "this.#waiting.drain();",
    killers: [HOLD, ROUTER],
  },
  {
    name: "all-released-at-once",
    bug: "every held request is released onto one node at once",
    file: "src/proxy/upstream.ts",
    find: "return size >= windowRequestsMax ||",
    replace: "return size >= windowRequestsMax * 1e9 ||",
    killers: [HOLD],
  },
  {
    name: "one-client-takes-all",
    bug: "one client's held requests keep those of all others waiting",
    file: "src/proxy/router.ts",
    find: "this.hold.retry(nowMs, (client) => this.#dispatch(client, nowMs, BURST));",
    replace: "this.hold.retry(nowMs, (client) => this.#dispatch(client, nowMs, BURST * 1e9));",
    killers: [HOLD],
  },
  {
    name: "reads-all-to-one-node",
    bug: "reads do not spread: what a node has under way does not count",
    file: "src/proxy/balancer.ts",
    find: "const work = 1 + links.underWay + lag / LAG_PER_REQUEST;",
    replace: "const work = 1 + lag / LAG_PER_REQUEST;",
    killers: [ROUTER],
  },
  {
    name: "late-loop-taken-for-silence",
    bug:
      "a spurious no-leader answer in a healthy cluster: the proxy's own pause counts as silence",
    file: "src/proxy/proxy.ts",
    find: "const silent = this.topology.pass(awakeMs);",
    replace: "const silent = this.topology.pass(Math.max(awakeMs, elapsedMs));",
    killers: [WATCHERS, ROUTER],
  },
  {
    name: "node-that-moved-not-followed",
    bug: "a node that comes back at another address is not found again",
    file: "src/proxy/watchers.ts",
    find: "if (told.size > 0) this.#members = told;",
    replace: "if (told.size > 0 && this.#members.size === 0) this.#members = told;",
    killers: [WATCHERS],
  },
];
