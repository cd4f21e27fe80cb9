import { type Random, randomInteger } from "../../src/base/random.ts";
import { FAULT_KINDS, type FaultKind, type FaultPlan } from "./fault_plan.ts";
import type { SimNode } from "./sim_node.ts";
import type { SimProxy } from "./sim_proxy.ts";
import { setWrong } from "./time_oracle.ts";
import type { World } from "./world.ts";

/** Faults that go on at the other nodes when the faults have ended at a majority. */
const FAULTS_OF_FEW: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "crash",
  "crashInDisk",
  "pause",
  "partitionOne",
  "partitionOneWay",
  "clockJump",
  "slowDisk",
]);

/** Applies the faults of the plan, and ends them. */
export class Nemesis {
  readonly counts = new Map<FaultKind, number>();
  readonly #world: World;
  readonly #random: Random;
  readonly #plan: FaultPlan;
  readonly #nodes: readonly SimNode[];
  readonly #proxies: readonly SimProxy[];
  /** All machines that talk with nodes, including clients. */
  readonly #hosts: readonly string[];
  /** Nodes that faults may still hit. */
  #targets: readonly SimNode[];
  #isLimited = false;
  /** Nodes that stay down once they are down. */
  #leftDown: readonly SimNode[] = [];

  constructor(
    world: World,
    proxies: readonly SimProxy[],
    clientNames: readonly string[],
  ) {
    this.#world = world;
    this.#random = world.random;
    this.#plan = world.plan;
    this.#nodes = [...world.nodes.values()];
    this.#targets = this.#nodes;
    this.#proxies = proxies;
    this.#hosts = [
      ...this.#nodes.map(({ id }) => id),
      ...proxies.map(({ name }) => name),
      ...clientNames,
    ];
    world.nodeEnded = (node) => this.#restartLater(node);
  }

  start(): void {
    this.#setClocks();
    for (const kind of FAULT_KINDS) {
      const everyMs = this.#plan.every[kind];
      if (everyMs !== null) this.#scheduleNext(kind, everyMs);
    }
  }

  #setClocks(): void {
    const { laterRandom, scheduler } = this.#world;
    const { wrongClocks, clocksAheadMs, faultsMs, nodeCount } = this.#plan;
    const first = randomInteger(laterRandom, nodeCount);
    for (let at = 0; at < wrongClocks; at++) {
      const node = this.#nodes[(first + at) % nodeCount];
      if (node === undefined) continue;
      node.hasWrongClock = true;
      setWrong(node.hostClock, laterRandom());
      this.#note(node.id, "clock is wrong", Math.round(node.hostClock.wallOffsetMs));
    }
    if (clocksAheadMs === 0) return;
    scheduler.after((0.2 + 0.6 * laterRandom()) * faultsMs, () => {
      this.#note("***", "clocks are put right");
      for (const { hostClock, hasWrongClock } of this.#nodes) {
        if (!hasWrongClock) hostClock.wallOffsetMs -= clocksAheadMs;
      }
    });
  }

  /** Ends all faults, except those that hit the given few nodes. */
  endExcept(few: readonly SimNode[]): void {
    this.#isLimited = true;
    this.#targets = few;
    const { network } = this.#world;
    network.mendAll();
    network.isFaulty = false;
    for (const { id } of few) network.keepBad(id);
    for (const proxy of this.#proxies) {
      proxy.resume();
      proxy.start();
    }
    for (const node of this.#nodes) {
      if (!few.includes(node)) this.#heal(node);
    }
  }

  leaveDown(nodes: readonly SimNode[]): void {
    this.#leftDown = nodes;
  }

  #heal(node: SimNode): void {
    node.disk.armed = null;
    node.disk.isFull = false;
    node.disk.isFaulty = false;
    node.disk.unhang();
    node.disk.slowness = 1;
    node.resume();
    this.#startIfDown(node);
  }

  #isTarget(node: SimNode): boolean {
    return this.#targets.includes(node);
  }

  #scheduleNext(kind: FaultKind, everyMs: number): void {
    const isLater = kind === "partitionAll" || kind === "wipe";
    const random = isLater ? this.#world.laterRandom : this.#random;
    const waitMs = -Math.log(1 - random()) * everyMs;
    this.#world.scheduler.after(waitMs, () => {
      if (this.#isLimited && (this.#targets.length === 0 || !FAULTS_OF_FEW.has(kind))) return;
      this.#strike(kind);
      this.#scheduleNext(kind, everyMs);
    });
  }

  #strike(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (kind === "partitionAll") return this.#cutAll();
    if (kind === "wipe") return this.#wipe();
    const node = this.#pick(this.#targets);
    switch (kind) {
      case "crash":
        return this.#crash(node);
      case "crashAll":
        return this.#nodes.forEach((one) => this.#crash(one));
      case "crashInDisk":
        // A loss of power while a damaged node starts would erase what shows the damage.
        if (!node.isDamaged) node.disk.armed = "crash";
        return;
      case "diskError":
        node.disk.armed = this.#random() < 0.5 ? "write error" : "sync error";
        return this.#note(node.id, `${node.disk.armed} ahead`);
      case "diskFull":
        node.disk.isFull = true;
        return this.#note(node.id, "disk full");
      case "slowDisk":
        return this.#slowDown(node);
      case "pause":
        return this.#pause(node);
      case "leaderAsleep":
        return this.#putToSleep(this.#leader() ?? node);
      case "flip":
        return this.#flip(node);
      case "clockJump":
        return this.#jump(node);
      case "reset":
        return this.#reset();
      case "proxyCrash":
      case "proxyPause":
        return this.#strikeProxy(kind, this.#pick(this.#proxies));
      default:
        return this.#partition(kind, node);
    }
  }

  #crash(node: SimNode): void {
    if (this.#random() < 0.15) return node.stop();
    node.crash(this.#random() < this.#plan.crashLosesPower, "at any time");
  }

  #restartLater(node: SimNode): void {
    this.#world.scheduler.after(this.#random() * this.#plan.restartMsMax, () => {
      // The operator may have freed space, or only hopes so.
      if (node.disk.isFull && this.#random() < 0.5) {
        node.disk.isFull = false;
        this.#note(node.id, "disk has room again");
      }
      this.#startIfDown(node);
    });
  }

  /** Starts the node unless another fault has done so, or it cannot start. */
  #startIfDown(node: SimNode): void {
    if (node.isUp || !node.isEntered || node.hasRefused || this.#leftDown.includes(node)) return;
    node.start();
  }

  #slowDown(node: SimNode): void {
    if (this.#world.laterRandom() < 0.25) {
      this.#note(node.id, "disk hangs");
      node.disk.hang();
      // Long enough for a leader to notice.
      this.#world.scheduler.after(
        500 + this.#world.laterRandom() * 4_000,
        () => node.disk.unhang(),
      );
    }
    node.disk.slowness = 1 + this.#random() * 30;
    this.#note(node.id, "slow disk");
    this.#endLater(node, this.#plan.pauseMsMax * 2, () => node.disk.slowness = 1);
  }

  #pause(node: SimNode): void {
    if (!node.isUp || node.isPaused) return;
    this.#note(node.id, "paused");
    node.pause();
    this.#endLater(node, this.#plan.pauseMsMax, () => {
      this.#note(node.id, "goes on");
      node.resume();
    });
  }

  /** Only a minority of the disks may be lost: there must be a good copy of everything. */
  #mayLose(node: SimNode): boolean {
    const lost = this.#nodes.filter(({ mayBeLost }) => mayBeLost).length;
    return !node.isLost && lost < Math.floor((this.#nodes.length - 1) / 2);
  }

  /**
   * Between the start of the first founder and that of the last, a lost disk may make the others
   * wait.
   */
  get #haveAllBegun(): boolean {
    return this.#nodes.every(({ hasTakenPart }) => hasTakenPart);
  }

  /**
   * The operator starts a node on an empty disk, as on the first day, while others cannot be
   * reached.
   */
  #wipe(): void {
    const { laterRandom } = this.#world;
    const takingPart = this.#nodes.filter(({ hasTakenPart }) => hasTakenPart).length;
    const node = this.#nodes[randomInteger(laterRandom, this.#nodes.length)];
    const isClear = takingPart === 0 || this.#haveAllBegun;
    if (node === undefined || !isClear || !this.#mayLose(node) || node.disk.armed !== null) return;
    node.crash(true, "to lose its disk");
    if (node.isUp) return;
    node.wipe(takingPart > 0);
    this.#note(node.id, "has an empty disk");
    const others = this.#nodes.filter((one) => one !== node);
    const away = others[randomInteger(laterRandom, others.length)];
    if (away === undefined) return;
    const cuts = this.#nodes.flatMap(({ id }): [string, string][] =>
      id === away.id ? [] : [[id, away.id], [away.id, id]]
    );
    const forMs = laterRandom() * 10 * this.#plan.electionMs;
    this.#cut(cuts, `around ${away.id}, which knows of the empty disk`, forMs);
  }

  #flip(node: SimNode): void {
    if (!this.#haveAllBegun || !this.#mayLose(node)) return;
    const losesPower = this.#random() < this.#plan.crashLosesPower;
    node.crash(losesPower, "to be damaged");
    if (node.isUp) return;
    const place = node.disk.flip(losesPower);
    if (place === null) return;
    node.isDamaged = true;
    node.disk.armed = null;
    this.#note(node.id, "flipped a bit of", place);
  }

  #jump(node: SimNode): void {
    const chance = this.#random();
    if (node.hasWrongClock) setWrong(node.hostClock, chance);
    else if (!this.#plan.areClocksRight) {
      node.hostClock.wallOffsetMs += (chance * 2 - 1) * this.#plan.clockJumpMsMax;
    }
    this.#note(node.id, "clock jumps to", Math.round(node.hostClock.wallOffsetMs));
  }

  #reset(): void {
    const stream = this.#world.network.resetOne();
    if (stream !== null) this.#note("net", "reset", stream);
    const [from, to] = [this.#pick(this.#nodes), this.#pick(this.#nodes)];
    if (this.#plan.peers === "messages" && from !== to) from.unreachable(to.id);
  }

  #strikeProxy(kind: "proxyCrash" | "proxyPause", proxy: SimProxy): void {
    if (kind === "proxyCrash") {
      proxy.crash();
      this.#later(this.#plan.restartMsMax, () => proxy.start());
    } else {
      this.#note(proxy.name, "paused");
      proxy.pause();
      this.#later(this.#plan.pauseMsMax, () => proxy.resume());
    }
  }

  #partition(kind: FaultKind, node: SimNode): void {
    const side = new Set([node.id]);
    if (kind === "partitionLeader") {
      side.clear();
      side.add((this.#leader() ?? node).id);
    } else if (kind === "partitionHalves") {
      for (const host of this.#hosts) if (this.#random() < 0.4) side.add(host);
    }
    // Clients and proxies often still reach a node that its peers do not.
    const isAmongNodes = this.#random() < 0.5;
    const hosts = isAmongNodes ? this.#nodes.map(({ id }) => id) : this.#hosts;
    const direction = kind === "partitionOneWay" ? randomInteger(this.#random, 2) : 2;
    const cuts: [string, string][] = [];
    for (const inside of side) {
      for (const outside of hosts) {
        if (side.has(outside)) continue;
        if (direction !== 0) cuts.push([inside, outside]);
        if (direction !== 1) cuts.push([outside, inside]);
      }
    }
    const way = ["towards", "away from", "around"][direction] ?? "";
    const among = isAmongNodes ? "among nodes" : "for all";
    this.#cut(
      cuts,
      `${way} ${[...side].join()} ${among}`,
      this.#random() * this.#plan.partitionMsMax,
    );
  }

  /**
   * The node wakes up believing that it leads, hears nothing from its peers, and clients send it
   * requests.
   */
  #putToSleep(node: SimNode): void {
    if (!node.isUp || node.isPaused) return;
    const asleepMs = this.#plan.electionMs * (2 + this.#random() * 2);
    const cuts = this.#nodes.flatMap(({ id }): [string, string][] =>
      id === node.id ? [] : [[id, node.id], [node.id, id]]
    );
    this.#cut(cuts, `around ${node.id}, which sleeps`, asleepMs + this.#random() * 500);
    node.pause();
    this.#world.scheduler.after(asleepMs, () => node.resume());
  }

  /** No node hears any other: the leader steps down, and may be elected again. */
  #cutAll(): void {
    const cuts = this.#nodes.flatMap((from) =>
      this.#nodes.filter((to) => to !== from).map((to): [string, string] => [from.id, to.id])
    );
    const forMs = this.#plan.electionMs * (2 + this.#world.laterRandom() * 2);
    this.#cut(cuts, "between all nodes", forMs);
  }

  #cut(cuts: readonly (readonly [string, string])[], where: string, forMs: number): void {
    const { network, scheduler } = this.#world;
    this.#note("net", "cut", where);
    for (const [from, to] of cuts) network.cut(from, to);
    const isLimited = this.#isLimited;
    scheduler.after(forMs, () => {
      if (isLimited !== this.#isLimited) return; // all was mended since
      this.#note("net", "mended", where);
      for (const [from, to] of cuts) network.mend(from, to);
    });
  }

  #leader(): SimNode | undefined {
    const leaders = this.#nodes.filter((node) => node.report()?.role === "leader");
    return leaders.length === 0 ? undefined : this.#pick(leaders);
  }

  #endLater(node: SimNode, mostMs: number, end: () => void): void {
    this.#later(mostMs, () => {
      if (this.#isTarget(node)) end();
    });
  }

  #later(mostMs: number, run: () => void): void {
    this.#world.scheduler.after(this.#random() * mostMs, run);
  }

  #pick<T>(from: readonly T[]): T {
    return from[randomInteger(this.#random, from.length)] as T;
  }

  #note(who: string, what: string, ...facts: (string | number)[]): void {
    this.#world.note(who, `*** ${what}`, ...facts);
  }
}
