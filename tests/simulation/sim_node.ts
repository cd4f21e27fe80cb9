import { assert, messageOf, UserError } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { type Identity, readIdentity, saveIdentity } from "../../src/node/log/data_directory.ts";
import { Founding } from "../../src/node/members/founding.ts";
import type { StateReport } from "../../src/node/members/report.ts";
import type { BuildVersions } from "../../src/node/members/versions.ts";
import type { Node } from "../../src/node/node.ts";
import type { PeerMessage } from "../../src/node/peers/peer_message.ts";
import type { Disk } from "../../src/platform/disk.ts";
import type { Address } from "../../src/platform/network.ts";
import type { NodeId } from "../../src/raft/types.ts";
import type { DurableLog } from "./durable_log.ts";
import type { ObservedMachine } from "./observed_machine.ts";
import type { Witness } from "./oracle.ts";
import { SeenLog } from "./seen_log.ts";
import { InjectedDiskError, SimDisk } from "./sim_disk.ts";
import { CLUSTER_ID, ENTRY_BYTES_MAX, SimLife } from "./sim_life.ts";
import { HostClock, type SimProcess } from "./sim_process.ts";
import { RIGHT_MS, TRUE_START_MS } from "./time_oracle.ts";
import { RAFT_PORT, type World } from "./world.ts";

const OLD_BUILD: BuildVersions = {
  protocol: { oldest: 3, newest: 3 },
  machine: { oldest: 1, newest: 1 },
};
/** Two versions after today's. The older of them is that of the other nodes. */
const NEW_BUILD: BuildVersions = {
  protocol: { oldest: 3, newest: 4 },
  machine: { oldest: 1, newest: 2 },
};
const UPGRADE_SHARE = 0.4;
const RESP_PORT = 7001;

/** One machine of the cluster: its disk and clocks stay, its processes come and go. */
export class SimNode implements Witness {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly hostClock: HostClock;
  /** Its clock is wrong by years, though those of most others are right. */
  hasWrongClock = false;
  /** A bit of its log was flipped: it must never start again. */
  isDamaged = false;
  /** Its disk was emptied after the cluster began: it must not take part any more. */
  isWiped = false;
  /** The content of the disk before it was emptied. */
  lost: DurableLog | null = null;
  /** Whether it has noticed that, or that it is damaged. */
  hasRefused = false;
  /** Whether it has been a founder or a member, and has taken part. */
  hasTakenPart = false;
  readonly #world: World;
  /** The members that it knows at its first start; `null` while it is not a member. */
  #contacts: readonly NodeId[] | null;
  /** It learned that it was removed for good, and has ended. */
  isRemoved = false;
  /** It has seen the version with which the log began. */
  #isFounded = false;
  #process: SimProcess | null = null;
  #life: SimLife | null = null;
  #losesPower = false;
  /** The version of Regent that it runs. */
  #build: BuildVersions;
  #log = new SeenLog();
  #wipeCount = 0;
  #startCount = 0;

