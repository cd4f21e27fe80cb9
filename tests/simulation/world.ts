import type { Random } from "../../src/base/random.ts";
import type { LogEntry } from "../../src/node/log/entry.ts";
import type { ClusterConfiguration } from "../../src/node/members/configuration.ts";
import type { StateReport } from "../../src/node/members/report.ts";
import { isClockMessage, type PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { FaultPlan, RandomStreams } from "./fault_plan.ts";
import { LeaderWatch } from "./leader_watch.ts";
import { Oracle } from "./oracle.ts";
import { Scheduler } from "./scheduler.ts";
import { SimNetwork } from "./sim_network.ts";
import type { SimNode } from "./sim_node.ts";
import { type HostClock, SimProcess } from "./sim_process.ts";
import type { SimProxy } from "./sim_proxy.ts";
import { TimeOracle } from "./time_oracle.ts";
import { Trace } from "./trace.ts";

/** The port at which peers reach a node. */
export const RAFT_PORT = 17001;

function foundersOf({ nodeCount }: FaultPlan): ClusterConfiguration {
  const members = Array.from({ length: nodeCount }, (_, at) => {
    const id = `n${at + 1}`;
    return { id, raftAddress: { host: id, port: RAFT_PORT }, isLearner: false };
  });
  return { members, removed: [] };
}

/** Command, key and value, which identify a write; a deadline does not count. */
export function whatItWrites([command = "", key = "", value = ""]: readonly string[]): string {
  return `${command} ${key} ${value}`;
}

/** What all machines of one simulation share. */
export class World {
  readonly random: Random;
  readonly laterRandom: Random;
  readonly plan: FaultPlan;
  readonly scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly oracle: Oracle;
  readonly leaderWatch: LeaderWatch;
  readonly timeOracle: TimeOracle;
  readonly trace = new Trace();
  /** `whatItWrites` for each write that any node has executed. */
  readonly executedWrites = new Set<string>();
  readonly nodes = new Map<NodeId, SimNode>();
  /** The proxies by the names of their machines. */
  readonly proxies = new Map<string, SimProxy>();
  /** Called when a node's process has ended, for whatever reason. */
  nodeEnded: (node: SimNode) => void = () => {};
  readonly #waiting: Promise<void>[] = [];

  constructor({ random, laterRandom }: RandomStreams, plan: FaultPlan) {
    this.random = random;
    this.laterRandom = laterRandom;
    this.plan = plan;
    this.network = new SimNetwork(this.scheduler, random, plan);
    this.oracle = new Oracle(this.nodes, foundersOf(plan));
    this.timeOracle = new TimeOracle({ plan, fail: (what) => this.oracle.fail(what) });
    this.leaderWatch = new LeaderWatch({
      plan,
      nowMs: () => this.scheduler.nowMs,
      fail: (what) => this.oracle.fail(what),
    });
  }

  /** Whether the machine of this name is a proxy's. */
  isProxy(name: string): boolean {
    return name.startsWith("p");
  }

  get failure(): string | null {
    return this.oracle.failure;
  }

  process(name: string, hostClock: HostClock): SimProcess {
    return new SimProcess({
      name,
      scheduler: this.scheduler,
      random: this.random,
      hostClock,
      laziness: this.plan.laziness,
      onException: (error) => {
        const text = error instanceof Error ? error.stack ?? error.message : String(error);
        this.oracle.failure ??= `${name} died of ${text}`;
      },
    });
  }

  note(who: string, what: string, ...facts: readonly (string | number | boolean | null)[]): void {
    this.trace.note(this.scheduler.nowMs, who, what, ...facts);
  }

  /**
   * A node is about to append these entries. If it is the leader, it has just chosen their time.
   */
  noteTime({ id, role, term }: StateReport, entries: readonly LogEntry[]): void {
    if (role !== "leader") return;
    for (const { data } of entries) {
      if (data !== null) this.timeOracle.proposed(id, term, data.timeMs, this.scheduler.nowMs);
    }
  }

  timeApplied(timeMs: number): void {
    this.timeOracle.applied(timeMs, this.scheduler.nowMs);
  }

  /** A node is about to handle a peer's message. */
  handling(message: PeerMessage): void {
    this.#noteMessage(message);
    this.oracle.handling(message);
    const report = this.nodes.get(message.to)?.report();
    if (report) this.leaderWatch.handling(message, report);
  }

  #noteMessage(message: PeerMessage): void {
    const { type, from, to } = message;
    if (isClockMessage(message)) return this.note(to, `< ${type}`, from, message.serial);
    const { term } = message;
    switch (message.type) {
      case "append":
        return this.note(
          to,
          "< append",
          from,
          `t${term}`,
          `${message.prevIndex}/${message.prevTerm}`,
          `+${message.entries.length}`,
          `c${message.commit}`,
        );
      case "appendReply":
        return this.note(to, "< appendReply", from, `t${term}`, message.accepted, message.index);
      case "vote":
      case "preVote":
        return this.note(
          to,
          `< ${type}`,
          from,
          `t${term}`,
          `${message.lastIndex}/${message.lastTerm}`,
        );
      case "voteReply":
      case "preVoteReply":
        return this.note(to, `< ${type}`, from, `t${term}`, message.granted);
      case "readIndexReply":
        return this.note(to, "< readIndexReply", from, `t${term}`, message.readId, message.index);
      case "readIndex":
        return this.note(to, "< readIndex", from, `t${term}`, message.readId);
      case "heartbeat":
      case "heartbeatReply":
        return this.note(to, `< ${type}`, from, `t${term}`, `r${message.round}`);
      case "snapshotOffer":
        return this.note(to, "< snapshotOffer", from, `t${term}`, message.snapshot.index);
      case "snapshotChunk":
      case "snapshotReply":
        return this.note(to, `< ${type}`, from, `t${term}`, message.index, message.offset);
      default:
        return this.note(to, `< ${type}`, from, `t${term}`);
    }
  }

  deliver(to: NodeId, message: PeerMessage): void {
    this.nodes.get(to)?.deliver(message);
  }

  /** Introduces a node to its peers, as the transport's hello does. */
  introduce(id: NodeId): void {
    for (const other of this.nodes.values()) {
      const node = this.nodes.get(id);
      if (other.id === id || !other.isEntered || node === undefined) continue;
      this.scheduler.after(1, () => other.announced(node));
      this.scheduler.after(1, () => node.announced(other));
    }
  }

  /** Waits for a promise that settles without waiting for anything real. */
  wait(work: Promise<void>): void {
    this.#waiting.push(work);
  }

  /** Runs until this simulated time, or until something is wrong or `isDone` returns true. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    while (this.failure === null && !isDone()) {
      if (this.#waiting.length > 0) await Promise.all(this.#waiting.splice(0));
      if (!this.scheduler.runNext(untilMs)) return isDone();
    }
    return this.failure === null;
  }
}
