import { UserError } from "../base/errors.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import type { Raft } from "../raft/mod.ts";
import type { Message, NodeId, Ready, Role } from "../raft/types.ts";
import type { ErrorReply } from "../resp/reply.ts";
import type { Applier } from "./clients/applier.ts";
import type { ClientRequests } from "./clients/client_requests.ts";
import { refusedSentence, type Request, STOPPING } from "./clients/request.ts";
import type { Batch } from "./log/entry.ts";
import type { LogStore } from "./log/log_store.ts";
import type { Whereabouts } from "./members/addresses.ts";
import type { CatchUp, MajorityWatch } from "./members/catch_up.ts";
import type { Members } from "./members/members.ts";
import type { Membership } from "./members/membership.ts";
import { describeRole, nodeReport, type StateReport, StateWatch } from "./members/report.ts";
import type { BuildVersions, MachineUpgrade } from "./members/versions.ts";
import {
  type CompleteNodeOptions,
  makeParts,
  NODE_DEFAULTS,
  type NodeOptions,
} from "./node_parts.ts";
import { isClockMessage, isSnapshotMessage, type PeerMessage } from "./peers/peer_message.ts";
import type { PeerHandler, Peers } from "./peers/transport.ts";
import type { OwnDisk, ReadyWriter } from "./ready_runner.ts";
import type { NodeSnapshots } from "./snapshots/node_snapshots.ts";
import type { Ticker, TurnBudget } from "./ticker.ts";
import type { LogTime } from "./time/log_time.ts";
import type { Timekeeping } from "./time/timekeeping.ts";

/** How long one turn may work before the event loop gets a chance. */
const TURN_MS_MAX = 12;
/** How many of the shortest election timeouts a leader that is to stop waits for a successor. */
const HAND_OVER_ELECTIONS = 4;
/** It waits for at least this time, because the machines may be busy. */
const HAND_OVER_MS_MIN = 1_000;
/** A removed node goes on sending its clients elsewhere for so long before it ends. */
const REMOVED_MS = 1_000;

/**
 * Drives the Raft core: has the clients' requests of one turn of the event loop become one entry, and
 * moves what the core wants done to log, peers and state machine.
 *
 * One turn: seal the open reads and writes, then carry out Readys until none is left, then send.
 */
export class Node implements PeerHandler {
  readonly #options: CompleteNodeOptions;
  readonly #raft: Raft<Batch>;
  readonly #log: LogStore;
  readonly #clock: Clock;
  readonly #requests: ClientRequests;
  readonly #members: Members;
  readonly #membership: Membership;
  readonly #upgrade: MachineUpgrade;
  readonly #timekeeping: Timekeeping;
  readonly #time: LogTime;
  readonly #whereabouts: Whereabouts;
  readonly #watch = new StateWatch();
  readonly #catchUp: CatchUp;
  readonly #budget: TurnBudget;
  readonly #applier: Applier;
  readonly #snapshots: NodeSnapshots | null;
  readonly #writer: ReadyWriter;
  readonly #ownDisk: OwnDisk;
  readonly #ticker: Ticker;
  readonly #majority: MajorityWatch;
  readonly #runTurn = () => this.#turn();

  #peers: Peers | null = null;
  #role: Role = "follower";
  #term = 0;
  #leaderId: NodeId | null = null;
  #isTransferring = false;
  #isRemoved = false;
  #isScheduled = false;
  #isStopped = false;
  #sweepAtMs = -Infinity;

