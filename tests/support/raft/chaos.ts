import { assert } from "../../../src/base/errors.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import type { NodeId } from "../../../src/raft/mod.ts";
import { drawWeights, type Weights } from "./chaos_weights.ts";
import { configurationText } from "./configuration_text.ts";
import { describeMessage, describeStatus } from "./describe.ts";
import { Oracle, type Tally } from "./oracle.ts";
import { NO_CONFIGURATION, type TestMessage, TestNode, type TestOptions } from "./test_node.ts";

const NETWORK_MAX = 300;
const TRACE_MAX = 60;
/** Maximum number of nodes that join. */
const JOINERS_MAX = 4;

/**
 * A cluster under faults: messages are lost, repeated and reordered, links are cut one way, nodes
 * pause and resume, or crash at any moment with part of their writes done, and disks are slow.
 * Members come and go, logs are compacted, leadership is transferred. After each step the oracle
 * checks all nodes.
 */
export class Chaos {
  readonly #random: Random;
  readonly #weights: Weights;
  readonly #nodes = new Map<NodeId, TestNode>();
  readonly #options: TestOptions;
  readonly #memberMax: number;
  readonly #oracle: Oracle;
  readonly #cut = new Set<string>();
  readonly #trace: (string | TestMessage)[] = [];
  #network: TestMessage[] = [];
  /** Paused nodes, and the step at which each resumes. */
  readonly #paused = new Map<NodeId, number>();
  /** Whether leaders sometimes report that they are busy. */
  readonly #isBusy: boolean;
  #serial = 0;
  #step = 0;

