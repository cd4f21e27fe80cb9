import { assert } from "../base/assert.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { Raft } from "../raft/mod.ts";
import type { Message, NodeId, Ready, Role } from "../raft/types.ts";
import type { ErrorReply } from "../resp/reply.ts";
import { Applier } from "./applier.ts";
import type { Cancel, Clock } from "./clock.ts";
import type { Batch } from "./entry.ts";
import { Gathering } from "./gathering.ts";
import { Handover } from "./handover.ts";
import type { LogStore } from "./log_store.ts";
import { LogTime } from "./log_time.ts";
import { firstConfiguration, Members } from "./members.ts";
import { Membership } from "./membership.ts";
import type { Address } from "./network.ts";
import { describeRole, nodeReport } from "./node_report.ts";
import { type CompleteNodeOptions, NODE_DEFAULTS, type NodeOptions } from "./node_options.ts";
import { makeRaft } from "./node_raft.ts";
import { isSnapshotMessage, type PeerMessage } from "./peers/peer_message.ts";
import type { PeerHandler } from "./peers/peer_transport.ts";
import type { Peers } from "./peers/peers.ts";
import { Proposals } from "./proposals.ts";
import { ReadAsker } from "./read_asker.ts";
import { ReadQueue } from "./read_queue.ts";
import { LEADER_CHANGED, slotOf, STOPPING, TOO_MUCH_IN_FLIGHT } from "./refusals.ts";
import { ReadyWriter } from "./ready_writer.ts";
import type { Request } from "./request.ts";
import { ReplicationWaiters } from "./replication_waiters.ts";
import { NodeSnapshots } from "./snapshots/node_snapshots.ts";
import type { StateReport } from "./state_report.ts";
import { StateWatch } from "./state_watch.ts";
import { Ticker } from "./ticker.ts";
import { Whereabouts } from "./whereabouts.ts";

/** Entries proposed and not applied yet, above which the next batch goes on collecting. */
const ENTRIES_UNDER_WAY_MAX = 4;
/** Rounds of leadership confirmation under way, above which reads go on collecting. */
const READ_ROUNDS_MAX = 4;
/** How long one turn may work before the event loop gets a chance. */
const TURN_MS_MAX = 20;
/** A removed node goes on sending its clients elsewhere for so long before it ends. */
const REMOVED_MS = 1_000;

/**
 * Drives the Raft core: collects what arrives in one turn of the event loop into one entry, moves
 * what the core wants done to log, peers and state machine, and answers the clients.
 *
 * One turn: seal the open reads and writes, then carry out Readys until none is left, then send.
 */
