import type { NodeState } from "./node_state.ts";

/** A node as the proxy sees it from afar, by the address at which it is watched. */
export class NodeView {
  /** `host:port` */
  readonly address: string;
  /** What it said last; `null` until it said anything. */
  state: NodeState | null = null;
  /** It has said something within the bound of silence, and the connection stands. */
  isResponsive = false;
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
  reported(address: string, state: NodeState): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined) return false;
    const before = node.state;
    const wasResponsive = node.isResponsive;
    node.state = state;
    node.isResponsive = true;
    node.silentMs = 0;
    this.#elect();
    return !wasResponsive || before === null || isOther(before, state);
  }

  /** The connection over which a node reports has ended. @returns whether that is news */
  disconnected(address: string): boolean {
    const node = this.#nodes.get(address);
    if (node === undefined || !node.isResponsive) return false;
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
