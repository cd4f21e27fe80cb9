import { assert } from "../../base/assert.ts";
import { type Random, randomInteger, seededRandom } from "../../base/random.ts";
import type { NodeId } from "../mod.ts";
import { describeMessage, describeStatus } from "./describe.ts";
import { Oracle } from "./oracle.ts";
import { type TestMessage, TestNode } from "./test_node.ts";

/** How often, out of all steps, each thing happens; drawn by the seed. */
interface Weights {
  readonly deliver: number;
  readonly persist: number;
  readonly tick: number;
  readonly propose: number;
  readonly read: number;
  readonly drop: number;
  readonly repeat: number;
  readonly crash: number;
  readonly restart: number;
  readonly partition: number;
  readonly heal: number;
  readonly pause: number;
  readonly unreachable: number;
  readonly campaign: number;
}

const NETWORK_MAX = 300;
const TRACE_MAX = 60;

/**
 * A cluster in bad circumstances: messages are lost, repeated and reordered, links cut one way,
 * nodes stand still and go on, or crash at any moment with part of their writes done, disks are slow. After each step the
 * oracle looks on.
 */
export class Chaos {
  readonly #random: Random;
  readonly #weights: Weights;
  readonly #nodes = new Map<NodeId, TestNode>();
  readonly #ids: readonly NodeId[];
  readonly #oracle: Oracle;
  readonly #cut = new Set<string>();
  readonly #trace: (string | TestMessage)[] = [];
  #network: TestMessage[] = [];
  /** Nodes that stand still, and the step at which they go on. */
  readonly #paused = new Map<NodeId, number>();
  #serial = 0;
  #step = 0;

  constructor(seed: number, nodeCount: number) {
    this.#random = seededRandom(seed);
    this.#weights = this.#drawWeights();
    this.#ids = Array.from({ length: nodeCount }, (_, i) => String(i + 1));
    this.#oracle = new Oracle(this.#nodes);
    const options = {
      random: this.#random,
      electionTicks: 4 + this.#below(7),
      heartbeatTicks: 1 + this.#below(2),
      appendBytesMax: 1 + this.#below(40),
      inflightMax: 1 + this.#below(6),
      inflightBytesMax: 1 + this.#below(100),
      cacheBytesMax: this.#below(2) * 60,
      committedBytesMax: 1 + this.#below(60),
    };
    for (const id of this.#ids) {
      this.#nodes.set(id, new TestNode(id, this.#ids, this.#events, options));
    }
  }

