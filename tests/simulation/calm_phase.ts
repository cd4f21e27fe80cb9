import { randomInteger } from "../../src/base/random.ts";
import { majority as majorityOf } from "../../src/raft/quorum.ts";
import type { FaultPlan } from "./fault_plan.ts";
import { Prober } from "./prober.ts";
import type { SimHistory } from "./sim_history.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

const WAIT_MS_MAX = 6_000;
/** How long a node's timers and the clients' kernels may be late, and a heartbeat be delayed by it. */
const LATENESS_MS_MAX = 20;
/** From a deadline to the time when no node holds the key any more. */
const EXPIRY_MS_MAX = 300;

/** Whether no follower can miss its leader for an election timeout when no fault strikes. */
export function isCalm(plan: FaultPlan): boolean {
  const { minority, heartbeatMs, delayMs, jitterMs, electionMs } = plan;
  const silenceMsMax = heartbeatMs + delayMs + jitterMs + LATENESS_MS_MAX;
  return minority !== "faulty" && silenceMsMax < 0.8 * electionMs;
}

/** Nothing happens any more, but that one node is cut off for a while, and that keys end. */
export class CalmPhase {
  readonly #world: World;
  readonly #nodes: readonly SimNode[];
  readonly #history: SimHistory;

  /** @param nodes a majority, at which all is well and that agrees; no others are up */
  constructor(world: World, nodes: readonly SimNode[], history: SimHistory) {
    this.#world = world;
    this.#nodes = nodes;
    this.#history = history;
  }

  /** @returns what is wrong, if anything */
  async run(): Promise<string | null> {
    const { electionMs } = this.#world.plan;
    await this.#runUntil(() => this.#leader() !== undefined);
    const leader = this.#leader();
    if (leader === undefined) return "nobody leads, though all is calm";
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
    await this.#runUntil(() => this.#overdue(leader) === null);
    return this.#world.failure ?? this.#overdue(leader);
  }

  /** If the others are a majority without it. */
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

  /** Keys that are there although their time is over by the leader's clock, which nothing holds up. */
  #overdue(leader: SimNode): string | null {
    const nowMs = leader.hostClock.wallMs(this.#world.scheduler.nowMs);
    for (const { id, machine } of this.#nodes) {
      const deadlineMs = machine?.nextDeadlineMs() ?? Infinity;
      if (deadlineMs + EXPIRY_MS_MAX < nowMs) {
        return `${id} holds a key of ${deadlineMs}, and at the leader it is ${nowMs}`;
      }
    }
    return null;
  }

  #leader(): SimNode | undefined {
    return this.#nodes.find((node) => node.report()?.role === "leader");
  }

  #runFor(forMs: number): Promise<boolean> {
    return this.#world.run(this.#world.scheduler.nowMs + forMs);
  }

  #runUntil(isDone: () => boolean): Promise<boolean> {
    return this.#world.run(this.#world.scheduler.nowMs + WAIT_MS_MAX, isDone);
  }
}
