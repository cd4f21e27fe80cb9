import { UserError } from "../base/errors.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import type { Raft } from "../raft/mod.ts";
import type { Message, NodeId, Ready, Role } from "../raft/types.ts";
import type { ErrorReply } from "../resp/reply.ts";
import type { Applier } from "./clients/applier.ts";
import type { ClientRequests } from "./clients/client_requests.ts";
import { type Request, STOPPING } from "./clients/request.ts";
import type { Batch } from "./log/entry.ts";
import type { LogStore } from "./log/log_store.ts";
import type { MemberAddresses } from "./members/addresses.ts";
import type { CatchUp, MajorityWatch } from "./members/catch_up.ts";
import type { Members } from "./members/members.ts";
import type { Membership } from "./members/membership.ts";
import { describeRole, nodeReport, StateObservers, type StateReport } from "./members/report.ts";
import type { BuildVersions, MachineUpgrade } from "./members/versions.ts";
import {
  type CompleteNodeOptions,
  makeParts,
  NODE_DEFAULTS,
  type NodeOptions,
} from "./node_parts.ts";
import type { OwnDisk } from "./own_disk.ts";
import { refusedSentence } from "./peers/hello.ts";
import { isClockMessage, isSnapshotMessage, type PeerMessage } from "./peers/peer_message.ts";
import type { PeerHandler, Peers } from "./peers/transport.ts";
import type { ReadyRunner } from "./ready_runner.ts";
import type { NodeSnapshots } from "./snapshots/node_snapshots.ts";
import type { Ticker, TurnBudget } from "./ticker.ts";
import type { LogTime } from "./time/log_time.ts";
import type { Timekeeping } from "./time/timekeeping.ts";

/** Maximum duration of one turn in milliseconds, before the event loop serves others. */
const TURN_MS_MAX = 12;
/** Number of minimum election timeouts for which a stopping leader waits for a successor. */
const HAND_OVER_ELECTIONS = 4;
/** Minimum of that time in milliseconds, since the machines may be busy. */
const HAND_OVER_MS_MIN = 1_000;
/** Time in milliseconds for which a removed node redirects its clients before it ends. */
const REMOVED_MS = 1_000;

