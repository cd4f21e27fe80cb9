import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { rowOf } from "../../../src/commands/table.ts";
import { Faults } from "../../../src/faults/faults.ts";
import { FaultyNetwork } from "../../../src/faults/faulty_network.ts";
import { FaultyHandler, FaultyPeers } from "../../../src/faults/faulty_peers.ts";
import { ClientOrder, Request } from "../../../src/node/clients/request.ts";
import { BUILD_VERSIONS, type BuildVersions } from "../../../src/node/members/versions.ts";
import { Node } from "../../../src/node/node.ts";
import { PeerTransport } from "../../../src/node/peers/transport.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Address } from "../../../src/platform/network.ts";
import { OK, type Reply } from "../../../src/resp/reply.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryLog } from "./memory_log.ts";
import { MemoryNetwork } from "./memory_network.ts";

/** The incarnation of a member, the same as long as it keeps its log. */
export function incarnationOf(id: string): string {
  return `directory of ${id}`;
}

export interface MemoryClusterOptions extends
  Partial<
    Pick<
      ConstructorParameters<typeof Node>[0],
      | "inFlightBytesMax"
      | "heartbeatMs"
      | "waitMs"
      | "logger"
      | "founders"
      | "firstWrites"
      | "turnStepsMax"
    >
  > {
  /** The versions of each node's build. @default this build's */
  readonly versionsOf?: (at: number) => BuildVersions;
  /** @default a state machine with the newest version from the start */
  readonly machineOf?: (versions: BuildVersions) => StateMachine;
  /** Time in ms until a turn that a node puts off. @default it follows at once */
  readonly restMs?: number;
  /** The log that a node finds at its first start. @default an empty log */
  readonly logOf?: (at: number) => MemoryLog;
}

/** A whole cluster in one process, on a clock and a network that a test controls. */
export class MemoryCluster {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  /** The error of each node's wall clock, in the order of `nodes`. */
  readonly wallOffsetsMs: number[] = [];
  readonly nodes: Node[] = [];
  /** The injected faults of each node, in the order of `nodes`. */
  readonly faults: Faults[] = [];
  readonly #options: MemoryClusterOptions;
  /** The ids of nodes that ended because they were removed. */
  readonly ended: string[] = [];
  #lifeCount = 0;
  /** Nodes that failed, and why. */
  readonly failed: (readonly [id: string, why: string])[] = [];
  /** Nodes that were told that they may not take part, and why. */
  readonly refused: (readonly [id: string, why: string])[] = [];
  readonly #transports: PeerTransport[] = [];
  /** What each node needs for a restart. */
  readonly #lives: { members: ReadonlyMap<string, Address>; log: MemoryLog }[] = [];
  readonly #syncs: ((error: null) => void)[][] = [];
  /** Nodes whose syncs never end. */
  readonly #stalled = new Set<number>();

  private constructor(options: MemoryClusterOptions) {
    this.#options = options;
  }

  /** @param wallOffsetsMs the error of each node's wall clock from the start */
  static async start(
    size: number,
    options: MemoryClusterOptions = {},
    wallOffsetsMs: readonly number[] = [],
  ): Promise<MemoryCluster> {
    const cluster = new MemoryCluster(options);
    cluster.wallOffsetsMs.push(...wallOffsetsMs);
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    const members = new Map<string, Address>(
      ids.map((id, at) => [id, { host: "memory", port: 17001 + at }]),
    );
    for (const [at, id] of ids.entries()) await cluster.#add(id, at, members);
    return cluster;
  }

  /** Asks the leader to add a new node, and starts it when the leader has agreed. */
  async join(): Promise<Node> {
    const at = this.nodes.length;
    const id = `n${at + 1}`;
    const { leader } = this;
    let answer: Reply | undefined;
    const raftAddress = { host: "memory", port: 17001 + at };
    leader.membership.join(id, raftAddress, incarnationOf(id), (reply) => answer = reply);
    this.until(() => answer !== undefined);
    if (answer !== OK) throw new Error(`not let in: ${JSON.stringify(answer)}`);
    const known = leader.report().members.filter((member) => member.id !== id);
    return await this.#add(id, at, new Map(known.map((one) => [one.id, one.raftAddress])));
  }

  /** Ends a node's process; its log stays. */
  kill(node: Node): void {
    const at = this.nodes.indexOf(node);
    node.stop();
    this.#transports[at]?.stop();
  }

  /** Restarts a killed node, with another port if given, which its peers do not know. */
  async restart(node: Node, port?: number, build?: BuildVersions): Promise<Node> {
    const at = this.nodes.indexOf(node);
    const life = this.#lives[at];
    if (life === undefined) throw new Error("no node of this cluster");
    return await this.#add(node.report().id, at, life.members, life.log, port, build);
  }

