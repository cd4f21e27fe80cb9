import type { NodeId } from "../raft/types.ts";
import { MapReply, PushReply, type Reply } from "../resp/reply.ts";

/** What a node reports of itself and of the others (`CLUSTER WATCH`). */
export interface NodeState {
  readonly id: NodeId;
  /** Empty when the node does not report it. */
  readonly clusterId: string;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** A leader whose first entry is committed, or a follower that hears a leader. */
  readonly isServing: boolean;
  /** Number of clients' reads and writes that the node has taken and not executed yet. */
  readonly queued: number;
  /** Number of keys, and number of those with a deadline. */
  readonly keys: number;
  readonly expires: number;
  /** Bytes of the state above which writes are refused; 0 when the node does not report it. */
  readonly memoryBytesMax: number;
  /** Number of changes of users so far; 0 when the node does not report it. */
  readonly usersVersion: number;
  /** `host:port` for clients by member, as far as the node knows it. */
  readonly addresses: ReadonlyMap<NodeId, string>;
}

const ROLES = ["leader", "follower", "candidate", "learner"] as const;

/**
 * The state in a pushed message; `null` if it holds none, or a malformed one. Ignores unknown
 * fields.
 */
export function parseNodeState(message: Reply): NodeState | null {
  if (!(message instanceof PushReply) || message.items[0] !== "regent-state") return null;
  const map = message.items[1];
  if (!(map instanceof MapReply)) return null;
  const fields = new Map(map.pairs.map(([name, value]) => [name, value]));
  const id = fields.get("id");
  const role = ROLES.find((known) => known === fields.get("role"));
  const numbers = ["term", "commit-index", "applied-index", "queue"].map((name) =>
    fields.get(name)
  );
  const [term, commitIndex, appliedIndex, queued] = numbers;
  const addresses = parseAddresses(fields.get("nodes"));
  const isWhole = (value: Reply | undefined): value is number => Number.isSafeInteger(value);
  if (typeof id !== "string" || role === undefined || addresses === null) return null;
  if (!isWhole(term) || !isWhole(commitIndex) || !isWhole(appliedIndex) || !isWhole(queued)) {
    return null;
  }
  const leader = fields.get("leader-id");
  const clusterId = fields.get("cluster-id");
  return {
    id,
    clusterId: typeof clusterId === "string" ? clusterId : "",
    role,
    term,
    leaderId: typeof leader === "string" && leader !== "" ? leader : null,
    commitIndex,
    appliedIndex,
    isServing: fields.get("serving") === 1,
    queued,
    keys: numberIn(fields.get("keys")),
    expires: numberIn(fields.get("expires")),
    memoryBytesMax: numberIn(fields.get("memory-bytes-max")),
    usersVersion: numberIn(fields.get("users-version")),
    addresses,
  };
}

/** 0 when the field is missing, as with a node of another version. */
function numberIn(value: Reply | undefined): number {
  return Number.isSafeInteger(value) ? value as number : 0;
}

function parseAddresses(nodes: Reply | undefined): Map<NodeId, string> | null {
  if (!Array.isArray(nodes)) return null;
  const addresses = new Map<NodeId, string>();
  for (const node of nodes as readonly Reply[]) {
    if (!Array.isArray(node)) return null;
    const [id, address] = node as readonly Reply[];
    if (typeof id !== "string" || typeof address !== "string") return null;
    if (address !== "") addresses.set(id, address);
  }
  return addresses;
}

/** A node as the proxy sees it, by the address at which it is watched. */
export class NodeView {
  /** `host:port` */
  readonly address: string;
  /** Its last report; `null` before the first one. */
  state: NodeState | null = null;
  /** Whether its connection is open, and it has reported within `silenceMsMax`. */
  isResponsive = false;
  /**
   * Whether a connection to it is open. A silent node that can be reached is busy or stopped; one
   * that cannot be reached is dead or cut off.
   */
  isReachable = false;
  /** How long in ms it has been silent, counting only time in which this process ran. */
  silentMs = 0;

  constructor(address: string) {
    this.address = address;
  }

  /** Its name in log lines. */
  get label(): string {
    return this.state === null ? this.address : `${this.state.id} (${this.address})`;
  }