/**
 * Drives the Raft core. It turns the clients' requests of one turn of the event loop into one
 * entry, and carries out what the core wants: on the log, the peers and the state machine.
 *
 * One turn: seal the open reads and writes, carry out Readys until none is left, send.
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
  readonly #addresses: MemberAddresses;
  readonly #observers = new StateObservers();
  readonly #catchUp: CatchUp;
  readonly #budget: TurnBudget;
  readonly #applier: Applier;
  readonly #snapshots: NodeSnapshots | null;
  readonly #runner: ReadyRunner;
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
      onAdvanced: ({ messagesAfterPersist }) => {
        for (const message of messagesAfterPersist) this.#peers?.send(message);
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
    this.#addresses = parts.addresses;
    this.#catchUp = parts.catchUp;
    this.#budget = parts.budget;
    this.#applier = parts.applier;
    this.#snapshots = parts.snapshots;
    this.#runner = parts.runner;
    this.#ownDisk = parts.ownDisk;
    this.#ticker = parts.ticker;
    this.#majority = parts.majority;
  }

  /** `null` when the log is never compacted. */
  get snapshots(): NodeSnapshots | null {
    return this.#snapshots;
  }

  get membership(): Membership {
    return this.#membership;
  }

  /** Starts to take part. `peers` must be ready to send. */
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
   * Never stands for election again, and makes another member lead if this node leads. Calls back
   * when another one leads, or when nobody took over in time.
   */
  handOver(done: () => void): void {
    this.#timekeeping.retire();
    if (!this.#isLeader) return done();
    const waitMs = Math.max(HAND_OVER_MS_MIN, HAND_OVER_ELECTIONS * this.#options.electionMs);
    this.#handOverUntil(this.#clock.monotonicMs() + waitMs, done);
  }

  /**
   * Retries until the deadline: a successor that was too slow for one attempt may succeed in the
   * next. While no successor is elected, this node's vote may still be needed.
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

  /** Stops taking part. All waiting requests get an answer. */
  stop(): void {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#runner.stop();
    this.#snapshots?.stop();
    this.#applier.giveUp();
    this.#membership.stop(STOPPING);
    this.#requests.stop();
  }

  /**
   * Stops because this build cannot continue with the log. A node that was removed earlier reports
   * that instead.
   */
  #fail(why: string): void {
    if (this.#isStopped) return;
    const { isRemoved } = this.#membership;
    if (isRemoved) this.onRemoved();
    this.stop();
    if (isRemoved) return;
    this.#options.onFailure?.(new UserError(why));
  }

  /** Takes a read or a write. Its sink gets the reply, perhaps before this returns. */
  submit(request: Request): void {
    this.#requests.submit(request);
  }

  /**
   * Announces a large request, which will keep the event loop busy and delay heartbeats.
   *
   * @param bytes size of the largest request being read or processed; 0 when none is large
   */
  noteLargest(bytes: number): void {
    this.#raft.busyMib = Math.floor(bytes / 2 ** 20);
    this.#schedule();
  }

  /** Whether this node leads in exactly this term. */
  leadsIn(term: number): boolean {
    return this.#raft.role === "leader" && this.#raft.term === term;
  }

  /** The refusal of a request for this slot; `null` when this node leads. */
  refusal(slot: number): ErrorReply | null {
    return this.#isLeader ? null : this.#requests.redirect(slot);
  }

  /**
   * Calls back when `count` other members hold all that was proposed so far, or at the timeout.
   *
   * @returns cancels the wait
   */
  whenReplicated(count: number, timeoutMs: number, done: (count: number) => void): Cancel {
    return this.#requests.whenReplicated(count, timeoutMs, done);
  }

  /** Number of open `whenReplicated` calls. */
  get waitingCount(): number {
    return this.#requests.waitingCount;
  }

  /** Calls back after each change of role, term, leader, addresses, readiness, memory limit or users. */
  watch(changed: () => void): Cancel {
    return this.#observers.add(changed);
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
      lastLeaderId: this.#addresses.lastLeaderId,
      leaderAddress: this.#addresses.leader(),
      clientAddress: (member) => this.#addresses.forClients(member),
      isConnected: (member) => this.#peers?.isConnected(member) ?? false,
    });
  }

  // From the transport.

  onMessage(message: PeerMessage): void {
    if (this.#isStopped) return;
    if (isSnapshotMessage(message)) this.#snapshots?.handle(message);
    else if (isClockMessage(message)) this.#timekeeping.handle(message);
    else this.#step(message);
    this.#schedule();
  }

  /** Counts ticks first, so that a timer that the message starts does not start in the past. */
  #step(message: Message<Batch>): void {
    this.#ticker.catchUp();
    this.#raft.step(message);
  }

  onUnreachable(peer: NodeId): void {
    if (this.#isStopped) return;
    this.#raft.reportUnreachable(peer);
    this.#snapshots?.noteUnreachable(peer);
    this.#schedule();
  }

  onAnnounced(
    peer: NodeId,
    clientAddress: Address,
    raftAddress: Address | null,
    incarnation: string,
    versions: BuildVersions,
  ): void {
    this.#addresses.noteAnnounced(peer, clientAddress, raftAddress, incarnation);
    this.#upgrade.noteAnnounced(peer, versions);
    this.#schedule();
  }

  onRefused(by: NodeId, why: "stranger" | "copy", at: Address | null): void {
    if (this.#isRemoved || this.#isStopped) return;
    const { id, onRefused } = this.#options;
    onRefused?.(refusedSentence(id, by, why, at ?? this.#addresses.forClients(by)));
  }

  onRemoved(): void {
    if (this.#isRemoved || this.#isStopped) return;
    this.#isRemoved = true;
    const { id, logger, onRemoved, electionMs } = this.#options;
    logger.warn(`${id} was removed from the cluster for good: this node ends`);
    this.#timekeeping.retire();
    this.#requests.noteRemoved();
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
    this.#applier.continueWork();
    if (this.#isLeader || this.#requests.hasReads || !this.#runner.isBusy) this.#runner.apply();
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
    if (!this.#runner.isBusy) this.#runner.apply();
    if (!this.#budget.isResting) this.#applier.continueConcurrentReads();
    if (this.#applier.hasWork || !this.#budget.isLeft) this.#budget.rest();
    const { memoryBytesMax, users } = this.#options.machine;
    this.#observers.check(
      this.#raft,
      this.#catchUp.isBehind,
      this.#addresses.version,
      memoryBytesMax,
      users.version,
    );
    this.#ticker.sleep(this.#sleepTicks());
  }

  /** Hands the collected requests to the core, as far as the pipeline has room. */
  #seal(): void {
    this.#noteRole();
    this.#requests.endHandover();
    this.#membership.turn();
    if (this.#isLeader) this.#upgrade.turn();
    this.#requests.seal();
  }

  #carryOut(ready: Ready<Batch>): void {
    for (const message of ready.messages) this.#peers?.send(message);
    for (const wanted of ready.snapshotsWanted) this.#snapshots?.send(wanted);
    // Send entries first: the followers write them while this node does.
    if (this.#isLeader && ready.entries.length > 0) this.#peers?.flush();
    this.#runner.writeAndApply(ready, !this.#isLeader && !this.#requests.hasReads);
    if (this.#isStopped) return; // the log failed
    this.#requests.confirm(ready);
  }

  #noteRole(): void {
    const { role, term, leaderId, transferringTo } = this.#raft;
    const isHandingOver = this.#isTransferring;
    this.#isTransferring = transferringTo !== null;
    this.#addresses.noteLeader(leaderId, transferringTo);
    const isSame = role === this.#role && term === this.#term && leaderId === this.#leaderId;
    if (isSame) return;
    this.#runner.apply(); // the log's time continues from the newest applied entry
    const hasSteppedDown = this.#isLeader && (role !== "leader" || term !== this.#term);
    this.#options.logger.info(describeRole(role, term, leaderId));
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    this.#requests.noteRole(role === "leader", leaderId);
    if (hasSteppedDown) this.#endLeadership(isHandingOver);
    if (role === "leader") this.#time.lead(this.#log);
    if (leaderId !== null) this.#requests.askAgain();
  }

  #endLeadership(isHandingOver: boolean): void {
    this.#requests.endLeadership(isHandingOver);
    this.#time.forget();
  }

  /** Connects to the current members. Ends this node once it is not a member any more. */
  #followMembers(): void {
    const plan = this.#addresses.newPlan();
    if (plan !== null) this.#peers?.follow(plan);
    if (!this.#isLeader && this.#membership.isRemoved) this.onRemoved();
  }

  /** Number of ticks for which nothing is due unless input arrives. */
  #sleepTicks(): number {
    return this.#requests.isUrgent ? 1 : this.#raft.ticksUntilDue();
  }

  /** Does the periodic work, once per heartbeat interval rather than in every turn. */
  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + this.#options.heartbeatMs;
    this.#timekeeping.tick();
    if (this.#isLeader) this.#time.tick(this.#requests.hasProposals);
    this.#requests.sweep(nowMs);
    this.#snapshots?.tick();
    this.#members.compactTo(this.#log.firstIndex() - 1);
    this.#membership.tick();
    this.#ownDisk.tick();
    const { voters } = this.#raft.status().configuration;
    this.#majority.check(nowMs, this.#leaderId !== null || this.#isRemoved, voters);
  }
}
