import type { NodeId } from "../raft/types.ts";
import { MapReply, PushReply, type Reply } from "../resp/reply.ts";

/** What a node says of itself and of the others (`CLUSTER WATCH`). */
export interface NodeState {
  readonly id: NodeId;
  /** Empty when the node does not tell. */
  readonly clusterId: string;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  readonly leaderId: NodeId | null;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** A leader whose first entry is committed, or a follower that hears a leader. */
  readonly isServing: boolean;
  /** Requests the node has taken and not answered. */
  readonly queued: number;
  /** How many keys it has, and how many of them end by themselves. */
  readonly keys: number;
  readonly expires: number;
  /** What the state may take before writes are refused; 0: the node does not tell. */
  readonly memoryBytesMax: number;
  /** `host:port` for clients of each member that the node knows it of. */
  readonly addresses: ReadonlyMap<NodeId, string>;
}

const ROLES = ["leader", "follower", "candidate", "learner"] as const;

/** The state in a pushed message; `null` when it is none or malformed. Unknown fields are allowed. */
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
    addresses,
  };
}

/** 0 when a node of another version does not tell. */
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

/** A node as the proxy sees it from afar, by the address at which it is watched. */
export class NodeView {
  /** `host:port` */
  readonly address: string;
  /** What it said last; `null` until it said anything. */
  state: NodeState | null = null;
  /** It has said something within the bound of silence, and the connection stands. */
  isResponsive = false;
  /**
   * Its machine takes part in a connection to it. A node that is silent and can be reached is busy, or
   * stopped; one that cannot be reached is dead, or cut off.
   */
  isReachable = false;
  /** How long it has been silent, in time that the proxy itself was awake. */
  silentMs = 0;

  constructor(address: string) {
    this.address = address;
  }

  /** What log lines call it. */
  get label(): string {
    return this.state === null ? this.address : `${this.state.id} (${this.address})`;
  }

  get isReadable(): boolean {
    return this.isResponsive && this.state !== null && this.state.isServing &&
      this.state.role !== "candidate";
  }
}

/** Who is there, who leads, who answers: computed from what the nodes report, nothing else. */
export class Topology {
  readonly #nodes = new Map<string, NodeView>();
  readonly #silenceMsMax: number;
  #leader: NodeView | null = null;
  #highestLedTerm = 0;

  /** @param silenceMsMax after so much silence a node counts as not answering */
  constructor(silenceMsMax: number) {
    this.#silenceMsMax = silenceMsMax;
  }

  get nodes(): Iterable<NodeView> {
    return this.#nodes.values();
  }

  /** The responsive node that leads in the highest term and may serve; `null` when there is none. */
  get leader(): NodeView | null {
    return this.#leader;
  }

  /** The newest term of which a responsive node says that it has a leader. */
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
    this.#elect();
  }

  /** A node said how it is. @returns whether anything that matters to routing has changed */
  noteReport(address: string, state: NodeState): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined) return false;
    const before = node.state;
    const wasResponsive = node.isResponsive;
    node.state = state;
    node.isResponsive = true;
    node.isReachable = true;
    node.silentMs = 0;
    this.#elect();
    return !wasResponsive || before === null || isOther(before, state);
  }

  /** The connection over which a node reports has ended. @returns whether that is news */
  noteDisconnect(address: string): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined || !node.isReachable) return false;
    node.isReachable = false;
    node.isResponsive = false;
    this.#elect();
    return true;
  }

  /** So much time has passed. @returns the nodes that have been silent for too long just now */
  pass(elapsedMs: number): NodeView[] {
    const fallen: NodeView[] = [];
    for (const node of this.#nodes.values()) {
      node.silentMs += elapsedMs;
      if (!node.isResponsive || node.silentMs <= this.#silenceMsMax) continue;
      node.isResponsive = false;
      fallen.push(node);
    }
    if (fallen.length > 0) this.#elect();
    return fallen;
  }

  /** Where the members are, by id; those who answer are asked, and the newest term's word counts. */
  memberAddresses(): Map<string, string> {
    const witnesses = [...this.#nodes.values()].filter(({ isResponsive }) => isResponsive);
    const rank = (node: NodeView) => node === this.#leader ? Infinity : termOf(node);
    const addresses = new Map<string, string>();
    for (const { state } of witnesses.sort((a, b) => rank(a) - rank(b))) {
      for (const [id, address] of state?.addresses ?? []) addresses.set(id, address);
    }
    return addresses;
  }

  #elect(): void {
    this.#highestLedTerm = 0;
    for (const { isResponsive, state } of this.#nodes.values()) {
      if (!isResponsive || state === null || state.leaderId === null) continue;
      this.#highestLedTerm = Math.max(this.#highestLedTerm, state.term);
    }
    // One node under two addresses stays where it is, lest connections move back and forth.
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

function isOther(a: NodeState, b: NodeState): boolean {
  return a.id !== b.id || a.role !== b.role || a.term !== b.term || a.leaderId !== b.leaderId ||
    a.isServing !== b.isServing || a.addresses.size !== b.addresses.size ||
    [...b.addresses].some(([id, address]) => a.addresses.get(id) !== address);
}