  constructor(options: NodeOptions) {
    this.#options = { ...NODE_DEFAULTS, ...options };
    this.#log = options.log;
    this.#clock = options.clock;
    const parts = makeParts(this.#options, {
      peers: () => this.#peers,
      schedule: () => this.#schedule(),
      advanced: ({ messagesAfterPersist }) => {
        for (const message of messagesAfterPersist) this.#send(message);
      },
      fail: (why) => this.#fail(why),
    });
    this.#raft = parts.raft;
    this.#requests = parts.requests;
    this.#members = parts.members;
    this.#membership = parts.membership;
    this.#upgrade = parts.upgrade;
    this.#timekeeping = parts.timekeeping;
    this.#time = parts.timekeeping.log;
    this.#whereabouts = parts.whereabouts;
    this.#catchUp = parts.catchUp;
    this.#budget = parts.budget;
    this.#applier = parts.applier;
    this.#snapshots = parts.snapshots;
    this.#writer = parts.writer;
    this.#ownDisk = parts.ownDisk;
    this.#ticker = parts.ticker;
    this.#majority = parts.majority;
  }

  /** Its snapshots; `null` where the log stays whole. */
  get snapshots(): NodeSnapshots | null {
    return this.#snapshots;
  }

  /** Who belongs to the cluster, and changes of that. */
  get membership(): Membership {
    return this.#membership;
  }

  /** Begins to take part. `peers` must be ready to send. */
  start(peers: Peers): void {
    this.#peers = peers;
    this.#followMembers();
    this.#schedule();
  }

  /** Stands for election at once. */
  campaign(): void {
    this.#raft.campaign();
    this.#schedule();
  }

  /**
   * Stands for no election any more, and if this node leads, makes another one lead. Calls back when
   * that is so, or when nobody has taken over in time.
   */
  handOver(done: () => void): void {
    this.#timekeeping.retire();
    if (!this.#isLeader) return done();
    const waitMs = Math.max(HAND_OVER_MS_MIN, HAND_OVER_ELECTIONS * this.#options.electionMs);
    this.#handOverUntil(this.#clock.monotonicMs() + waitMs, done);
  }

  /**
   * A successor that is too slow for one attempt may take over in the next one. When it has ended this
   * node's leadership and is not elected yet, this node's vote is still wanted.
   */
  #handOverUntil(deadlineMs: number, done: () => void): void {
    const again = () => {
      this.#clock.after(this.#options.heartbeatMs, () => this.#handOverUntil(deadlineMs, done));
    };
    const isLate = this.#clock.monotonicMs() >= deadlineMs;
    if (this.#isStopped || isLate) return done();
    if (!this.#isLeader) return this.#leaderId === null ? again() : done();
    const to = this.#membership.transfer.successor();
    if (to === null) return done();
    let isOver = false;
    const end = (next: () => void) => {
      if (isOver) return;
      isOver = true;
      cancel();
      next();
    };
    const cancel = this.#clock.after(deadlineMs - this.#clock.monotonicMs(), () => end(done));
    this.#membership.transfer.start(to, () => end(again));
  }

  /** Takes part no longer; whoever still waits is told. */
  stop(): void {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#writer.stop();
    this.#snapshots?.stop();
    this.#applier.giveUp();
    this.#membership.stop(STOPPING);
    this.#requests.stop();
  }

  /** This build cannot go on with the log. A member that was removed before need not. */
  #fail(why: string): void {
    if (this.#isStopped) return;
    const { isRemoved } = this.#membership;
    if (isRemoved) this.removed();
    this.stop();
    if (isRemoved) return;
    this.#options.onFailure?.(new UserError(why));
  }

  /** Takes a read or a write; its sink gets the answer, perhaps before this returns. */
  submit(request: Request): void {
    this.#requests.submit(request);
  }

  /**
   * The largest request that is about to be read, or is under way, has so many bytes; 0: none is
   * large. It will keep the event loop busy, and no heartbeat leaves meanwhile.
   */
  largest(bytes: number): void {
    this.#raft.busyMib = Math.floor(bytes / 2 ** 20);
    this.#schedule();
  }

  /** Whether this node leads in exactly this term. */
  leadsIn(term: number): boolean {
    return this.#raft.role === "leader" && this.#raft.term === term;
  }

  /** How a request for this slot is refused here and now; `null` when this node leads. */
  refusal(slot: number): ErrorReply | null {
    return this.#isLeader ? null : this.#requests.redirect(slot);
  }

  /**
   * Calls back when `count` other members hold all that was proposed so far, or time is up.
   *
   * @returns what ends the waiting
   */
  whenReplicated(count: number, timeoutMs: number, done: (count: number) => void): Cancel {
    return this.#requests.whenReplicated(count, timeoutMs, done);
  }

  /** How many callbacks of `whenReplicated` are open. */
  get waitingCount(): number {
    return this.#requests.waitingCount;
  }

  /** Calls back whenever role, term, leader, addresses or readiness changed. */
  watch(changed: () => void): Cancel {
    return this.#watch.add(changed);
  }

  report(): StateReport {
    const { clusterId, versions, machine } = this.#options;
    return nodeReport({
      clusterId,
      status: { ...this.#raft.status(), appliedIndex: this.#applier.last.index },
      configuration: this.#members.newest.configuration,
      isRemoved: this.#isRemoved,
      protocolVersion: versions.protocol.newest,
      machineVersion: machine.version,
      machineVersionMax: machine.versions.newest,
      isCatchingUp: this.#catchUp.isBehind,
      time: this.#timekeeping.report(),
      queued: this.#requests.queuedCount,
      lastLeaderId: this.#whereabouts.lastLeaderId,
      leaderAddress: this.#whereabouts.leader(),
      clientAddress: (member) => this.#whereabouts.forClients(member),
      isConnected: (member) => this.#peers?.isConnected(member) ?? false,
    });
  }

  // From the transport.

  message(message: PeerMessage): void {
    if (this.#isStopped) return;
    if (isSnapshotMessage(message)) this.#snapshots?.message(message);
    else if (isClockMessage(message)) this.#timekeeping.message(message);
    else this.#step(message);
    this.#schedule();
  }

  /** What a message begins does so now, and not when time was last counted. */
  #step(message: Message<Batch>): void {
    this.#ticker.catchUp();
    this.#raft.step(message);
  }

  unreachable(peer: NodeId): void {
    if (this.#isStopped) return;
    this.#raft.reportUnreachable(peer);
    this.#snapshots?.unreachable(peer);
    this.#schedule();
  }

  announced(
    peer: NodeId,
    clientAddress: Address,
    raftAddress: Address | null,
    incarnation: string,
    versions: BuildVersions,
  ): void {
    this.#whereabouts.announced(peer, clientAddress, raftAddress, incarnation);
    this.#upgrade.announced(peer, versions);
    this.#schedule();
  }

  refused(by: NodeId, why: "stranger" | "copy", at: Address | null): void {
    if (this.#isRemoved || this.#isStopped) return;
    const { id, onRefused } = this.#options;
    onRefused?.(refusedSentence(id, by, why, at ?? this.#whereabouts.forClients(by)));
  }

  removed(): void {
    if (this.#isRemoved || this.#isStopped) return;
    this.#isRemoved = true;
    const { id, logger, onRemoved, electionMs } = this.#options;
    logger.warn(`${id} was removed from the cluster for good: this node ends`);
    this.#timekeeping.retire();
    this.#requests.removed();
    this.#clock.after(Math.max(REMOVED_MS, 2 * electionMs), () => onRemoved?.());
    this.#schedule();
  }

  // The turn.

  get #isLeader(): boolean {
    return this.#role === "leader";
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(this.#runTurn);
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#requests.begin();
    if (this.#isStopped) return;
    const startMs = this.#clock.monotonicMs();
    this.#budget.begin(startMs);
    this.#ticker.catchUp();
    if (startMs >= this.#sweepAtMs) this.#sweep(startMs);
    this.#seal();
    while (this.#raft.hasReady()) {
      this.#carryOut(this.#raft.ready());
      if (this.#clock.monotonicMs() - startMs > TURN_MS_MAX) {
        this.#isScheduled = true;
        this.#clock.after(0, this.#runTurn);
        break;
      }
      this.#seal();
    }
    this.#applier.goOn();
    if (this.#isLeader || this.#requests.hasReads || !this.#writer.isBusy) this.#writer.apply();
    this.#requests.answerReads();
    this.#catchUp.note(startMs, {
      isLeader: this.#isLeader,
      appliedIndex: this.#applier.last.index,
      leaderCommit: this.#raft.leaderCommit,
      isReceiving: this.#snapshots?.isReceiving ?? false,
    });
    this.#requests.checkWaiters();
    this.#followMembers();
    this.#peers?.flush();
    if (!this.#writer.isBusy) this.#writer.apply();
    if (!this.#budget.isResting) this.#applier.goOnBeside();
    if (this.#applier.hasWork || !this.#budget.isLeft) this.#budget.rest();
    const { memoryBytesMax } = this.#options.machine;
    this.#watch.check(
      this.#raft,
      this.#catchUp.isBehind,
      this.#whereabouts.version,
      memoryBytesMax,
    );
    this.#ticker.sleep(this.#sleepTicks());
  }

  /** Hands what was collected to the core, as far as it fits into the pipeline. */
  #seal(): void {
    this.#noteRole();
    this.#requests.endHandover();
    this.#membership.turn();
    if (this.#isLeader) this.#upgrade.turn();
    this.#requests.seal();
  }

  #carryOut(ready: Ready<Batch>): void {
    for (const message of ready.messages) this.#send(message);
    if (this.#isLeader && ready.entries.length > 0) this.#peers?.flush(); // they write meanwhile
    this.#writer.carryOut(ready, !this.#isLeader && !this.#requests.hasReads);
    if (this.#isStopped) return; // the log failed
    this.#requests.confirm(ready);
  }

  #send(message: Message<Batch>): void {
    if (message.type === "snapshot") this.#snapshots?.request(message);
    else this.#peers?.send(message);
  }

  #noteRole(): void {
    const { role, term, leaderId, transferringTo } = this.#raft;
    const isHandingOver = this.#isTransferring;
    this.#isTransferring = transferringTo !== null;
    this.#whereabouts.noteLeader(leaderId, transferringTo);
    const isSame = role === this.#role && term === this.#term && leaderId === this.#leaderId;
    if (isSame) return;
    this.#writer.apply(); // the log's time goes on from there
    const hasSteppedDown = this.#isLeader && (role !== "leader" || term !== this.#term);
    this.#options.logger.info(describeRole(role, term, leaderId));
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#requests.noteRole(role === "leader", leaderId);
    if (hasSteppedDown) this.#steppedDown(isHandingOver);
    if (role === "leader") this.#time.lead(this.#log);
    if (leaderId !== null) this.#requests.askAgain();
  }

  #steppedDown(isHandingOver: boolean): void {
    this.#requests.steppedDown(isHandingOver);
    this.#time.forget();
  }

  /** Connects with the members as they are by now; ends where this node is none of them any more. */
  #followMembers(): void {
    const plan = this.#whereabouts.newPlan();
    if (plan !== null) this.#peers?.follow(plan);
    if (!this.#isLeader && this.#membership.isRemoved) this.removed();
  }

  /** For how long nothing is to be done unless something comes. */
  #sleepTicks(): number {
    return this.#requests.isUrgent ? 1 : this.#raft.ticksUntilDue();
  }

  /** Looks after what need not be looked after in each turn. */
  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + this.#options.heartbeatMs;
    this.#timekeeping.tick();
    if (this.#isLeader) this.#time.tick(this.#requests.hasProposals);
    this.#requests.sweep(nowMs);
    this.#snapshots?.tick();
    this.#members.compactedTo(this.#log.firstIndex() - 1);
    this.#membership.tick();
    this.#ownDisk.tick();
    const { voters } = this.#raft.status().configuration;
    this.#majority.check(nowMs, this.#leaderId !== null || this.#isRemoved, voters);
  }
}