  /** Whether reads may be sent to it. */
  get isReadable(): boolean {
    return this.isResponsive && this.state !== null && this.state.isServing &&
      this.state.role !== "candidate";
  }
}

/** Which nodes exist, which one leads, which ones respond: computed from their reports alone. */
export class Topology {
  readonly #nodes = new Map<string, NodeView>();
  readonly #silenceMsMax: number;
  #leader: NodeView | null = null;
  #highestLedTerm = 0;

  /** @param silenceMsMax silence in ms after which a node counts as not responsive */
  constructor(silenceMsMax: number) {
    this.#silenceMsMax = silenceMsMax;
  }

  get nodes(): Iterable<NodeView> {
    return this.#nodes.values();
  }

  /**
   * The responsive node that leads in the highest term and can serve; `null` when there is none.
   */
  get leader(): NodeView | null {
    return this.#leader;
  }

  /** The highest term in which a responsive node knows a leader. */
  get highestLedTerm(): number {
    return this.#highestLedTerm;
  }

  node(address: string): NodeView | undefined {
    return this.#nodes.get(address);
  }

  add(address: string): NodeView {
    const node = this.#nodes.get(address) ?? new NodeView(address);
    this.#nodes.set(address, node);
    return node;
  }

  remove(address: string): void {
    this.#nodes.delete(address);
    this.#updateLeader();
  }

  /** Takes a node's report. @returns whether anything that matters to routing has changed */
  noteReport(address: string, state: NodeState): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined) return false;
    const before = node.state;
    const wasResponsive = node.isResponsive;
    node.state = state;
    node.isResponsive = true;
    node.isReachable = true;
    node.silentMs = 0;
    this.#updateLeader();
    return !wasResponsive || before === null || isRoutingDifferent(before, state);
  }

  /**
   * Notes that the connection of its reports has ended.
   *
   * @returns whether it counted as reachable
   */
  noteDisconnect(address: string): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined || !node.isReachable) return false;
    node.isReachable = false;
    node.isResponsive = false;
    this.#updateLeader();
    return true;
  }

  /** Lets time pass. @returns the nodes whose silence has just exceeded the bound */
  advance(elapsedMs: number): NodeView[] {
    const silenced: NodeView[] = [];
    for (const node of this.#nodes.values()) {
      node.silentMs += elapsedMs;
      if (!node.isResponsive || node.silentMs <= this.#silenceMsMax) continue;
      node.isResponsive = false;
      silenced.push(node);
    }
    if (silenced.length > 0) this.#updateLeader();
    return silenced;
  }

  /**
   * The members' addresses by id, from responsive nodes. The leader's report takes precedence, then
   * those of higher terms.
   */
  memberAddresses(): Map<string, string> {
    const responsive = [...this.#nodes.values()].filter(({ isResponsive }) => isResponsive);
    const rank = (node: NodeView) => node === this.#leader ? Infinity : termOf(node);
    const addresses = new Map<string, string>();
    for (const { state } of responsive.sort((a, b) => rank(a) - rank(b))) {
      for (const [id, address] of state?.addresses ?? []) addresses.set(id, address);
    }
    return addresses;
  }

  /** Finds the leader among the reports. */
  #updateLeader(): void {
    this.#highestLedTerm = 0;
    for (const { isResponsive, state } of this.#nodes.values()) {
      if (!isResponsive || state === null || state.leaderId === null) continue;
      this.#highestLedTerm = Math.max(this.#highestLedTerm, state.term);
    }
    // A node known by two addresses keeps the one in use, lest connections move back and forth.
    if (this.#leader !== null && this.#leads(this.#leader)) return;
    this.#leader = [...this.#nodes.values()].find((node) => this.#leads(node)) ?? null;
  }

  #leads(node: NodeView): boolean {
    return this.#nodes.get(node.address) === node && node.isReadable &&
      node.state?.role === "leader" && termOf(node) === this.#highestLedTerm;
  }
}

function termOf(node: NodeView): number {
  return node.state?.term ?? 0;
}

function isRoutingDifferent(a: NodeState, b: NodeState): boolean {
  return a.id !== b.id || a.role !== b.role || a.term !== b.term || a.leaderId !== b.leaderId ||
    a.isServing !== b.isServing || a.addresses.size !== b.addresses.size ||
    [...b.addresses].some(([id, address]) => a.addresses.get(id) !== address);
}
