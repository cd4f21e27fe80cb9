import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { ask, LOOK_MS, type Member } from "../../support/local_cluster.ts";
import { until } from "../../support/until.ts";
import type { Availability } from "./availability.ts";
import type { ClusterOnMachines } from "./cluster_on_machines.ts";
import type { Machines } from "./machines.ts";
import type { Damage } from "./reach.ts";

/** The kinds of faults, and the weight of each. */
const WEIGHTS = {
  "cut a node off from the others": 2,
  "cut the leader off from the others": 5,
  "cut a node off from all": 2,
  "cut the leader off from all": 3,
  "lose what a node sends to the others": 1,
  "lose what the leader sends to the others": 2,
  "lose what the leader gets from the others": 2,
  "cut two nodes apart": 2,
  "cut most nodes off": 1,
  "cut a proxy off from the leader": 2,
  "cut a proxy off from a follower": 3,
  "lose what a proxy sends to a follower": 2,
  "lose what a follower sends to a proxy": 2,
  "cut the clients off from a proxy": 1,
  "lose what a proxy sends to the clients": 1,
  "power off a node": 2,
  "power off the leader": 3,
  "stop the leader": 2,
  "lose 20 % of all of a node": 2,
  "leave a node behind": 3,
} as const;

export type NetworkFaultKind = keyof typeof WEIGHTS;

export interface PlannedNetworkFault {
  readonly kind: NetworkFaultKind;
  readonly forMs: number;
  /** Seed of the fault's own choices. */
  readonly seed: number;
  /** Time without a fault before the next one. */
  readonly calmMs: number;
}

const FAULT_MS_MIN = 400;
const FAULT_MS_MAX = 4_500;
const CALM_MS_MIN = 300;
const CALM_MS_MAX = 2_500;

/**
 * An endless sequence of faults: each kind as often as its weight before the cycle starts again.
 */
export function* planNetworkFaults(random: Random): Generator<PlannedNetworkFault> {
  const kinds = Object.keys(WEIGHTS) as NetworkFaultKind[];
  for (;;) {
    const bag = kinds.flatMap((kind) => Array.from({ length: WEIGHTS[kind] }, () => kind));
    while (bag.length > 0) {
      const [kind = "power off a node"] = bag.splice(randomInteger(random, bag.length), 1);
      yield {
        kind,
        forMs: FAULT_MS_MIN + randomInteger(random, FAULT_MS_MAX - FAULT_MS_MIN),
        seed: randomInteger(random, 2 ** 32),
        calmMs: CALM_MS_MIN + randomInteger(random, CALM_MS_MAX - CALM_MS_MIN),
      };
    }
  }
}

/** How long a fault may be felt, according to the flags. */
export interface SettleTimes {
  /** After a change among nodes: it is noticed, and a leader elected. */
  readonly nodesMs: number;
  /** After a change between proxies and nodes: the proxy notices it, and asks other nodes. */
  readonly proxiesMs: number;
}

/** A machine loses all its packets for this long … */
const BURST_MS = 20;
/** … in each period of this length: one packet of five, which TCP has to retransmit. */
const BURST_EVERY_MS = 100;
/** How long a node that returns may take to catch up. */
const LEVEL_MS_MAX = 60_000;
/**
 * Number of large values written while a node is left behind, so that the log it lacks is
 * compacted.
 */
const BEHIND_KEYS = 12;

export interface NetworkNemesisOptions {
  readonly cluster: ClusterOnMachines;
  readonly machines: Machines;
  readonly clients: string;
  readonly availability: Availability;
  readonly settle: SettleTimes;
  /** Size of a large value. */
  readonly largeBytes: number;
  readonly largeKeys: readonly string[];
  readonly log: (line: string) => void;
  readonly onProcessEnded: (what: string) => void;
}

type Pair = readonly [string, string];

/** Cuts cables and powers machines off, one fault after the other, and records when. */
export class NetworkNemesis {
  readonly #options: NetworkNemesisOptions;
  readonly counts = new Map<NetworkFaultKind, number>();
  /** Machines whose processes are part of a fault. */
  readonly #held = new Set<Member>();
  #isOver = false;

  constructor(options: NetworkNemesisOptions) {
    this.#options = options;
    for (const member of options.cluster.everybody) this.#watch(member);
  }

  /** Processes may end from now on. */
  over(): void {
    this.#isOver = true;
  }

