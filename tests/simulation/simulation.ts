import { randomInteger, seededRandom } from "../../src/base/random.ts";
import { checkHistory } from "../linearizability/check_history.ts";
import type { Operation } from "../linearizability/operation.ts";
import { CalmPhase, isCalm } from "./calm_phase.ts";
import { describePlan, drawFaultPlan, type FaultPlan } from "./fault_plan.ts";
import { Nemesis } from "./nemesis.ts";
import { Operator } from "./operator.ts";
import { Prober } from "./prober.ts";
import { checkProgramOrder, checkStampedOrder } from "./program_order.ts";
import { LASTING_KEY, SimClient } from "./sim_client.ts";
import { SimHistory } from "./sim_history.ts";
import { SimNode } from "./sim_node.ts";
import { SimProxy } from "./sim_proxy.ts";
import { withoutReality } from "./without_reality.ts";
import { whatItWrites, World } from "./world.ts";

/** Simulated time in milliseconds after the faults within which a write must succeed. */
const PROGRESS_MS_MAX = 6_000;
/** Time for which nodes rely on the clocks of others that no longer answer. */
const CLOCKS_KNOWN_MS = 5_000;
/** Time within which nodes must agree after the last write: a full disk retries after 10 s. */
const AGREEMENT_MS_MAX = 12_000;
const CHECK_MS_MAX = 20_000;
const LINES = 150;
/** Maximum number of nodes that join. */
const JOINERS = 3;

export interface SimulationOptions {
  /** `null` if the seed chooses. */
  readonly nodeCount: number | null;
}

export interface SimulationResult {
  readonly seed: number;
  /** The first broken promise, or `null`. */
  readonly failure: string | null;
  /** The plan of faults and the last events, as readable lines. */
  readonly report: readonly string[];
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly faults: number;
  readonly entries: number;
  readonly elections: number;
  /** Number of snapshots taken by nodes. */
  readonly snapshots: number;
  /** Number of snapshots received from others and installed. */
  readonly installs: number;
  /** Number of committed changes of members. */
  readonly changes: number;
}

/** Runs one seed: faults and load, the end of the faults, and the judgement. */
export async function simulate(
  seed: number,
  { nodeCount }: SimulationOptions,
): Promise<SimulationResult> {
  const streams = { random: seededRandom(seed), laterRandom: seededRandom(~seed) };
  const plan = drawFaultPlan(streams, nodeCount);
  const simulation = new Simulation(new World(streams, plan));
  let failure: string | null;
  try {
    failure = await withoutReality(() => simulation.run()) ?? simulation.judge();
  } catch (error) {
    failure = simulation.world.failure ?? (error instanceof Error ? error.stack ?? "" : "");
  }
  return { seed, failure, ...simulation.summary(failure !== null) };
}

class Simulation {
  readonly world: World;
  readonly #plan: FaultPlan;
  readonly #history = new SimHistory();
  readonly #nodes: readonly SimNode[];
  readonly #proxies: readonly SimProxy[];
  readonly #clients: readonly SimClient[];
  readonly #nemesis: Nemesis;
  readonly #operator: Operator;
  /** When the faults ended at a majority. */
  #wellSinceMs = Infinity;

  constructor(world: World) {
    this.world = world;
    this.#plan = world.plan;
    const { nodeCount, proxyCount, clientCount } = world.plan;
    const ids = Array.from({ length: nodeCount }, (_, at) => `n${at + 1}`);
    for (const id of ids) world.nodes.set(id, new SimNode(world, id, ids));
    const founders = [...world.nodes.values()];
    const joinerCount = world.plan.changeMembersMs === null ? 0 : JOINERS;
    for (let at = 1; at <= joinerCount; at++) {
      const id = `n${nodeCount + at}`;
      world.nodes.set(id, new SimNode(world, id, null));
    }
    this.#nodes = [...world.nodes.values()];
    this.#operator = new Operator(world, founders, this.#nodes.slice(nodeCount));
    const seeds = founders.map(({ address }) => address);
    // Enough of them that at least one is among the nodes that are well at the end.
    const fewSeeds = joinerCount > 0 ? seeds : seeds.slice(0, Math.floor(nodeCount / 2) + 1);
    this.#proxies = Array.from(
      { length: proxyCount },
      (_, at) => new SimProxy(world, `p${at + 1}`, at === 0 ? seeds : fewSeeds),
    );
    for (const proxy of this.#proxies) world.proxies.set(proxy.name, proxy);
    this.#clients = this.#makeClients(clientCount);
    this.#nemesis = new Nemesis(world, this.#proxies, this.#clients.map(({ name }) => name));
  }

