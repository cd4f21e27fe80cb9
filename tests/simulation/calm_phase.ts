import { randomInteger } from "../../src/base/random.ts";
import { majority as majorityOf } from "../../src/raft/mod.ts";
import { DeadlineProbe } from "./deadline_probe.ts";
import type { FaultPlan } from "./fault_plan.ts";
import { Prober } from "./prober.ts";
import type { SimHistory } from "./sim_history.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

const WAIT_MS_MAX = 6_000;
/** How late a node's timers and the clients' kernels may be, and a heartbeat with them. */
const LATENESS_MS_MAX = 20;

/**
 * Time until all links work after the faults. The kernel may still be silent on connections that
 * were cut off before: a node gives them up after a second, and reconnects within another.
 */
const LINKS_MS_MAX = 2_100;
/** Clocks are measured with an error of half the round trip, which is short now. */
const MEASURED_MS_MAX = 100;

/** Whether no follower can miss its leader for an election timeout without a fault. */
export function isCalm(plan: FaultPlan): boolean {
  const { minority, heartbeatMs, delayMs, jitterMs, electionMs } = plan;
  const silenceMsMax = heartbeatMs + delayMs + jitterMs + LATENESS_MS_MAX;
  return minority !== "faulty" && silenceMsMax < 0.8 * electionMs;
}

/**
 * A phase without faults, except that one node is cut off for a while, and in which keys expire.
 */
export class CalmPhase {
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #history: SimHistory;
  readonly #wellSinceMs: number;

  /**
   * @param nodes a healthy majority in agreement; all others are down
   * @param wellSinceMs when the faults ended there
   */
  constructor(
    world: World,
    nodes: readonly SimNode[],
    history: SimHistory,
    wellSinceMs: number,
  ) {
    this.#world = world;
    this.#nodes = nodes;
    this.#history = history;
    this.#wellSinceMs = wellSinceMs;
  }

  /** @returns what is wrong, or `null` */
  async run(): Promise<string | null> {
    const { electionMs, peers } = this.#world.plan;
    if (peers === "transport") await this.#world.run(this.#wellSinceMs + LINKS_MS_MAX);
    // Nodes compare their clocks once a second, so a leader whose clock is wrong may not know it
    // yet. And a leader whose disk has been slow since before the faults ended hands over.
    await this.#runUntil(() => this.#areDisksCalm());
    await this.#runUntil(() => this.#leader() !== undefined && !this.#leadsByWrongClock());
    const leader = this.#leader();
    if (leader === undefined) return "nobody leads, though all is calm";
    if (this.#leadsByWrongClock()) return `${leader.id} leads on, and its clock is wrong by years`;
    const before = leader.report()?.term;
    const writer = new Prober(this.#world, "wcalm", [leader.address], this.#history);
    writer.start();
    if (!await this.#runUntil(() => writer.hasSucceeded)) return `${leader.id} takes no write`;
    this.#cutOffOneFor(4 * electionMs, leader);
    await this.#runFor(7 * electionMs);
    const report = leader.report();
    if (report?.role !== "leader" || report.term !== before) {
      return `${leader.id} led term ${before} and was deposed though all was calm: ` +
        `it is ${report?.role} in term ${report?.term}`;
    }
    const areEqual = await this.#runUntil(() =>
      this.#nodes.every((node) => node.report()?.appliedIndex === leader.report()?.lastIndex)
    );
    if (!areEqual) return "a node that was cut off for a moment does not catch up";
    // If clocks are an hour apart, the log's time jumps as soon as a majority of clocks is known.
    await this.#runUntil(() => this.#timeHasCaughtUp(leader));
    const wrong = await new DeadlineProbe(this.#world, this.#nodes, leader).run();
    return this.#world.failure ?? wrong;
  }

  /** Cuts one follower off for a moment, if the others are a majority without it. */
  #cutOffOneFor(forMs: number, leader: SimNode): void {
    const { network, scheduler, random, nodes } = this.#world;
    if (this.#nodes.length <= majorityOf(nodes.size)) return;
    const others = this.#nodes.filter((node) => node !== leader);
    const lonely = others[randomInteger(random, others.length)];
    if (lonely === undefined) return;
    this.#world.note(lonely.id, "*** cut off, and all else is calm");
    for (const id of nodes.keys()) {
      if (id === lonely.id) continue;
      network.cut(id, lonely.id);
      network.cut(lonely.id, id);
    }
    scheduler.after(forMs, () => {
      this.#world.note(lonely.id, "*** is back");
      network.mendAll();
    });
  }

  #leader(): SimNode | undefined {
    return this.#nodes.find((node) => node.report()?.role === "leader");
  }

  #areDisksCalm(): boolean {
    return this.#nodes.every(({ disk }) => disk.isCalm);
  }

  /** Whether the log's time has reached the time of a majority of the clocks that are up. */
  #timeHasCaughtUp(leader: SimNode): boolean {
    const { scheduler, nodes } = this.#world;
    const times = this.#nodes.map(({ hostClock }) => hostClock.wallMs(scheduler.nowMs));
    const majorityMs = times.sort((a, b) => b - a)[majorityOf(nodes.size) - 1] ?? -Infinity;
    const logTimeMs = leader.report()?.time.logTimeMs ?? -Infinity;
    return logTimeMs >= majorityMs - MEASURED_MS_MAX;
  }

  /** Whether the leader's clock is wrong although most others are right and all nodes are up. */
  #leadsByWrongClock(): boolean {
    const isAllWell = this.#nodes.length === this.#world.nodes.size;
    return isAllWell && this.#world.plan.areClocksRight && this.#leader()?.hasWrongClock === true;
  }

  #runFor(forMs: number): Promise<boolean> {
    return this.#world.run(this.#world.scheduler.nowMs + forMs);
  }

  #runUntil(isDone: () => boolean): Promise<boolean> {
    return this.#world.run(this.#world.scheduler.nowMs + WAIT_MS_MAX, isDone);
  }
}