  /** @throws if a fault fails, or a node does not catch up after it */
  async run(plan: Iterable<PlannedNetworkFault>, durationMs: number): Promise<void> {
    const beginMs = performance.now();
    for (const fault of plan) {
      const atMs = performance.now() - beginMs;
      if (atMs + fault.forMs > durationMs) return;
      const victims = await this.#strike(fault);
      this.#options.log(
        `${Math.round(beginMs + atMs)} ms, for ${fault.forMs} ms: ${fault.kind} (${victims})`,
      );
      this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
      await this.#options.cluster.untilLevel(LEVEL_MS_MAX);
      await sleep(fault.calmMs);
    }
  }

  /** @throws if the fault fails. All is healed before: cuts, power, suspended processes */
  async #strike(fault: PlannedNetworkFault): Promise<string> {
    try {
      return await this.#faults[fault.kind](fault, seededRandom(fault.seed));
    } catch (error) {
      const { machines, cluster } = this.#options;
      for (const { process } of cluster.everybody) await process.signal("SIGCONT");
      await machines.healAll();
      throw error;
    }
  }

  readonly #faults: Readonly<
    Record<NetworkFaultKind, (fault: PlannedNetworkFault, random: Random) => Promise<string>>
  > = {
    "cut a node off from the others": (fault, random) =>
      this.#cutNodes(fault, bothWays([this.#node(random)], this.#nodes)),
    "cut the leader off from the others": async (fault) =>
      this.#cutNodes(fault, bothWays([await this.#leader()], this.#nodes)),
    "cut a node off from all": (fault, random) =>
      this.#cutNodes(fault, bothWays([this.#node(random)], this.#all)),
    "cut the leader off from all": async (fault) =>
      this.#cutNodes(fault, bothWays([await this.#leader()], this.#all)),
    "lose what a node sends to the others": (fault, random) =>
      this.#cutNodes(fault, oneWay([this.#node(random)], this.#nodes)),
    "lose what the leader sends to the others": async (fault) =>
      this.#cutNodes(fault, oneWay([await this.#leader()], this.#nodes)),
    "lose what the leader gets from the others": async (fault) =>
      this.#cutNodes(fault, oneWay(this.#nodes, [await this.#leader()])),
    "cut two nodes apart": (fault, random) => {
      const [one, other] = shuffled(this.#nodes, random);
      return this.#cutNodes(fault, bothWays([one ?? ""], [other ?? ""]));
    },
    "cut most nodes off": (fault, random) => {
      const most = shuffled(this.#nodes, random).slice(0, Math.ceil(this.#nodes.length / 2));
      return this.#cutNodes(fault, most.flatMap((node) => bothWays([node], this.#nodes)));
    },
    "cut a proxy off from the leader": async (fault, random) =>
      this.#cutProxies(fault, bothWays([this.#proxy(random)], [await this.#leader()])),
    "cut a proxy off from a follower": async (fault, random) =>
      this.#cutProxies(fault, bothWays([this.#proxy(random)], [await this.#follower(random)])),
    "lose what a proxy sends to a follower": async (fault, random) =>
      this.#cutProxies(fault, oneWay([this.#proxy(random)], [await this.#follower(random)])),
    "lose what a follower sends to a proxy": async (fault, random) =>
      this.#cutProxies(fault, oneWay([await this.#follower(random)], [this.#proxy(random)])),
    "cut the clients off from a proxy": (fault, random) =>
      this.#cutClients(fault, bothWays([this.#options.clients], [this.#proxy(random)])),
    "lose what a proxy sends to the clients": (fault, random) =>
      this.#cutClients(fault, oneWay([this.#proxy(random)], [this.#options.clients])),
    "power off a node": (fault, random) => this.#powerOff(fault, this.#node(random)),
    "power off the leader": async (fault) => this.#powerOff(fault, await this.#leader()),
    "stop the leader": async (fault) => this.#stop(fault, await this.#leader()),
    "lose 20 % of all of a node": (fault, random) => this.#lose(fault, this.#node(random)),
    "leave a node behind": (fault, random) => this.#leaveBehind(fault, this.#node(random)),
  };

  get #nodes(): string[] {
    return this.#options.cluster.nodes.map(({ name }) => name);
  }

  get #all(): string[] {
    return this.#options.machines.names;
  }

  #node(random: Random): string {
    return shuffled(this.#nodes, random)[0] ?? "";
  }

  #proxy(random: Random): string {
    return shuffled(this.#options.cluster.proxies, random)[0]?.name ?? "";
  }

  async #leader(): Promise<string> {
    let leader: Member | null = null;
    await until("somebody leads", async () => {
      leader = await this.#options.cluster.leader();
      return leader !== null;
    });
    return (leader as Member | null)?.name ?? "";
  }

  async #follower(random: Random): Promise<string> {
    const leader = await this.#leader();
    return shuffled(this.#nodes.filter((name) => name !== leader), random)[0] ?? "";
  }

  #cutNodes(fault: PlannedNetworkFault, pairs: readonly Pair[]): Promise<string> {
    return this.#cut(fault, pairs, {}, this.#options.settle.nodesMs);
  }

  /**
   * Nothing is done to the nodes, so the leader stays. Asking who it is only makes the judge more
   * lenient.
   */
  async #cutProxies(fault: PlannedNetworkFault, pairs: readonly Pair[]): Promise<string> {
    const leader = await this.#leader();
    return this.#cut(fault, pairs, { leader }, this.#options.settle.proxiesMs);
  }

  /**
   * Afterwards the kernel of the clients' machine may wait for as long again before it retransmits.
   */
  #cutClients(fault: PlannedNetworkFault, pairs: readonly Pair[]): Promise<string> {
    const { proxiesMs } = this.#options.settle;
    return this.#cut(fault, pairs, {}, proxiesMs, proxiesMs + fault.forMs);
  }

  async #cut(
    { kind, forMs }: PlannedNetworkFault,
    pairs: readonly Pair[],
    damage: Damage,
    settleMs: number,
    settleEndMs = settleMs,
  ): Promise<string> {
    const { availability, machines } = this.#options;
    const cuts = among(pairs);
    const ended = availability.begin(kind, { ...damage, cuts }, settleMs, performance.now());
    const end = await machines.cut(pairs);
    await sleep(forMs);
    const { leader } = damage;
    if (leader !== undefined && await this.#leader() !== leader) ended.elected();
    await end();
    ended.at(performance.now(), settleEndMs);
    return pairs.map(([from, to]) => `${from}→${to}`).join(" ");
  }

  /** The node sends no last packet, and its kernel knows no connection when it returns. */
  async #powerOff({ kind, forMs }: PlannedNetworkFault, name: string): Promise<string> {
    const { availability, machines, cluster, settle } = this.#options;
    const member = this.#member(name);
    const damage = { down: [name] };
    this.#held.add(member);
    const ended = availability.begin(kind, damage, settle.nodesMs, performance.now());
    const end = await machines.cut(bothWays([name], this.#all));
    await machines.powerOff(name);
    await member.process.signal("SIGKILL");
    await sleep(forMs);
    await machines.powerOn(name);
    await end();
    cluster.restart(member);
    this.#held.delete(member);
    this.#watch(member);
    await until(`${name} listens`, async () => await ask(member, ["PING"]) !== null, {
      timeoutMs: LEVEL_MS_MAX,
      describe: () => member.process.said,
    });
    ended.at(performance.now());
    return name;
  }

  async #stop({ kind, forMs }: PlannedNetworkFault, name: string): Promise<string> {
    const { availability, settle } = this.#options;
    const { process } = this.#member(name);
    const ended = availability.begin(kind, { down: [name] }, settle.nodesMs, performance.now());
    await process.signal("SIGSTOP");
    await sleep(forMs);
    await process.signal("SIGCONT");
    ended.at(performance.now());
    return name;
  }

  async #lose({ kind, forMs }: PlannedNetworkFault, name: string): Promise<string> {
    const { availability, machines, settle } = this.#options;
    const pairs = bothWays([name], this.#all);
    const ended = availability.begin(kind, { lossy: [name] }, settle.nodesMs, performance.now());
    const endMs = performance.now() + forMs;
    while (performance.now() < endMs) {
      const end = await machines.cut(pairs);
      await sleep(BURST_MS);
      await end();
      await sleep(BURST_EVERY_MS - BURST_MS);
    }
    ended.at(performance.now());
    return name;
  }

  /** When the node returns, the log that it lacks has been compacted: it needs a snapshot. */
  async #leaveBehind({ kind, forMs }: PlannedNetworkFault, name: string): Promise<string> {
    const { availability, machines, cluster, settle, largeBytes, largeKeys } = this.#options;
    const pairs = bothWays([name], this.#all);
    const cuts = among(pairs);
    const ended = availability.begin(kind, { cuts }, settle.nodesMs, performance.now());
    const end = await machines.cut(pairs);
    await sleep(forMs); // until it counts as dead
    const others = cluster.nodes.filter((node) => node.name !== name);
    await cluster.fill(largeKeys.slice(0, BEHIND_KEYS), largeBytes);
    await Promise.all(others.map((node) => ask(node, ["BGSAVE"], LOOK_MS)));
    await sleep(forMs);
    await end();
    ended.at(performance.now());
    return name;
  }

  #member(name: string): Member {
    const member = this.#options.cluster.everybody.find((one) => one.name === name);
    if (member === undefined) throw new Error(`there is no ${name}`);
    return member;
  }

  #watch(member: Member): void {
    const { process } = member;
    process.status.then(async ({ code, signal }) => {
      if (this.#isOver || this.#held.has(member)) return;
      await process.ended();
      this.#options.onProcessEnded(
        `${member.name} ended by itself with ${signal ?? `code ${code}`}, its output: ` +
          process.said.slice(-2_000),
      );
    });
  }
}

function among(pairs: readonly Pair[]): (from: string, to: string) => boolean {
  return (from, to) => pairs.some((pair) => pair[0] === from && pair[1] === to);
}

function oneWay(sources: readonly string[], targets: readonly string[]): Pair[] {
  return sources.flatMap((from) =>
    targets.filter((to) => to !== from).map((to) => [from, to] as const)
  );
}

function bothWays(some: readonly string[], others: readonly string[]): Pair[] {
  return [...oneWay(some, others), ...oneWay(others, some)];
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const rest = [...items];
  return items.flatMap(() => rest.splice(randomInteger(random, rest.length), 1));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