  /** The last steps, for a human who looks for a fault. */
  get trace(): string {
    return this.#trace.map((step) => typeof step === "string" ? step : describeMessage(step)).join(
      "\n",
    );
  }

  get commitMax(): number {
    return this.#oracle.commitMax;
  }

  /** Lets random things happen until there were `count`. */
  run(count: number): void {
    const actions = Object.keys(this.#weights) as (keyof Weights)[];
    const total = actions.reduce((sum, action) => sum + this.#weights[action], 0);
    for (; this.#step < count; this.#step++) {
      let left = this.#random() * total;
      const action = actions.find((name) => (left -= this.#weights[name]) < 0) ?? "tick";
      this.#act(action, this.#pick());
    }
  }

  /** Ends all faults and demands that the cluster gets back to work within some election timeouts. */
  recover(): void {
    this.#cut.clear();
    this.#paused.clear();
    for (const node of this.#nodes.values()) if (!node.isUp) node.restart();
    const goal = this.#oracle.commitMax + 1;
    for (let tick = 0; tick < 300; tick++) {
      for (const node of this.#nodes.values()) {
        node.raft.tick();
        if (node.raft.status().role === "leader" && tick % 20 === 0) this.#propose(node);
      }
      this.#finishWork();
      if (tick > 100 && this.#isRecovered(goal)) return;
    }
    const states = [...this.#nodes.values()].map(describeStatus);
    assert(false, `no progress after the faults:\n${states.join("\n")}`);
  }

  /** Until nothing is under way, on the network or to a disk. */
  #finishWork(): void {
    do {
      while (this.#network.length > 0) this.#deliver(0);
      for (const node of this.#nodes.values()) this.#work(node, Infinity);
    } while (this.#network.length > 0);
  }

  #isRecovered(goal: number): boolean {
    const all = [...this.#nodes.values()].map((node) => node.raft.status());
    return all.every((status) =>
      status.commitIndex >= goal && status.appliedIndex === all[0]?.lastIndex &&
      status.lastIndex === all[0].lastIndex
    );
  }

  #act(action: keyof Weights, node: TestNode): void {
    switch (action) {
      case "deliver":
        return this.#deliver(this.#nextPosition());
      case "drop":
        return void this.#network.splice(this.#below(this.#network.length), 1);
      case "repeat":
        return this.#repeat();
      case "partition":
        return this.#partition();
      case "heal":
        return this.#cut.clear();
      case "restart":
        if (!node.isUp) {
          this.#note(`restart ${node.id}`);
          node.restart();
          this.#work(node, 0);
        }
        return;
      default:
        if (node.isUp && !this.#isPaused(node.id)) this.#actOnNode(action, node);
    }
  }

  #actOnNode(action: keyof Weights, node: TestNode): void {
    const { raft } = node;
    if (action !== "persist") this.#note(`${action} ${node.id}`);
    switch (action) {
      case "tick":
        raft.tick();
        break;
      case "propose":
        this.#propose(node);
        break;
      case "read":
        this.#serial++;
        if (raft.readIndex(this.#serial)) this.#oracle.readAsked(node, this.#serial);
        break;
      case "unreachable":
        raft.unreachable(this.#pick().id);
        break;
      case "campaign":
        raft.campaign();
        break;
      case "crash":
        node.crash(this.#below(node.underWayCount + 1));
        return this.#oracle.crashed(node);
      case "pause":
        return void this.#paused.set(node.id, this.#step + 100 + this.#below(800));
    }
    this.#work(node, action === "persist" ? 1 + this.#below(3) : 0);
  }

  #propose(node: TestNode): void {
    const count = 1 + this.#below(3);
    node.raft.propose(
      Array.from({ length: count }, () => "x".repeat(this.#below(20)) + this.#serial++),
    );
  }

  /** Half of the time the oldest message, otherwise any. */
  #nextPosition(): number {
    const isOldest = this.#below(2) === 0;
    const oldest = this.#network.findIndex((message) => !this.#isPaused(message.to));
    return isOldest ? Math.max(0, oldest) : this.#below(this.#network.length);
  }

  #deliver(position: number): void {
    if (this.#isPaused(this.#network[position]?.to ?? "")) return; // it waits
    const [message] = this.#network.splice(position, 1);
    const node = message === undefined ? undefined : this.#nodes.get(message.to);
    if (message === undefined || !node?.isUp || this.#isCut(message)) return;
    this.#note(message);
    const isBetween = this.#below(8) === 0 && node.raft.hasReady();
    const ready = isBetween ? node.raft.ready() : null;
    node.raft.step(message); // the driver has taken a Ready, but not yet written it
    if (ready !== null) node.write(ready);
    this.#work(node, this.#below(4) === 0 ? 1 : 0);
  }

  /** Mostly the driver works at once; sometimes it is busy with something else. */
  #work(node: TestNode, persistCount: number): void {
    if (persistCount > 0 || this.#below(4) > 0) node.pump();
    for (let i = 0; i < persistCount && node.underWayCount > 0; i++) {
      node.persistNext();
      if (this.#below(2) === 0 || persistCount === Infinity) node.pump();
    }
    this.#oracle.check(node);
    this.#oracle.checkDurable(node);
  }

  #repeat(): void {
    const message = this.#network[this.#below(this.#network.length)];
    if (message !== undefined) this.#network.push(message);
  }

  /** Cuts off a node or two, or single directions. */
  #partition(): void {
    const isOneWay = this.#below(2) === 0;
    const side = new Set([this.#pick().id, this.#pick().id]);
    for (const from of this.#ids) {
      for (const to of this.#ids) {
        const isAcross = side.has(from) && !side.has(to);
        if (isAcross) this.#cut.add(`${from}->${to}`);
        if (isAcross && !isOneWay) this.#cut.add(`${to}->${from}`);
      }
    }
    this.#note(`cut ${[...this.#cut]}`);
  }

  #isPaused(id: NodeId): boolean {
    return (this.#paused.get(id) ?? 0) > this.#step;
  }

  #isCut(message: TestMessage): boolean {
    return this.#cut.has(`${message.from}->${message.to}`);
  }

  readonly #events = {
    send: (message: TestMessage) => {
      this.#oracle.sent(message);
      this.#network.push(message);
      if (this.#network.length > NETWORK_MAX) {
        this.#network.splice(this.#below(NETWORK_MAX), 1);
      }
    },
    write: (node: TestNode, entries: Parameters<Oracle["wrote"]>[1]) =>
      this.#oracle.wrote(node, entries),
    apply: (node: TestNode, entry: Parameters<Oracle["applied"]>[1]) =>
      this.#oracle.applied(node, entry),
    read: (node: TestNode, readId: number, index: number | null) =>
      this.#oracle.readAnswered(node, readId, index),
  };

  #drawWeights(): Weights {
    const seldom = (most: number) => this.#below(2) * this.#random() * most;
    return {
      deliver: 60,
      persist: 4 + this.#random() * 20,
      tick: 2 + this.#random() * 12,
      propose: 1 + this.#random() * 8,
      read: this.#random() * 4,
      drop: seldom(6),
      repeat: seldom(6),
      crash: seldom(0.6),
      restart: 0.6,
      partition: seldom(0.4),
      heal: 0.3,
      pause: seldom(0.6),
      unreachable: seldom(0.5),
      campaign: seldom(0.5),
    };
  }

  #pick(): TestNode {
    const node = this.#nodes.get(this.#ids[this.#below(this.#ids.length)] ?? "");
    assert(node !== undefined, "there are nodes");
    return node;
  }

  #below(limit: number): number {
    return randomInteger(this.#random, limit);
  }

  #note(step: string | TestMessage): void {
    this.#trace.push(step);
    if (this.#trace.length > TRACE_MAX) this.#trace.shift();
  }
}
