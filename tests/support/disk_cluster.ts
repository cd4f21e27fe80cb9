import type { Logger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { StateMachine } from "../../src/commands/state_machine.ts";
import { openDataDirectory } from "../../src/node/log/data_directory.ts";
import type { DiskLog } from "../../src/node/log/disk_log.ts";
import { Node } from "../../src/node/node.ts";
import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import { PeerTransport } from "../../src/node/peers/transport.ts";
import type { DiskSnapshots } from "../../src/node/snapshots/disk_snapshots.ts";
import { restoreNewest } from "../../src/node/snapshots/node_snapshots.ts";
import type { Address } from "../../src/platform/network.ts";
import { type DiskFault, type DiskOperation, FaultDisk } from "./fault_disk.ts";
import { ManualClock } from "./node/manual_clock.ts";
import { MemoryNetwork } from "./node/memory_network.ts";

export interface DiskClusterOptions {
  /** @default 20_000 */
  readonly snapshotLogBytes?: number;
  /** @default 8_000 */
  readonly segmentBytesMax?: number;
}

/** A node's process, from its start to its end. */
export interface Life {
  readonly node: Node;
  readonly machine: StateMachine;
  readonly log: DiskLog;
  readonly snapshots: DiskSnapshots;
  readonly disk: FaultDisk;
  readonly transport: PeerTransport;
}

/**
 * Nodes with data directories on in-memory disks, in one process, on a clock that the test moves.
 */
export class DiskCluster {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly lives = new Map<string, Life>();
  readonly logLines: string[] = [];
  /** Decides which messages are lost. */
  isLost: (message: PeerMessage) => boolean = () => false;
  /** All messages that nodes have sent. */
  readonly sent: PeerMessage[] = [];
  /** The fault of each operation on a node's disk. */
  readonly faults = new Map<string, (operation: DiskOperation) => DiskFault | null>();
  readonly #options: Required<DiskClusterOptions>;
  readonly #members: ReadonlyMap<string, Address>;
  readonly #disks = new Map<string, FaultDisk>();
  #startCount = 0;

  constructor(size: number, options: DiskClusterOptions = {}) {
    this.#options = { snapshotLogBytes: 20_000, segmentBytesMax: 8_000, ...options };
    const ids = Array.from({ length: size }, (_, at) => `n${at + 1}`);
    this.#members = new Map(ids.map((id, at) => [id, { host: "memory", port: 17001 + at }]));
  }

  async startAll(): Promise<void> {
    for (const id of this.#members.keys()) await this.start(id);
  }

  /** Starts a node on its disk as it was left. */
  async start(id: string): Promise<Life> {
    const port = this.portOf(id);
    const disk = this.#diskOf(id);
    const logger = this.#logger(id);
    const members = this.#members;
    const { log, snapshots } = openDataDirectory(disk, {
      nodeId: id,
      nonce: "nonce",
      clusterId: "c1",
      members: new Map([...members].map(([member, { host, port }]) => [member, `${host}:${port}`])),
      segmentBytesMax: this.#options.segmentBytesMax,
      logger,
      onFailure: (error) => {
        throw error;
      },
    });
    const machine = new StateMachine();
    restoreNewest(snapshots, machine);
    const common = {
      id,
      clientAddress: { host: "memory", port: port - 10_000 },
      clock: this.clock,
      random: seededRandom(++this.#startCount),
      logger,
    };
    const { snapshotLogBytes } = this.#options;
    const startCount = this.#startCount;
    const node = new Node({
      ...common,
      incarnation: `of ${id}`,
      founders: new Map([...members.keys()].map((one) => [one, `of ${one}`])),
      members,
      log,
      machine,
      snapshots,
      snapshotLogBytes,
    });
    const transport = new PeerTransport({
      ...common,
      clusterId: "c1",
      listen: { host: "memory", port },
      credentials: () => (
        { incarnation: `of ${id}`, life: `life ${startCount}`, founders: {}, isFounded: true }
      ),
      entryBytesMax: 16 * 1024 * 1024,
      network: this.network.of(port),
    }, node);
    await transport.start();
    node.start({
      send: (message) => {
        this.sent.push(message);
        if (!this.isLost(message)) transport.send(message);
      },
      flush: () => transport.flush(),
      isConnected: (peer) => transport.isConnected(peer),
      problem: (peer) => transport.problem(peer),
      follow: (plan) => transport.follow(plan),
    });
    const life = { node, machine, log, snapshots, disk, transport };
    this.lives.set(id, life);
    return life;
  }

  /** Kills the process; what it wrote stays. */
  kill(id: string): void {
    const life = this.life(id);
    this.lives.delete(id);
    this.#disks.set(id, life.disk.afterCrash(null, this.#diskOptions(id)));
    life.node.stop();
    life.transport.stop();
    life.log.close();
    life.snapshots.close();
  }

  stop(): void {
    for (const id of [...this.lives.keys()]) this.kill(id);
  }

  portOf(id: string): number {
    return this.#members.get(id)?.port ?? 0;
  }

  life(id: string): Life {
    const life = this.lives.get(id);
    if (life === undefined) throw new Error(`${id} does not run`);
    return life;
  }

  /** The leader's id. */
  get leader(): string {
    const leaders = [...this.lives].filter(([, { node }]) => node.report().role === "leader");
    leaders.sort(([, a], [, b]) => b.node.report().term - a.node.report().term);
    const [leader] = leaders;
    if (leader === undefined) throw new Error("no leader");
    return leader[0];
  }

  get followers(): string[] {
    return [...this.lives.keys()].filter((id) => id !== this.leader);
  }

  /** Advances the clock until the condition holds. @throws after a minute of the cluster's time */
  until(holds: () => boolean): void {
    for (let step = 0; step < 30_000; step++) {
      if (holds()) return;
      this.clock.advance(2);
    }
    throw new Error(`the condition never held:\n${this.logLines.slice(-30).join("\n")}`);
  }

  untilServing(): void {
    this.until(() => [...this.lives.values()].every(({ node }) => node.report().isServing));
  }

  /** Whether all running nodes have applied the same entries, including all of the leader's. */
  isEven(): boolean {
    const reports = [...this.lives.values()].map(({ node }) => node.report());
    return new Set(reports.map(({ appliedIndex }) => appliedIndex)).size === 1 &&
      reports.every(({ appliedIndex, lastIndex }) => appliedIndex === lastIndex);
  }

  /** The whole state of a node, for comparison. */
  stateOf(id: string): string {
    const view = this.life(id).machine.beginSnapshot();
    const chunks: string[] = [];
    for (let chunk = view.next(1 << 20); chunk !== null; chunk = view.next(1 << 20)) {
      chunks.push(new TextDecoder().decode(chunk));
    }
    return chunks.join();
  }

  /** Total size of a node's directory. */
  sizeBytes(id: string): number {
    const { disk } = this.life(id);
    let sum = 0;
    for (const directory of ["log", "snapshots"]) {
      for (const name of disk.list(directory)) {
        sum += disk.read(`${directory}/${name}`)?.length ?? 0;
      }
    }
    return sum;
  }

  #diskOf(id: string): FaultDisk {
    const disk = this.#disks.get(id) ?? new FaultDisk({ root: id, ...this.#diskOptions(id) });
    this.#disks.set(id, disk);
    return disk;
  }

  #diskOptions(id: string) {
    return {
      schedule: (run: () => void) => void this.clock.after(1, run),
      fault: (operation: DiskOperation) => this.faults.get(id)?.(operation) ?? null,
    };
  }

  #logger(id: string): Logger {
    const line = (text: string) => void this.logLines.push(`${id}: ${text}`);
    return { info: line, warn: line, error: line };
  }
}