  async #add(
    id: string,
    at: number,
    members: ReadonlyMap<string, Address>,
    oldLog: MemoryLog | null = null,
    port = 17001 + at,
    build?: BuildVersions,
  ): Promise<Node> {
    const { clock } = this;
    const syncs: ((error: null) => void)[] = [];
    this.#syncs[at] = syncs;
    const sync = (done: (error: null) => void) => {
      clock.after(1, () => this.#stalled.has(at) ? syncs.push(done) : done(null));
    };
    const common = {
      id,
      clientAddress: { host: "memory", port: 7001 + at },
      clock: this.#clockOf(at),
      random: seededRandom(at + 1),
      logger: this.#options.logger ?? silentLogger,
    };
    const log = oldLog ?? this.#options.logOf?.(at) ?? new MemoryLog({ sync });
    const { versionsOf = () => BUILD_VERSIONS, machineOf = () => new StateMachine() } =
      this.#options;
    const versions = build ?? versionsOf(at);
    const raftAddress = { host: "memory", port };
    const life = `life ${++this.#lifeCount}`;
    const node = new Node({
      ...this.#options,
      ...common,
      clusterId: "memory",
      incarnation: incarnationOf(id),
      members,
      founders: this.#options.founders ??
        new Map([...members.keys()].map((one) => [one, incarnationOf(one)])),
      raftAddress,
      log,
      machine: machineOf(versions),
      versions,
      onFailure: ({ message }) => this.failed.push([id, message]),
      onRefused: (sentence) => this.refused.push([id, sentence]),
      onRemoved: () => this.ended.push(id),
    });
    const faults = new Faults(clock, silentLogger);
    const transport = new PeerTransport({
      ...common,
      clusterId: "memory",
      listen: raftAddress,
      credentials: () => ({ incarnation: incarnationOf(id), life, founders: {}, isFounded: true }),
      versions,
      entryBytesMax: 1024 * 1024,
      network: new FaultyNetwork(this.network.of(port), faults),
    }, new FaultyHandler(node, faults, clock, common.random));
    await transport.start();
    node.start(new FaultyPeers(transport, faults, clock, common.random));
    this.nodes[at] = node;
    this.faults[at] = faults;
    this.#transports[at] = transport;
    this.#lives[at] = { members, log };
    return node;
  }

  #clockOf(at: number): Clock {
    const { clock } = this;
    return {
      nowMs: () => clock.nowMs() + (this.wallOffsetsMs[at] ?? 0),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, run) => clock.after(delayMs || (this.#options.restMs ?? 0), run),
      soon: (run) => clock.soon(run),
    };
  }

  get leader(): Node {
    const leaders = this.nodes.filter((node) => node.report().role === "leader");
    leaders.sort((a, b) => b.report().term - a.report().term);
    const [leader] = leaders;
    if (leader === undefined) throw new Error("no leader");
    return leader;
  }

  get followers(): Node[] {
    return this.nodes.filter((node) => node !== this.leader);
  }

  /** Advances the clock until the condition holds. @throws after 20 s of the cluster's time */
  until(holds: () => boolean): void {
    for (let step = 0; step < 10_000; step++) {
      if (holds()) return;
      this.clock.advance(2);
    }
    throw new Error("the condition never held");
  }

  untilServing(): void {
    this.until(() => this.nodes.every((node) => node.report().isServing));
  }

  stallDisk(node: Node): void {
    this.#stalled.add(this.nodes.indexOf(node));
  }

  healDisk(node: Node): void {
    const at = this.nodes.indexOf(node);
    this.#stalled.delete(at);
    for (const done of this.#syncs[at]?.splice(0) ?? []) done(null);
  }

  isolate(node: Node): void {
    this.network.isolate(17001 + this.nodes.indexOf(node));
  }

  stop(): void {
    for (const node of this.nodes) node.stop();
    for (const transport of this.#transports) transport.stop();
  }
}

/** Runs a test on a serving cluster, and ends the cluster. */
export async function withMemoryCluster(
  size: number,
  test: (cluster: MemoryCluster) => void | Promise<void>,
  options: MemoryClusterOptions = {},
): Promise<void> {
  const cluster = await MemoryCluster.start(size, options);
  try {
    cluster.untilServing();
    await test(cluster);
  } finally {
    cluster.stop();
  }
}

/** A client's connection to one node. */
export class MemoryClient {
  readonly #node: Node;
  readonly #order = new ClientOrder();

  constructor(node: Node) {
    this.#node = node;
  }

  /** Sends a request. The result gets the reply when it arrives. */
  send(...args: string[]): { reply: Reply | undefined } {
    const command = rowOf(args);
    if (command === undefined) throw new Error(`unknown command ${args[0]}`);
    const answer: { reply: Reply | undefined } = { reply: undefined };
    const sink = { settle: (reply: Reply) => answer.reply = reply };
    this.#node.submit(new Request(command, args, this.#order, sink));
    return answer;
  }
}
