import { assert } from "../../src/base/assert.ts";
import { messageOf, UserError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { openDataDirectory } from "../../src/node/data_directory.ts";
import type { Disk } from "../../src/node/disk.ts";
import type { Address } from "../../src/node/network.ts";
import type { Node } from "../../src/node/node.ts";
import type { Peers } from "../../src/node/peers/peers.ts";
import { PeerTransport } from "../../src/node/peers/peer_transport.ts";
import type { DiskSnapshots } from "../../src/node/snapshots/disk_snapshots.ts";
import { restoreNewest } from "../../src/node/snapshots/node_snapshots.ts";
import type { SnapshotStore } from "../../src/node/snapshots/snapshot.ts";
import type { StateReport } from "../../src/node/state_report.ts";
import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../src/server/limits.ts";
import { RespListener } from "../../src/server/listener.ts";
import type { NodeSessions } from "../../src/server/node_sessions.ts";
import type { DurableLog } from "./durable_log.ts";
import { MessagePeers } from "./message_network.ts";
import { ObservedLog } from "./observed_log.ts";
import { ObservedMachine } from "./observed_machine.ts";
import { ObservedNode } from "./observed_node.ts";
import { ObservedSessions } from "./observed_sessions.ts";
import { ObservedSnapshots } from "./observed_snapshots.ts";
import type { Witness } from "./oracle.ts";
import { SeenLog } from "./seen_log.ts";
import { InjectedDiskError, SimDisk } from "./sim_disk.ts";
import { HostClock, type SimProcess } from "./sim_process.ts";
import { SimServer } from "./sim_socket.ts";
import { RAFT_PORT, whatItWrites, type World } from "./world.ts";

const FRAME_BYTES_MAX = 16 * 1024 * 1024;
export const RESP_PORT = 7001;

export const PROCESS_FACTS = {
  processId: 1,
  startedMs: 0,
  memoryBytes: () => ({ rss: 0, heapUsed: 0 }),
};

/** What one life of a node consists of. */
interface Life {
  readonly process: SimProcess;
  readonly node: Node;
  readonly log: ObservedLog;
  readonly machine: ObservedMachine;
  readonly snapshots: DiskSnapshots;
}

/** One machine of the cluster: its disk and clocks stay, its processes come and go. */
export class SimNode implements Witness {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly hostClock: HostClock;
  /** A bit of its log was flipped: it must never start again. */
  isDamaged = false;
  /** It has noticed that. */
  hasRefused = false;
  readonly #world: World;
  /** Whom it knows at its first start; `null` while it does not belong to the cluster. */
  #contacts: readonly NodeId[] | null;
  /** It was told that it is removed for good, and has ended. */
  isRemoved = false;
  #process: SimProcess | null = null;
  #life: Life | null = null;
  #losesPower = false;
  #log = new SeenLog();

  /** @param founders `null`: it is none of them, and is let in later */
  constructor(world: World, id: NodeId, founders: readonly NodeId[] | null) {
    const { plan, random, scheduler } = world;
    this.#world = world;
    this.id = id;
    this.#contacts = founders;
    const rate = 1 + (random() * 2 - 1) * plan.clockRateMax;
    this.hostClock = new HostClock(1_700_000_000_000 + random() * plan.clockJumpMsMax, rate);
    this.disk = new SimDisk({
      root: `data/${id}`,
      scheduler,
      random,
      plan,
      onCrash: () => this.crash(random() < plan.crashLosesPower, "in a disk operation"),
    });
  }

  get address(): Address {
    return { host: this.id, port: RESP_PORT };
  }

  get raftAddress(): Address {
    return { host: this.id, port: RAFT_PORT };
  }

  /** Whether it may be started. */
  get isEntered(): boolean {
    return this.#contacts !== null && !this.isRemoved;
  }

  /** The cluster has let it in. @param members the others */
  enter(members: readonly NodeId[]): void {
    this.#contacts ??= members;
  }

  /** Lets something be done by the process that runs, if one does. */
  ask(what: (node: Node) => void): void {
    const life = this.#life;
    life?.process.run(() => what(life.node));
  }

  get isUp(): boolean {
    return this.#process !== null;
  }

  get isPaused(): boolean {
    return this.#process?.isPaused ?? false;
  }

  get log(): SeenLog {
    return this.#life?.log.seen ?? this.#log;
  }

  get durable(): DurableLog {
    return this.disk.durable;
  }

  get machine(): ObservedMachine | null {
    return this.#life?.machine ?? null;
  }

  report(): StateReport | null {
    return this.#life?.node.report() ?? null;
  }

  /** Starts the node on what its disk holds. */
  start(): void {
    assert(this.#process === null, `${this.id} runs already`);
    const process = this.#world.process(this.id, this.hostClock);
    this.#process = process;
    this.#world.network.setDark(this.id, false);
    const before = this.disk.durable;
    const disk = this.disk.restart(process, this.#losesPower);
    this.#losesPower = false;
    this.#world.note(this.id, "start");
    process.run(() => {
      try {
        this.#open(process, disk, before);
      } catch (error) {
        this.#startFailed(process, error);
      }
    });
  }

  /** The process dies at once; without power also all that was not synced. */
  crash(losesPower: boolean, how: string): void {
    if (this.#process === null) return;
    this.#world.note(this.id, losesPower ? "loses power" : "is killed", how);
    if (losesPower) this.#world.network.setDark(this.id, true);
    this.#losesPower = losesPower;
    this.#end();
  }

  /** As by a signal: the node says goodbye to its clients first. */
  stop(): void {
    const life = this.#life;
    if (life === null || this.isPaused) return;
    this.#world.note(this.id, "is stopped");
    life.process.run(() => {
      life.node.stop();
      life.log.close();
      life.snapshots.close();
    });
    this.#world.scheduler.after(1, () => {
      if (this.#process === life.process) this.#end();
    });
  }

  pause(): void {
    this.#process?.pause();
  }

  resume(): void {
    this.#world.leaderWatch.resumed(this.id);
    this.#process?.resume();
  }

  /** Something arrives, for whichever life of the node is there. */
  deliver(message: PeerMessage): void {
    const life = this.#life;
    life?.process.run(() => {
      this.#world.handling(message);
      life.node.message(message);
    });
  }

  unreachable(peer: NodeId): void {
    const life = this.#life;
    life?.process.run(() => life.node.unreachable(peer));
  }

  #end(): void {
    const process = this.#process;
    this.#log = this.log;
    this.#life = null;
    this.#process = null;
    process?.kill();
    this.#world.nodeEnded(this);
  }

  #removed(process: SimProcess): void {
    if (this.#process !== process) return;
    this.#world.note(this.id, "is removed for good");
    this.isRemoved = true;
    this.#end();
  }

  #startFailed(process: SimProcess, error: unknown): void {
    if (!process.isAlive) return;
    this.hasRefused = this.isDamaged && error instanceof UserError;
    if (!(error instanceof InjectedDiskError || this.hasRefused)) throw error;
    this.#world.note(this.id, "does not start:", messageOf(error));
    this.#end();
  }

  #open(process: SimProcess, disk: Disk, before: DurableLog): void {
    const { oracle, plan } = this.#world;
    const contacts = this.#contacts ?? [];
    const members = new Map(contacts.map((id) => [id, `${id}:${RAFT_PORT}`]));
    let node: Node | null = null;
    const { log: diskLog, snapshots } = openDataDirectory(disk, {
      nodeId: this.id,
      nonce: "nonce",
      clusterId: "simulated",
      members,
      segmentBytesMax: plan.segmentBytesMax,
      onFailure: (error) => {
        if (!process.isAlive) throw error; // it died in a disk operation and does nothing more
        this.#world.note(this.id, "log failed:", error.message);
        if (!(error instanceof InjectedDiskError)) throw error;
        node?.stop();
        // The process takes its time to end.
        this.#world.scheduler.after(this.#world.random() * 5, () => {
          if (this.#process === process) this.#end();
        });
      },
    });
    if (this.isDamaged) oracle.fail(`${this.id} starts on a damaged log`);
    const log = new ObservedLog(diskLog, {
      appending: (_hardState, entries) => oracle.appending(this.id, entries),
      persisted: (hardState, entries) => oracle.persisted(this.id, hardState, entries),
      resetting: (index, term) => oracle.resetting(this.id, index, term),
      compacting: (index) => oracle.compacting(this.id, index),
    });
    const machine = new ObservedMachine({
      log: () => log.seen,
      applying: (index) => oracle.applying(this.id, index),
      executed: (args) => this.#world.executedWrites.add(whatItWrites(args)),
      applied: (index, stateHash) => oracle.applied(this.id, index, stateHash),
      restored: () => {
        const index = log.takeReset() ?? snapshots.newest()?.index ?? 0;
        this.#world.note(this.id, "takes the state of entry", index);
        return oracle.restored(this.id, index);
      },
      fail: (what) => oracle.fail(`${this.id}: ${what}`),
    });
    const observed = new ObservedSnapshots(snapshots, (meta) => {
      this.#world.note(this.id, "takes a snapshot of", meta.index);
      oracle.snapshotBegun(this.id, meta, machine.known());
    });
    restoreNewest(observed, machine);
    node = this.#makeNode(process, log, machine, observed);
    this.#life = { process, node, log, machine, snapshots };
    oracle.restarted(this.id, before, log.hardState());
    this.#world.leaderWatch.started(this.id);
    this.#connect(this.#life);
    this.#listen(this.#life);
  }

  #makeNode(
    process: SimProcess,
    log: ObservedLog,
    machine: ObservedMachine,
    snapshots: SnapshotStore,
  ): Node {
    const { oracle, plan, random } = this.#world;
    return new ObservedNode({
      id: this.id,
      members: new Map((this.#contacts ?? []).map((id) => [id, { host: id, port: RAFT_PORT }])),
      raftAddress: this.raftAddress,
      onRemoved: () => this.#removed(process),
      clientAddress: this.address,
      log,
      machine,
      snapshots,
      snapshotLogBytes: plan.snapshotLogBytes,
      clock: process.clock,
      random,
      logger: silentLogger,
      electionMs: plan.electionMs,
      heartbeatMs: plan.heartbeatMs,
      waitMs: plan.waitMs,
    }, {
      asked: () => {
        const answered = oracle.asked(this.id);
        return () => answered(machine.index);
      },
    });
  }

  #connect(life: Life): void {
    const { network, plan } = this.#world;
    const { process, node } = life;
    if (plan.peers === "messages") {
      const deliver = (to: NodeId, message: PeerMessage) => this.#world.deliver(to, message);
      node.start(this.#observed(life, new MessagePeers(network, process, deliver)));
      this.#world.introduce(this.id);
      return;
    }
    const handler: ConstructorParameters<typeof PeerTransport>[1] = {
      message: (message) => {
        this.#world.handling(message);
        node.message(message);
      },
      unreachable: (peer) => node.unreachable(peer),
      announced: (peer, client, raft) => node.announced(peer, client, raft),
      removed: () => node.removed(),
    };
    const transport = new PeerTransport({
      id: this.id,
      clusterId: "simulated",
      listen: { host: this.id, port: RAFT_PORT },
      clientAddress: this.address,
      raftAddress: this.raftAddress,
      frameBytesMax: FRAME_BYTES_MAX,
      network: network.of(process),
      clock: process.clock,
      random: this.#world.random,
      logger: silentLogger,
    }, handler);
    this.#world.wait(
      transport.start().then(() => process.run(() => node.start(this.#observed(life, transport)))),
    );
  }

  /** A peer, new or restarted, told where its clients reach it. */
  announced(peer: NodeId, address: Address): void {
    const life = this.#life;
    life?.process.run(() => life.node.announced(peer, address, null));
  }

  /** Everything that leaves the node passes the oracle. */
  #observed({ machine, node }: Life, peers: Peers): Peers {
    const { oracle, leaderWatch } = this.#world;
    return {
      send: (message) => {
        oracle.sent(message);
        leaderWatch.sent(message);
        peers.send(message);
      },
      flush: () => {
        machine.finish();
        oracle.turnEnded(this.id);
        leaderWatch.turnEnded(node.report());
        peers.flush();
      },
      isConnected: (peer) => peers.isConnected(peer),
      follow: (plan) => peers.follow(plan),
    };
  }

  #listen({ process, node, machine }: Life): void {
    const server = new SimServer(this.address, process.clock);
    const sessions: NodeSessions = new ObservedSessions({
      node,
      machine,
      clock: process.clock,
      facts: PROCESS_FACTS,
      config: new Map(),
      listener: () => listener,
    }, {
      isProxy: (host) => this.#world.isProxy(host),
      fail: (what) => this.#world.oracle.fail(`${this.id}: ${what}`),
    });
    const listener: RespListener = new RespListener(server.asServer, {
      address: this.address,
      handler: sessions,
      limits: DEFAULT_CLIENT_LIMITS,
      clock: process.clock,
      logger: silentLogger,
    });
    this.#world.network.listen(process, this.address, (stream) => server.accept(stream));
  }
}