  constructor(seed: number, nodeCount: number) {
    this.#random = seededRandom(seed);
    this.#isBusy = seed % 7 === 3;
    this.#weights = drawWeights(this.#random);
    const voters = Array.from({ length: nodeCount }, (_, i) => String(i + 1));
    const founding = { voters, learners: [] };
    this.#memberMax = nodeCount + JOINERS_MAX;
    this.#oracle = new Oracle(this.#nodes, founding);
    this.#options = {
      random: this.#random,
      electionTicks: 4 + this.#below(7),
      heartbeatTicks: 1 + this.#below(2),
      appendBytesMax: 1 + this.#below(40),
      inflightMax: 1 + this.#below(6),
      inflightBytesMax: 1 + this.#below(100),
      cacheBytesMax: this.#below(2) * 60,
      committedBytesMax: 1 + this.#below(60),
    };
    for (const id of voters) {
      this.#nodes.set(id, new TestNode(id, founding, this.#events, this.#options));
    }
  }

  /** The last steps, for debugging. */
  get trace(): string {
    return this.#trace.map((step) => typeof step === "string" ? step : describeMessage(step)).join(
      "\n",
    );
  }

  /** Counts of the events that a run has to include. */
  get tally(): Tally {
    return this.#oracle.tally;
  }

  /** Takes random steps until there have been `count`. */
  run(count: number): void {
    const actions = Object.keys(this.#weights) as (keyof Weights)[];
    const total = actions.reduce((sum, action) => sum + this.#weights[action], 0);
    for (; this.#step < count; this.#step++) {
      let left = this.#random() * total;
      const action = actions.find((name) => (left -= this.#weights[name]) < 0) ?? "tick";
      this.#act(action, this.#pick());
    }
  }

  /** Ends all faults, and requires that the cluster works again within some election timeouts. */
  recover(): void {
    this.#cut.clear();
    this.#paused.clear();
    for (const node of this.#nodes.values()) if (!node.isUp) node.restart();
    const goal = this.#oracle.commitMax + 1;
    this.#tickUntil("progress", (tick) => {
      if (tick % 20 === 0) this.#leaders().forEach((node) => this.#propose(node));
      return tick > 100 && this.#isRecovered(goal);
    });
    this.#handOver();
    this.#replaceLeader();
  }

  /** Transfers leadership: the other node leads, and has all earlier proposals. */
  #handOver(): void {
    const [leader] = this.#leaders();
    assert(leader !== undefined, "there is a leader");
    const to = leader.raft.status().configuration.voters.find((id) => id !== leader.id);
    if (to === undefined) return;
    this.#note(`hand over from ${leader.id} to ${to}`);
    this.#propose(leader);
    const goal = leader.raft.status().lastIndex;
    assert(leader.raft.transfer(to), "a leader hands over to a voter");
    assert(leader.raft.propose(["x"]) === null, "no proposal is taken during a transfer");
    this.#finishWork();
    const { role, commitIndex } = this.#node(to).raft.status();
    assert(role === "leader" && commitIndex > goal, `${to} got all and leads: it is ${role}`);
  }

  /** Removes the leader: another node leads, and the old leader learns of its removal. */
  #replaceLeader(): void {
    const [leader] = this.#leaders();
    assert(leader !== undefined, "there is a leader");
    const { voters, learners } = leader.raft.status().configuration;
    if (voters.length === 1) return;
    const configuration = { voters: voters.filter((id) => id !== leader.id), learners };
    this.#note(`replace ${leader.id}`);
    assert(leader.raft.configurationRefusal(configuration) === null, "members can be changed");
    leader.raft.propose([configurationText(configuration)]);
    const goal = leader.raft.status().lastIndex + 1; // the successor's no-op
    this.#finishWork();
    assert(leader.raft.status().role === "learner", "a removed leader goes at once");
    this.#tickUntil("successor", () => this.#isRecovered(goal));
  }

  #tickUntil(what: string, isDone: (tick: number) => boolean): void {
    for (let tick = 0; tick < 300; tick++) {
      for (const node of this.#nodes.values()) node.raft.tick();
      this.#finishWork();
      if (isDone(tick)) return;
    }
    const states = [...this.#nodes.values()].map(describeStatus);
    assert(false, `no ${what} after the faults:\n${states.join("\n")}`);
  }

  #leaders(): TestNode[] {
    return [...this.#nodes.values()].filter(({ raft }) => raft.status().role === "leader");
  }

  /** Runs until nothing is in flight, on the network or to a disk. */
  #finishWork(): void {
    do {
      while (this.#network.length > 0) this.#deliver(0);
      for (const node of this.#nodes.values()) this.#work(node, Infinity);
    } while (this.#network.length > 0);
  }

  #isRecovered(goal: number): boolean {
    const leaders = this.#leaders();
    const leader = leaders[0]?.raft.status();
    if (leader === undefined || leaders.length > 1) return false;
    const { configuration: { voters, learners }, lastIndex } = leader;
    const members = [...voters, ...learners].map((id) => this.#node(id).raft.status());
    return members.every((status) =>
      status.commitIndex >= goal && status.appliedIndex === lastIndex &&
      status.lastIndex === lastIndex
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
        raft.busyMib = this.#isBusy ? this.#step % 10 : 0;
        raft.tick();
        break;
      case "propose":
        this.#propose(node);
        break;
      case "read":
        this.#serial++;
        if (raft.readIndex(this.#serial)) this.#oracle.noteRead(node, this.#serial);
        break;
      case "unreachable":
        raft.reportUnreachable(this.#pick().id);
        break;
      case "campaign":
        raft.campaign();
        break;
      case "configure":
        this.#configure(node);
        break;
      case "compact":
        node.compact(this.#below(2) === 0 ? Infinity : this.#below(raft.status().appliedIndex + 1));
        break;
      case "transfer":
        raft.transfer(this.#pick().id);
        break;
      case "crash":
        node.crash(this.#below(node.inFlightCount + 1));
        return this.#oracle.noteCrash(node);
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

  /** Proposes some configuration, whether it is allowed now or not. */
  #configure(node: TestNode): void {
    const { role, configuration: { voters, learners } } = node.raft.status();
    if (role !== "leader") return;
    const id = this.#pickMember();
    const rest = (ids: readonly NodeId[]) => ids.filter((one) => one !== id);
    const isMember = voters.includes(id) || learners.includes(id);
    const wanted = this.#below(isMember ? 3 : 2);
    const next = {
      voters: wanted === 0 ? [...rest(voters), id] : rest(voters),
      learners: wanted === 1 ? [...rest(learners), id] : rest(learners),
    };
    if (this.#below(8) === 0) next.voters.pop(); // one too many, if it is another
    const text = configurationText(next);
    if (node.raft.propose([text]) !== null) this.#note(`${node.id} proposes ${text}`);
  }

  /** A random node, perhaps a new one. */
  #pickMember(): NodeId {
    const id = String(1 + this.#below(this.#memberMax));
    if (!this.#nodes.has(id)) {
      this.#nodes.set(id, new TestNode(id, NO_CONFIGURATION, this.#events, this.#options));
    }
    return id;
  }

  /** The oldest message half of the time, otherwise any. */
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
    node.step(message); // the driver has taken a Ready, but not yet written it
    if (ready !== null) node.write(ready);
    this.#work(node, this.#below(4) === 0 ? 1 : 0);
  }

  /** The driver mostly works at once, and is sometimes busy. */
  #work(node: TestNode, persistCount: number): void {
    if (persistCount > 0 || this.#below(4) > 0) node.pump();
    for (let i = 0; i < persistCount && node.inFlightCount > 0; i++) {
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

  /** Cuts off one or two nodes, or single directions. */
  #partition(): void {
    const isOneWay = this.#below(2) === 0;
    const side = new Set([this.#pick().id, this.#pick().id]);
    for (const from of this.#nodes.keys()) {
      for (const to of this.#nodes.keys()) {
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
      this.#oracle.checkSend(message);
      this.#network.push(message);
      if (this.#network.length > NETWORK_MAX) {
        this.#network.splice(this.#below(NETWORK_MAX), 1);
      }
    },
    write: (node: TestNode, ready: Parameters<Oracle["checkWrite"]>[1]) =>
      this.#oracle.checkWrite(node, ready),
    restore: (node: TestNode, snapshot: Parameters<Oracle["checkRestore"]>[1]) =>
      this.#oracle.checkRestore(node, snapshot),
    apply: (node: TestNode, entry: Parameters<Oracle["checkApply"]>[1]) =>
      this.#oracle.checkApply(node, entry),
    read: (node: TestNode, readId: number, index: number | null) =>
      this.#oracle.checkReadAnswer(node, readId, index),
  };

  #pick(): TestNode {
    const ids = [...this.#nodes.keys()];
    return this.#node(ids[this.#below(ids.length)] ?? "");
  }

  #node(id: NodeId): TestNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, `no node ${id}`);
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
