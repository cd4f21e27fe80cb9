import { silentLogger } from "../../src/base/logger.ts";
import { type Identity, openDataDirectory } from "../../src/node/log/data_directory.ts";
import type { LogStore } from "../../src/node/log/log_store.ts";
import type { BuildVersions } from "../../src/node/members/versions.ts";
import type { Node } from "../../src/node/node.ts";
import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import { type PeerHandler, type Peers, PeerTransport } from "../../src/node/peers/transport.ts";
import type { DiskSnapshots } from "../../src/node/snapshots/disk_snapshots.ts";
import { restoreNewest } from "../../src/node/snapshots/node_snapshots.ts";
import type { SnapshotStore } from "../../src/node/snapshots/snapshot.ts";
import type { Disk } from "../../src/platform/disk.ts";
import type { Address } from "../../src/platform/network.ts";
import type { NodeId } from "../../src/raft/types.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../src/server/limits.ts";
import { RespListener } from "../../src/server/listener.ts";
import type { NodeFrontend } from "../../src/server/node_frontend.ts";
import { PROCESS_FACTS } from "../support/process_facts.ts";
import { AnswerWatch } from "./answer_watch.ts";
import { MessagePeers } from "./message_network.ts";
import { ObservedFrontend } from "./observed_frontend.ts";
import { ObservedLog } from "./observed_log.ts";
import { ObservedMachine } from "./observed_machine.ts";
import { ObservedNode } from "./observed_node.ts";
import { ObservedSnapshots } from "./observed_snapshots.ts";
import { InjectedDiskError } from "./sim_disk.ts";
import type { SimProcess } from "./sim_process.ts";
import { SimServer } from "./sim_socket.ts";
import { whatItWrites, type World } from "./world.ts";

export const ENTRY_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Maximum lateness of a node that checks what waits once per heartbeat: its ticks and its timers.
 */
const LATENESS_MS_MAX = 40;
export const CLUSTER_ID = "simulated";

/** The machine on which a life of a node runs, and its options. */
export interface LifeOptions {
  readonly world: World;
  readonly process: SimProcess;
  readonly disk: Disk;
  readonly id: NodeId;
  /** The incarnation of the data directory. */
  readonly incarnation: string;
  /** The name of the process's life. */
  readonly lifeName: string;
  readonly build: BuildVersions;
  readonly address: Address;
  readonly raftAddress: Address;
  /** The members that it knows at its first start. */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Whether the disk was emptied after the cluster began: the node must not send anything. */
  readonly isWiped: () => boolean;
  /** Whether a bit of its log was flipped: it must not start. */
  readonly isDamaged: boolean;
  /** The node learned that it was removed for good. */
  readonly onRemoved: () => void;
  /** The log has failed, and the node has stopped: the process is about to end. */
  readonly onStopped: () => void;
}

/**
 * A node's process from the moment it takes part: the production code on the disk's content,
 * between observers that show the oracle all that it reads, writes, sends and answers.
 */
export class SimLife {
  readonly process: SimProcess;
  readonly node: Node;
  readonly log: ObservedLog;
  readonly machine: ObservedMachine;
  readonly #options: LifeOptions;
  readonly #snapshots: DiskSnapshots;
  readonly #identity: Identity;

  /** Opens the data directory. @throws {UserError} if it must not be used */
  constructor(options: LifeOptions) {
    const { world, process, disk, id, incarnation, members, isDamaged, onStopped } = options;
    const { oracle, plan } = world;
    this.#options = options;
    this.process = process;
    let node: Node | null = null;
    const { log, snapshots, identity } = openDataDirectory(disk, {
      nodeId: id,
      incarnation,
      nonce: "nonce",
      clusterId: CLUSTER_ID,
      members: new Map([...members].map(([id, { host, port }]) => [id, `${host}:${port}`])),
      segmentBytesMax: plan.segmentBytesMax,
      onFailure: (error) => {
        if (!process.isAlive) throw error; // it died in a disk operation
        world.note(id, "log failed:", error.message);
        if (!(error instanceof InjectedDiskError)) throw error;
        node?.stop();
        onStopped();
      },
    });
    this.#identity = identity;
    this.#snapshots = snapshots;
    if (isDamaged) oracle.fail(`${id} starts on a damaged log`);
    oracle.founded(id, identity.founders);
    this.log = this.#makeLog(log);
    this.machine = this.#makeMachine();
    const observed = new ObservedSnapshots(snapshots, (meta) => {
      world.note(id, "takes a snapshot of", meta.index);
      oracle.snapshotBegun(id, meta, this.machine.known());
    });
    restoreNewest(observed, this.machine);
    this.node = node = this.#makeNode(observed);
  }