export class Node implements PeerHandler {
  readonly #options: CompleteNodeOptions;
  readonly #raft: Raft<Batch>;
  readonly #log: LogStore;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #proposals: Proposals;
  readonly #reads: ReadQueue;
  readonly #asker: ReadAsker;
  readonly #members: Members;
  readonly #membership: Membership;
  readonly #handover = new Handover();
  readonly #time: LogTime;
  readonly #whereabouts: Whereabouts;
  readonly #watch = new StateWatch();
  readonly #waiters = new ReplicationWaiters();
  readonly #applier: Applier;
  readonly #snapshots: NodeSnapshots | null;
  readonly #writer: ReadyWriter;
  readonly #ticker: Ticker;
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
    this.#machine = options.machine;
    this.#clock = options.clock;
    const { id, members, log } = options;
    const newest = options.snapshots?.newest() ?? null;
    const founding = { index: 0, configuration: firstConfiguration(id, members) };
    const base = newest ?? options.base ?? founding;
    this.#members = new Members(base, log.configurations());
    const { index, term } = newest ?? { index: log.firstIndex() - 1, term: 0 };
    this.#raft = makeRaft(this.#options, this.#members, index);
    this.#time = new LogTime(this.#raft, options.machine, options.clock);
    const schedule = () => this.#schedule();
    this.#proposals = new Proposals(new Gathering(options.clock, ENTRIES_UNDER_WAY_MAX, schedule));
    this.#reads = new ReadQueue(new Gathering(options.clock, READ_ROUNDS_MAX, schedule));
    this.#asker = new ReadAsker({ ...this.#options, raft: this.#raft, reads: this.#reads });
    this.#ticker = new Ticker({
      ...this.#options,
      tick: () => {
        this.#raft.tick();
        this.#asker.tick();
      },
      wake: schedule,
    });
    const state = { machine: this.#machine, proposals: this.#proposals, reads: this.#reads };
    this.#applier = new Applier({ ...this.#options, ...state, start: { index, term } });
    this.#snapshots = this.#makeSnapshots();
    this.#writer = new ReadyWriter({
      raft: this.#raft,
      log,
      members: this.#members,
      applier: this.#applier,
      snapshots: this.#snapshots,
      advanced: ({ messagesAfterPersist }) => {
        for (const message of messagesAfterPersist) this.#send(message);
      },
      schedule,
    });
    const consensus = { raft: this.#raft, members: this.#members };
    const { raftAddress = members.get(id) } = options;
    const own = { ...this.#options, ...consensus, contacts: members, raftAddress };
    this.#whereabouts = new Whereabouts(own);
    this.#membership = new Membership({
      ...this.#options,
      ...consensus,
      isConnected: (peer) => this.#peers?.isConnected(peer) ?? false,
      announced: (member) => this.#whereabouts.forPeers(member),
      logTime: () => this.#time.next(),
      redirect: () => this.#redirect(0),
      schedule,
    });
  }

  #makeSnapshots(): NodeSnapshots | null {
    const { snapshots: store, snapshotLogBytes: logBytesMax } = this.#options;
    if (store === null) return null;
    return new NodeSnapshots({
      ...this.#options,
      store,
      logBytesMax,
      meta: () => {
        const { index, term } = this.#applier.last;
        const { configuration } = this.#members.at(index);
        return { index, term, timeMs: this.#machine.timeMs, configuration };
      },
      status: () => this.#raft.status(),
      send: (message) => {
        this.#peers?.send(message);
        this.#schedule();
      },
      step: (request) => {
        this.#raft.step(request);
        this.#schedule();
      },
    });
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

  /** Takes part no longer; whoever still waits is told. */
  stop(): void {
    this.#isStopped = true;
    this.#ticker.stop();
    this.#writer.stop();
    this.#snapshots?.stop();
    this.#proposals.giveUp(Infinity);
    this.#membership.stop(STOPPING);
    for (const request of this.#handover.takeAll()) request.settle(STOPPING);
    for (const request of this.#proposals.takeOpen()) request.settle(STOPPING);
    for (const request of this.#reads.takeOpen()) request.settle(STOPPING);
    for (const request of this.#reads.takeOlderThan(Infinity)) request.settle(STOPPING);
  }

  /** Takes a read or a write; its sink gets the answer, perhaps before this returns. */
  submit(request: Request): void {
    if (this.#isStopped) return request.sink.settle(STOPPING);
    const mayWait = request.isWrite ? !this.#isLeader : this.#isRemoved && !this.#isLeader;
    if (
      mayWait && this.#leaderId === null && this.#handover.isUnderWay(this.#clock.monotonicMs())
    ) {
      this.#handover.add(request);
    } else if (this.#isRemoved && !this.#isLeader) {
      return request.sink.settle(this.#redirect(slotOf(request)));
    } else if (!request.isWrite) {
      if (this.#isLeader && request.client.openWrites > 0) this.#proposals.addRider(request);
      else return this.#addRead(request);
    } else if (!this.#isLeader) {
      return request.sink.settle(this.#redirect(slotOf(request)));
    } else if (this.#proposals.bytes > this.#options.inFlightBytesMax) {
      return request.sink.settle(TOO_MUCH_IN_FLIGHT);
    } else {
      this.#proposals.addWrite(request);
      if (!this.#proposals.mayBeDue()) return;
    }
    this.#schedule();
  }

  #addRead(request: Request): void {
    this.#reads.add(request);
    if (this.#reads.mayBeDue()) this.#schedule();
  }

  /** Whether this node leads in exactly this term. */
  leadsIn(term: number): boolean {
    return this.#raft.role === "leader" && this.#raft.term === term;
  }

  /** How a request for this slot is refused here and now; `null` when this node leads. */
  refusal(slot: number): ErrorReply | null {
    return this.#isLeader ? null : this.#redirect(slot);
  }

  /** Calls back when `count` other members hold all that was proposed so far, or time is up. */
  whenReplicated(count: number, timeoutMs: number, done: (count: number) => void): void {
    const deadlineMs = timeoutMs === 0 ? Infinity : this.#clock.monotonicMs() + timeoutMs;
    this.#waiters.add(count, deadlineMs, done);
    this.#schedule();
  }

  /** Calls back whenever role, term, leader, addresses or readiness changed. */
  watch(changed: () => void): Cancel {
    return this.#watch.add(changed);
  }

  report(): StateReport {
    return nodeReport({
      clusterId: this.#options.clusterId,
      status: { ...this.#raft.status(), appliedIndex: this.#applier.last.index },
      configuration: this.#members.newest.configuration,
      isRemoved: this.#isRemoved,
      queued: this.#proposals.underWayCount + this.#reads.openCount,
      leaderAddress: this.#whereabouts.leader(),
      clientAddress: (member) => this.#whereabouts.forClients(member),
      isConnected: (member) => this.#peers?.isConnected(member) ?? false,
    });
  }

  // From the transport.

  message(message: PeerMessage): void {
    if (this.#isStopped) return;
    if (isSnapshotMessage(message)) this.#snapshots?.message(message);
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
    this.#raft.unreachable(peer);
    this.#snapshots?.unreachable(peer);
    this.#schedule();
  }

  announced(peer: NodeId, clientAddress: Address, raftAddress: Address | null): void {
    this.#whereabouts.announced(peer, clientAddress, raftAddress);
    this.#schedule();
  }

  removed(): void {
    if (this.#isRemoved || this.#isStopped) return;
    this.#isRemoved = true;
    const { id, logger, onRemoved, electionMs } = this.#options;
    logger.warn(`${id} was removed from the cluster for good: this node ends`);
    this.#handover.begin([], this.#clock.monotonicMs() + electionMs);
    const reads = [...this.#reads.takeOpen(), ...this.#reads.takeOlderThan(Infinity)];
    for (const request of reads) request.settle(this.#redirect(slotOf(request)));
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
    if (this.#isStopped) return;
    const startMs = this.#clock.monotonicMs();
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
    this.#answerReads();
    this.#checkWaiters();
    this.#followMembers();
    this.#peers?.flush();
    if (!this.#writer.isBusy) this.#writer.apply();
    this.#watch.check(this.#raft, this.#whereabouts.version);
    this.#ticker.sleep(this.#sleepTicks());
  }

  /** Hands what was collected to the core, as far as it fits into the pipeline. */
  #seal(): void {
    this.#noteRole();
    this.#endHandover();
    this.#membership.turn();
    if (this.#isLeader) this.#sealWrites();
    this.#sealReads();
  }

  #sealWrites(): void {
    const riders = this.#proposals.takeRidersOnly();
    const { term } = this.#raft;
    if (riders.length > 0) this.#await(riders, this.#proposals.lastIndexIn(term));
    if (this.#proposals.openWriteCount === 0) return;
    if (this.#membership.holdsWrites || !this.#proposals.isDue()) return;
    // Reads that came before these writes must be known as such before the proposal.
    this.#sealReads(true);
    const sealed = this.#proposals.sealOpen(this.#time.next());
    const index = this.#raft.propose([sealed.batch]);
    assert(index !== null, "the leader's core refused a proposal");
    this.#proposals.proposed(index, term, sealed, this.#clock.monotonicMs());
  }

  /** @param isForced reads may not wait behind their client's later writes */
  #sealReads(isForced = false): void {
    if (this.#reads.openCount === 0) return;
    if (!isForced && !this.#reads.isDue()) return;
    if (this.#isLeader) this.#time.passBeforeRead();
    this.#await(this.#reads.takeOpen(), this.#time.index);
  }

  #await(requests: readonly Request[], indexMin: number): void {
    this.#asker.ask(requests, { indexMin, proposal: this.#proposals.lastSequence });
  }

  #carryOut(ready: Ready<Batch>): void {
    for (const message of ready.messages) this.#send(message);
    if (this.#isLeader && ready.entries.length > 0) this.#peers?.flush(); // they write meanwhile
    this.#writer.carryOut(ready, !this.#isLeader && this.#reads.isEmpty);
    if (this.#isStopped) return; // the log failed
    for (const read of ready.reads) this.#reads.confirm(read);
    if (ready.refusedReads.length > 0) this.#asker.refused();
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
    if (hasSteppedDown) this.#steppedDown(isHandingOver);
    if (leaderId !== null) this.#asker.repeat();
  }

  /** Nothing taken from clients may be lost in silence when leadership ends. */
  #steppedDown(isHandingOver: boolean): void {
    const open = this.#proposals.takeOpen();
    if (isHandingOver) {
      const untilMs = this.#clock.monotonicMs() + 2 * this.#options.electionMs;
      this.#handover.begin(open.filter(({ isWrite }) => isWrite), untilMs);
    }
    for (const request of open) {
      if (request.isWrite && isHandingOver) continue;
      request.settle(request.isWrite ? this.#redirect(slotOf(request)) : LEADER_CHANGED);
    }
    // The other reads are asked again of the next leader, but these have their place between writes.
    const hasWrites = ({ client }: Request) => client.openWrites > 0;
    for (const request of this.#reads.takeWhere(hasWrites)) request.settle(LEADER_CHANGED);
    this.#reads.forgetConfirmations();
    this.#time.forget();
  }

  /** Sends those who waited for the next leader there; it has no time without end to appear. */
  #endHandover(): void {
    if (this.#handover.isEmpty) return;
    if (
      this.#whereabouts.leader() === null && this.#handover.isUnderWay(this.#clock.monotonicMs())
    ) {
      return;
    }
    for (const request of this.#handover.takeAll()) {
      request.settle(this.#isLeader ? LEADER_CHANGED : this.#redirect(slotOf(request)));
    }
  }

  /** Connects with the members as they are by now; ends where this node is none of them any more. */
  #followMembers(): void {
    const plan = this.#whereabouts.newPlan();
    if (plan !== null) this.#peers?.follow(plan);
    if (!this.#isLeader && this.#membership.isRemoved) this.removed();
  }

  // Applying and answering.

  #answerReads(): void {
    if (this.#reads.isEmpty) return;
    const ready = this.#reads.takeReady(this.#applier.last.index);
    for (const request of ready) this.#applier.answer(request);
    const { openCount, underWayCount } = this.#reads;
    if (ready.length > 0 && openCount > 0 && underWayCount === 0) this.#schedule();
  }

  #redirect(slot: number): ErrorReply {
    return this.#whereabouts.redirect(slot, this.#isRemoved);
  }

  // Time.

  /** For how long nothing is to be done unless something comes. */
  #sleepTicks(): number {
    const isUrgent = this.#asker.isRefused || !this.#waiters.isEmpty || !this.#handover.isEmpty;
    return isUrgent ? 1 : this.#raft.ticksUntilDue();
  }

  /** Looks after what need not be looked after in each turn. */
  #sweep(nowMs: number): void {
    const { heartbeatMs, waitMs } = this.#options;
    this.#sweepAtMs = nowMs + heartbeatMs;
    if (this.#isLeader) this.#time.tick(this.#proposals.underWayCount > 0);
    else this.#proposals.giveUp(nowMs - waitMs);
    this.#asker.sweep(nowMs);
    this.#snapshots?.tick();
    this.#members.compactedTo(this.#log.firstIndex() - 1);
    this.#membership.tick();
  }

  #checkWaiters(): void {
    if (this.#waiters.isEmpty) return;
    const { peers, lastIndex } = this.#raft.status();
    if (this.#proposals.openWriteCount === 0) this.#waiters.logged(lastIndex);
    this.#waiters.check(peers, this.#isLeader, this.#clock.monotonicMs());
  }
}