  /** @param founders `null` if it is none of them, and joins later */
  constructor(world: World, id: NodeId, founders: readonly NodeId[] | null) {
    const { plan, random, scheduler } = world;
    this.#world = world;
    this.id = id;
    this.#contacts = founders;
    this.#build = plan.upgrades && founders !== null ? OLD_BUILD : NEW_BUILD;
    const rate = 1 + (random() * 2 - 1) * plan.clockRateMax;
    const offMs = random() * (plan.areClocksRight ? RIGHT_MS : plan.clockJumpMsMax);
    this.hostClock = new HostClock(TRUE_START_MS + plan.clocksAheadMs + offMs, rate);
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

  /** The incarnation of the current disk. */
  get incarnation(): string {
    return `${this.id} disk ${this.#wipeCount}`;
  }

  /** Whether it may be started. */
  get isEntered(): boolean {
    return this.#contacts !== null && !this.isRemoved;
  }

  /** The cluster has added it. @param members the others */
  enter(members: readonly NodeId[]): void {
    this.#contacts ??= members;
  }

  /** Calls the running process's node, if there is one. */
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

  /** The versions that its build supports. */
  get versions(): BuildVersions {
    return this.#build;
  }

  /** Starts the node on the content of its disk. */
  start(): void {
    assert(this.#process === null, `${this.id} runs already`);
    const process = this.#world.process(this.id, this.hostClock);
    this.#process = process;
    this.#world.network.setDark(this.id, false);
    const before = this.disk.durable;
    const disk = this.disk.restart(process, this.#losesPower);
    this.#losesPower = false;
    const { plan, laterRandom } = this.#world;
    if (plan.upgrades && this.#isFounded && laterRandom() < UPGRADE_SHARE) this.#build = NEW_BUILD;
    this.#world.note(this.id, "start", this.#build.machine.newest);
    process.run(() => {
      try {
        this.#begin(process, disk, before);
      } catch (error) {
        this.#startFailed(process, error);
      }
    });
  }

  /** Whether it has been lost for good. */
  get isLost(): boolean {
    return this.isDamaged || this.isWiped;
  }

  /**
   * Also true if its disk was emptied before it took part, since the others may know its old
   * incarnation.
   */
  get mayBeLost(): boolean {
    return this.isLost || (this.#wipeCount > 0 && !this.hasTakenPart);
  }

  /** Replaces the disk by an empty one while the process does not run. */
  wipe(isFounded: boolean): void {
    assert(this.#process === null, `${this.id} runs`);
    this.lost = this.disk.durable;
    this.disk.wipe();
    this.#wipeCount++;
    this.#log = new SeenLog();
    this.#losesPower = false;
    this.isWiped ||= isFounded;
  }

  /** Kills the process; without power unsynced data is lost as well. */
  crash(losesPower: boolean, how: string): void {
    if (this.#process === null) return;
    this.#world.note(this.id, losesPower ? "loses power" : "is killed", how);
    if (losesPower) this.#world.network.setDark(this.id, true);
    this.#losesPower = losesPower;
    this.#end();
  }

  /** Stops as after a signal: the node closes its clients' connections first. */
  stop(): void {
    const life = this.#life;
    if (life === null || this.isPaused) return;
    this.#world.note(this.id, "is stopped");
    life.stop();
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

  /** A message arrives, for the current life of the node. */
  deliver(message: PeerMessage): void {
    this.#life?.deliver(message);
  }

  unreachable(peer: NodeId): void {
    this.#life?.unreachable(peer);
  }

  #end(): void {
    const process = this.#process;
    this.#isFounded ||= (this.machine?.version ?? 0) > 0;
    this.#log = this.log;
    this.#life = null;
    this.#process = null;
    process?.kill();
    this.#world.nodeEnded(this);
  }

  #removed(process: SimProcess): void {
    if (this.#process !== process) return;
    this.#world.note(this.id, "is removed for good");
    const { removed } = this.#world.oracle.configuration;
    if (!removed.includes(this.id)) {
      this.#world.oracle.failure ??= `${this.id} ends, though its removal is not committed`;
    }
    this.isRemoved = true;
    this.#end();
  }

  #startFailed(process: SimProcess, error: unknown): void {
    if (!process.isAlive) return;
    this.hasRefused = this.isLost && error instanceof UserError;
    if (!(error instanceof InjectedDiskError || this.hasRefused)) throw error;
    this.#world.note(this.id, "does not start:", messageOf(error));
    this.#end();
  }

  /** A founder takes part when all founders know each other's directories. */
  #begin(process: SimProcess, disk: Disk, before: DurableLog): void {
    this.#startCount++;
    const stored = readIdentity(disk);
    const isFounder = this.#contacts?.includes(this.id) === true;
    if (stored?.isFounded === true || !isFounder) return this.#open(process, disk, before);
    const identity = stored ?? this.#newIdentity();
    if (stored === null) saveIdentity(disk, identity);
    const { random, network } = this.#world;
    const founding = new Founding({
      identity,
      members: this.#memberAddresses(),
      life: this.#lifeName(),
      listen: this.raftAddress,
      clientAddress: this.address,
      entryBytesMax: ENTRY_BYTES_MAX,
      network: network.of(process),
      clock: process.clock,
      random,
      logger: silentLogger,
      save: (changed) => {
        this.#world.note(this.id, changed.isFounded ? "is founded" : "notes the founders");
        saveIdentity(disk, changed);
      },
      onFounded: () => {
        if (!process.isAlive) return;
        try {
          this.#open(process, disk, before);
        } catch (error) {
          this.#startFailed(process, error);
        }
      },
      onRefused: (sentence) => {
        this.#world.note(this.id, "may not take part:", sentence);
        // The disk was emptied just before the others founded the cluster with its old incarnation.
        if (this.#wipeCount > 0) this.isWiped = true;
        if (!this.isWiped) this.#world.oracle.fail(`${this.id} is refused: ${sentence}`);
        this.hasRefused = true;
        this.#end();
      },
      onRemoved: () => this.#removed(process),
      onFailed: (error) => this.#startFailed(process, error),
    });
    this.#world.wait(founding.start());
  }

  /** The name of the current process's life. */
  #lifeName(): string {
    return `${this.id} life ${this.#startCount}`;
  }

  #newIdentity(): Identity {
    const contacts = this.#contacts ?? [];
    return {
      nodeId: this.id,
      clusterId: CLUSTER_ID,
      incarnation: this.incarnation,
      members: new Map(contacts.map((id) => [id, `${id}:${RAFT_PORT}`])),
      founders: new Map(),
      isFounded: false,
      settings: {},
    };
  }

  #memberAddresses(): Map<NodeId, Address> {
    return new Map((this.#contacts ?? []).map((id) => [id, { host: id, port: RAFT_PORT }]));
  }

  #open(process: SimProcess, disk: Disk, before: DurableLog): void {
    const { oracle, leaderWatch, scheduler, random } = this.#world;
    this.hasTakenPart = true;
    const life = new SimLife({
      world: this.#world,
      process,
      disk,
      id: this.id,
      incarnation: this.incarnation,
      lifeName: this.#lifeName(),
      build: this.#build,
      address: this.address,
      raftAddress: this.raftAddress,
      members: this.#memberAddresses(),
      isWiped: () => this.isWiped,
      isDamaged: this.isDamaged,
      onRemoved: () => this.#removed(process),
      onStopped: () => {
        // The process takes some time to end.
        scheduler.after(random() * 5, () => {
          if (this.#process === process) this.#end();
        });
      },
    });
    this.#life = life;
    oracle.restarted(this.id, before, life.log.hardState());
    leaderWatch.started(this.id);
    life.begin();
  }

  /** A peer, new or restarted, announces the address for its clients. */
  announced({ id, address, incarnation, versions }: SimNode): void {
    const life = this.#life;
    life?.process.run(() => life.node.onAnnounced(id, address, null, incarnation, versions));
  }
}