  /** @returns what is wrong, or `null` */
  async run(): Promise<string | null> {
    const { world } = this;
    for (const node of this.#nodes) {
      world.scheduler.after(world.random() * 100, () => {
        if (!node.isUp && node.isEntered) node.start();
      });
    }
    for (const proxy of this.#proxies) proxy.start();
    for (const client of this.#clients) client.start();
    this.#nemesis.start();
    this.#operator.start();
    await world.run(this.#plan.faultsMs);
    if (world.failure !== null) return world.failure;
    this.#operator.stop();
    const majority = this.#endFaults();
    return await this.#demandProgress(majority) ?? await this.#demandAgreement(majority);
  }

  summary(withReport: boolean): Omit<SimulationResult, "seed" | "failure"> {
    const { trace, scheduler, oracle } = this.world;
    const { ok, refused, unknown } = this.#history.counts;
    const counts = [...this.#nemesis.counts.values()];
    return {
      report: withReport ? [...describePlan(this.#plan), ...trace.last(LINES)] : [],
      traceHash: trace.hash,
      simulatedMs: scheduler.nowMs,
      operations: ok + refused + unknown,
      faults: counts.reduce((sum, count) => sum + count, 0),
      entries: oracle.commitMax,
      elections: oracle.termsLed,
      snapshots: oracle.snapshotCounts.begun,
      changes: oracle.changes,
      installs: oracle.snapshotCounts.installed,
    };
  }

  #makeClients(count: number): SimClient[] {
    const proxies = this.#proxies.map(({ address }) => address);
    const nodes = this.#nodes.map(({ address }) => address);
    return Array.from({ length: count }, (_, at) =>
      new SimClient(this.world, {
        name: `c${at + 1}`,
        history: this.#history,
        targets: at % 2 === 0 ? proxies : nodes,
        keys: ["r1", "r2", "c1", "c2", "t1", LASTING_KEY],
      }));
  }

  /** @returns the nodes at which all is well from now on */
  #endFaults(): SimNode[] {
    const { random } = this.world;
    const sound = this.#nodes.filter(({ isLost }) => !isLost);
    const size = Math.floor(this.#nodes.length / 2) + 1;
    const few = [...this.#nodes];
    const majority: SimNode[] = [];
    // A cluster whose founders were never all up at the same time needs all of them once.
    const isFounded = this.#nodes.every((node) => node.hasTakenPart || !node.isEntered);
    const planned = isFounded ? this.#plan.minority : "healed";
    while (sound.length > 0 && (majority.length < size || planned === "healed")) {
      const [node] = sound.splice(randomInteger(random, sound.length), 1);
      if (node === undefined) break;
      majority.push(node);
      few.splice(few.indexOf(node), 1);
    }
    // A node whose clock is wrong does not lead as long as the others' clocks are known, though it
    // may have entries that the rest of a bare majority lacks. While others come and go, nobody may
    // be able to lead.
    const mayNobodyLead = majority.some(({ hasWrongClock }) => hasWrongClock);
    const minority = planned === "faulty" && mayNobodyLead ? "down" : planned;
    this.#wellSinceMs = this.world.scheduler.nowMs;
    this.world.note("***", "faults end at", majority.map(({ id }) => id).join());
    this.#nemesis.endExcept(minority === "faulty" ? few : []);
    if (minority === "down") {
      for (const node of few) node.crash(false, "for good");
      this.#nemesis.leaveDown(few);
    }
    return majority;
  }

  async #demandProgress(majority: readonly SimNode[]): Promise<string | null> {
    const { world } = this;
    const sinceMs = world.scheduler.nowMs;
    const probers = [
      ...this.#proxies.map(({ address }) => [address]),
      this.#members(majority).map(({ address }) => address),
    ].map((targets, at) => new Prober(world, `w${at + 1}`, targets, this.#history));
    for (const prober of probers) prober.start();
    const haveSucceeded = () => probers.every((prober) => prober.hasSucceeded);
    let isDone = await world.run(sinceMs + PROGRESS_MS_MAX / 2, haveSucceeded);
    const waitMs = this.#waitsForClocks(majority) ? CLOCKS_KNOWN_MS : 0;
    isDone ||= await world.run(sinceMs + PROGRESS_MS_MAX + waitMs, haveSucceeded);
    if (world.failure !== null) return world.failure;
    if (isDone) return null;
    const names = probers.filter(({ hasSucceeded }) => !hasSucceeded).map(({ name }) => name);
    return `no progress: ${names} wrote nothing within ${
      PROGRESS_MS_MAX + waitMs
    } ms; ${this.#states()}`;
  }

  /** Whether nobody may lead yet because the newest entries are at a node with a wrong clock. */
  #waitsForClocks(majority: readonly SimNode[]): boolean {
    if (majority.length > Math.floor(this.#nodes.length / 2) + 1) return false;
    if (majority.some((node) => node.report()?.role === "leader")) return false;
    const newest = majority.reduce((one, other) => isNewer(other, one) ? other : one);
    return newest.hasWrongClock &&
      majority.every((node) => node.hasWrongClock || isNewer(newest, node));
  }

  async #demandAgreement(majority: readonly SimNode[]): Promise<string | null> {
    const { world } = this;
    for (const client of this.#clients) client.stop();
    await world.run(world.scheduler.nowMs + 6_500, () => this.#clients.every((one) => !one.isBusy));
    for (const client of this.#clients) client.abandon();
    const untilMs = world.scheduler.nowMs + AGREEMENT_MS_MAX;
    const isDone = await world.run(
      untilMs,
      () =>
        agree(this.#members(majority)) &&
        this.#members(majority).every(({ machine }) => machine?.isViewed === false),
    );
    if (world.failure !== null) return world.failure;
    if (!isDone) return `no agreement within ${AGREEMENT_MS_MAX} ms: ${this.#states()}`;
    const members = this.#members(majority);
    const [first, ...others] = members;
    for (const node of others) {
      if (node.machine?.dump() !== first?.machine?.dump()) {
        return `the states of ${first?.id} and ${node.id} differ:\n` +
          `${first?.machine?.dump()}\n--\n${node.machine?.dump()}`;
      }
    }
    world.oracle.checkNothingLost();
    return world.failure ?? await this.#readAll(members);
  }

  /**
   * The nodes that are members by now, and know it. A founder whose disk was emptied is lost only
   * when the others report that they have founded the cluster with its old incarnation, which they
   * may do after the faults.
   */
  #members(nodes: readonly SimNode[]): SimNode[] {
    const { members } = this.world.oracle.configuration;
    return nodes.filter(({ id, isEntered, isLost }) =>
      isEntered && !isLost && members.some((member) => member.id === id)
    );
  }

  /** Reads every key at every node. */
  async #readAll(majority: readonly SimNode[]): Promise<string | null> {
    const { world } = this;
    const { keys } = this.#history;
    const readers = majority.map(({ id, address }) =>
      new Prober(world, `r${id}`, [address], this.#history, keys)
    );
    for (const reader of readers) reader.start();
    const isDone = await world.run(
      world.scheduler.nowMs + PROGRESS_MS_MAX,
      () => readers.every((reader) => reader.hasSucceeded),
    );
    if (world.failure !== null) return world.failure;
    if (!isDone) {
      return this.#hasSlowLeader(majority) ? null : `reading is not possible: ${this.#states()}`;
    }
    const hasFounders = this.#plan.changeMembersMs === null;
    return hasFounders && isCalm(this.#plan)
      ? await new CalmPhase(world, majority, this.#history, this.#wellSinceMs).run()
      : null;
  }

  /**
   * Whether a leader with bad links may confirm no read in the time for which nodes wait. Nothing
   * deposes it as long as its heartbeats arrive.
   */
  #hasSlowLeader(majority: readonly SimNode[]): boolean {
    const { straggle, straggleMsMax, waitMs, minority } = this.#plan;
    const leader = this.#nodes.find((node) => node.report()?.role === "leader");
    const hasBadLinks = minority === "faulty" && leader !== undefined && !majority.includes(leader);
    return hasBadLinks && straggle > 0 && 2 * straggleMsMax > waitMs;
  }

  /** @returns what is wrong with the clients' history, or `null` */
  judge(): string | null {
    for (const own of this.#history.ownHistories()) {
      const wrong = checkProgramOrder(own);
      if (wrong !== null) return wrong;
    }
    for (const own of this.#history.stampedHistories()) {
      const wrong = checkStampedOrder(own);
      if (wrong !== null) return `through a proxy ${wrong}`;
    }
    const { operations } = this.#history;
    let judged = checkHistory(operations, { timeoutMs: CHECK_MS_MAX });
    if (judged.verdict === "unknown") {
      // Too many outcomes are unknown. Writes that no node ever executed can be left out.
      const mayMatter = operations.filter((operation) => this.#mayMatter(operation));
      judged = checkHistory(mayMatter, { timeoutMs: CHECK_MS_MAX });
    }
    const { verdict, key, explanation } = judged;
    if (verdict === "linearizable") return null;
    return [`the history is ${verdict}, key ${key}`, ...explanation ?? []].join("\n");
  }

  #mayMatter({ client, key, args: [command = "", ...rest], outcome }: Operation): boolean {
    return outcome.kind !== "unknown" || client === "time" ||
      this.world.executedWrites.has(whatItWrites([command, key, ...rest]));
  }

  #states(): string {
    return this.#nodes.map((node) => {
      const report = node.report();
      if (report === null) return `${node.id} down`;
      const { role, term, commitIndex, appliedIndex, lastIndex } = report;
      return `${node.id} ${role} t${term} ${appliedIndex}/${commitIndex}/${lastIndex}`;
    }).join(", ");
  }
}

/** Whether the log of one node has entries that keep it from voting for the other. */
function isNewer({ log: one }: SimNode, { log: other }: SimNode): boolean {
  const [oneTerm, otherTerm] = [one.termAt(one.lastIndex), other.termAt(other.lastIndex)];
  return oneTerm === otherTerm ? one.lastIndex > other.lastIndex : oneTerm > otherTerm;
}

/** Whether all have applied the same entries, up to the last one. */
function agree(nodes: readonly SimNode[]): boolean {
  const reports = nodes.map((node) => node.report());
  const first = reports[0];
  return reports.every((report) =>
    report !== null && first !== null && first !== undefined &&
    report.appliedIndex === report.lastIndex && report.appliedIndex === first.appliedIndex
  );
}