  /** Begins to take part and to serve clients. */
  begin(): void {
    this.#connect();
    this.#listen();
  }

  /** Stops as after a signal: the node closes its clients' connections first. */
  stop(): void {
    this.process.run(() => {
      this.node.stop();
      this.log.close();
      this.#snapshots.close();
    });
  }

  /** A message arrives from a peer. */
  deliver(message: PeerMessage): void {
    this.process.run(() => {
      this.#options.world.handling(message);
      this.node.onMessage(message);
    });
  }

  unreachable(peer: NodeId): void {
    this.process.run(() => this.node.onUnreachable(peer));
  }

  #makeLog(inner: LogStore): ObservedLog {
    const { id, world } = this.#options;
    const { oracle } = world;
    return new ObservedLog(inner, {
      appending: (_hardState, entries) => {
        oracle.appending(id, entries);
        world.noteTime(this.node.report(), entries);
      },
      persisted: (hardState, entries) => oracle.persisted(id, hardState, entries),
      resetting: (index, term) => oracle.resetting(id, index, term),
      compacting: (index) => oracle.compacting(id, index),
    });
  }

  #makeMachine(): ObservedMachine {
    const { id, world, build } = this.#options;
    const { oracle } = world;
    return new ObservedMachine(build.machine, {
      log: () => this.log.seen,
      applying: (index) => {
        oracle.applying(id, index);
        const timeMs = this.log.seen.at(index)?.data?.timeMs;
        if (timeMs !== undefined) world.timeApplied(timeMs);
      },
      executed: (args) => world.executedWrites.add(whatItWrites(args)),
      applied: (index, stateHash) => oracle.applied(id, index, stateHash),
      restored: () => {
        const index = this.log.takeReset() ?? this.#snapshots.newest()?.index ?? 0;
        world.note(id, "takes the state of entry", index);
        return oracle.restored(id, index);
      },
      fail: (what) => oracle.fail(`${id}: ${what}`),
    });
  }

  #makeNode(snapshots: SnapshotStore): Node {
    const { id, world, process, build, members, address, raftAddress } = this.#options;
    const { incarnation, founders } = this.#identity;
    const { oracle, plan, random } = world;
    return new ObservedNode({
      id,
      incarnation,
      founders,
      members,
      raftAddress,
      onRemoved: this.#options.onRemoved,
      onFailure: (error) => oracle.fail(`${id} ends: ${error.message}`),
      versions: build,
      clientAddress: address,
      log: this.log,
      machine: this.machine,
      snapshots,
      snapshotLogBytes: plan.snapshotLogBytes,
      clock: process.clock,
      random,
      logger: silentLogger,
      electionMs: plan.electionMs,
      heartbeatMs: plan.heartbeatMs,
      waitMs: plan.waitMs,
      turnStepsMax: plan.turnStepsMax,
      unappliedMax: plan.turnStepsMax,
    }, {
      asked: () => {
        const answered = oracle.asked(id);
        return () => answered(this.machine.index);
      },
    });
  }

  /** Greets founders that are not ready yet. Without connections only messages can do that. */
  #greet(): void {
    const { world, id, process, members } = this.#options;
    const areAllThere = [...world.nodes.values()].every((node) => node.hasTakenPart);
    const mayBeWiped = world.plan.every.wipe !== null;
    if (this.#identity.founders.size === 0 || (areAllThere && !mayBeWiped)) return;
    const nothing = () => {};
    const transport = this.#makeTransport({
      ...{ onMessage: nothing, onUnreachable: nothing, onAnnounced: nothing },
      ...{ onRemoved: nothing, onRefused: nothing },
    });
    const addresses = new Map(members);
    addresses.delete(id);
    const nobody = {
      index: 0,
      committedIndex: 0,
      committedMembers: new Set<NodeId>(),
      removed: [],
    };
    const follow = () => transport.follow({ ...nobody, addresses, incarnations: new Map() });
    world.wait(transport.start().then(() => process.run(follow)));
  }

  #connect(): void {
    const { world, id, process } = this.#options;
    const { node } = this;
    if (world.plan.peers === "messages") {
      const deliver = (to: NodeId, message: PeerMessage) => world.deliver(to, message);
      node.start(this.#observed(new MessagePeers(world.network, process, deliver)));
      world.introduce(id);
      this.#greet();
      return;
    }
    const handler: PeerHandler = {
      onMessage: (message) => {
        world.handling(message);
        node.onMessage(message);
      },
      onUnreachable: (peer) => node.onUnreachable(peer),
      onAnnounced: (peer, client, raft, disk, versions) =>
        node.onAnnounced(peer, client, raft, disk, versions),
      onRemoved: () => node.onRemoved(),
      onRefused: (by, why, at) => node.onRefused(by, why, at),
    };
    const transport = this.#makeTransport(handler);
    const begin = () => node.start(this.#observed(transport));
    world.wait(transport.start().then(() => process.run(begin)));
  }

  #makeTransport(handler: PeerHandler): PeerTransport {
    const { world, id, process, address, raftAddress, lifeName, build } = this.#options;
    const { incarnation, founders } = this.#identity;
    return new PeerTransport({
      id,
      clusterId: CLUSTER_ID,
      listen: raftAddress,
      clientAddress: address,
      raftAddress,
      credentials: () => ({
        incarnation,
        life: lifeName,
        isFounded: true,
        founders: Object.fromEntries(founders),
      }),
      versions: build,
      entryBytesMax: ENTRY_BYTES_MAX,
      network: world.network.of(process),
      clock: process.clock,
      random: world.random,
      logger: silentLogger,
    }, handler);
  }

  /** Shows the oracle all messages that the node sends. */
  #observed(peers: Peers): Peers {
    const { id, world, isWiped } = this.#options;
    const { machine, node } = this;
    const { oracle, leaderWatch } = world;
    return {
      send: (message) => {
        if (isWiped()) oracle.fail(`${id} lost its disk and sends a ${message.type}`);
        oracle.sent(message);
        leaderWatch.sent(message);
        peers.send(message);
      },
      flush: () => {
        machine.noteTurn();
        oracle.turnEnded(id);
        leaderWatch.turnEnded(node.report());
        peers.flush();
      },
      isConnected: (peer) => peers.isConnected(peer),
      problem: (peer) => peers.problem(peer),
      follow: (plan) => peers.follow(plan),
    };
  }

  #listen(): void {
    const { id, world, process, address } = this.#options;
    const { node, machine } = this;
    const { heartbeatMs, waitMs } = world.plan;
    const answers = new AnswerWatch({
      who: id,
      process,
      scheduler: world.scheduler,
      withinMs: waitMs + heartbeatMs + LATENESS_MS_MAX,
      fail: (what) => world.oracle.fail(what),
    });
    const server = new SimServer(address, process.clock, answers);
    const frontend: NodeFrontend = new ObservedFrontend({
      node,
      machine,
      clock: process.clock,
      facts: PROCESS_FACTS,
      config: new Map(),
      listener: () => listener,
    }, {
      isProxy: (host) => world.isProxy(host),
      fail: (what) => world.oracle.fail(`${id}: ${what}`),
    });
    const listener: RespListener = new RespListener(server.asServer, {
      address,
      handler: frontend,
      limits: DEFAULT_CLIENT_LIMITS,
      clock: process.clock,
      logger: silentLogger,
    });
    world.network.listen(process, address, (stream) => server.accept(stream));
  }
}
