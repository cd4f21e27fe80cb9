import { assert } from "../base/assert.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import { lookup } from "../commands/table.ts";
import { Raft } from "../raft/mod.ts";
import type { Message, NodeId, Ready, Role } from "../raft/types.ts";
import type { ErrorReply } from "../resp/reply.ts";
import type { Cancel, Clock } from "./clock.ts";
import { Batch, type LogEntry } from "./entry.ts";
import { sizeOfBatch } from "./log/entry_codec.ts";
import type { LogStore } from "./log_store.ts";
import type { Address } from "./network.ts";
import { NODE_DEFAULTS, type NodeOptions } from "./node_options.ts";
import { isSnapshotMessage, type PeerMessage } from "./peers/peer_message.ts";
import type { PeerHandler } from "./peers/peer_transport.ts";
import { Proposals } from "./proposals.ts";
import { ReadQueue } from "./read_queue.ts";
import {
  LEADER_CHANGED,
  moved,
  NO_LEADER,
  readNotConfirmed,
  slotOf,
  STOPPING,
  TOO_MUCH_IN_FLIGHT,
} from "./refusals.ts";
import type { Request } from "./request.ts";
import { ReplicationWaiters } from "./replication_waiters.ts";
import type { StateReport } from "./state_report.ts";

/** Entries proposed and not applied yet, above which the next batch goes on collecting. */
const PROPOSALS_IN_FLIGHT_MAX = 4;
/** Rounds of leadership confirmation under way, above which reads go on collecting. */
const READ_ROUNDS_MAX = 2;
/** Ticks made up for at once when the event loop was late: a late loop must not start elections. */
const LATE_TICKS_MAX = 3;
/** How long one turn may work before the event loop gets a chance. */
const TURN_MS_MAX = 20;

/** The transport as the node uses it. */
export interface Peers {
  send(message: PeerMessage): void;
  flush(): void;
  isConnected(peer: NodeId): boolean;
}

/**
 * Drives the Raft core: collects what arrives in one turn of the event loop into one entry, moves
 * what the core wants done to log, peers and state machine, and answers the clients.
 *
 * One turn: seal the open reads and writes, then carry out Readys until none is left, then send.
 */
export class Node implements PeerHandler {
  readonly #options: Required<NodeOptions>;
  readonly #raft: Raft<Batch>;
  readonly #log: LogStore;
  readonly #machine: StateMachine;
  readonly #clock: Clock;
  readonly #proposals = new Proposals();
  readonly #reads = new ReadQueue();
  readonly #clientAddresses = new Map<NodeId, Address>();
  readonly #watchers = new Set<() => void>();
  readonly #waiters = new ReplicationWaiters();
  readonly #runTurn = () => this.#turn();

  #peers: Peers | null = null;
  #role: Role = "follower";
  #term = 0;
  #leaderId: NodeId | null = null;
  #reported = "";
  #isScheduled = false;
  #isStopped = false;
  #cancelTick: Cancel | null = null;
  #tickedMs = 0;
  #persistsUnderWay = 0;
  #nextReadId = 1;
  #askedMs = -Infinity;
  /** The time of the newest entry that this node proposed. */
  #lastTimeMs = 0;
  /** The newest entry that only let time pass: reads see what it did to keys. */
  #timeIndex = 0;

  constructor(options: NodeOptions) {
    this.#options = { ...NODE_DEFAULTS, ...options };
    const { tickMs, electionMs, heartbeatMs } = this.#options;
    this.#log = options.log;
    this.#machine = options.machine;
    this.#clock = options.clock;
    this.#clientAddresses.set(options.id, options.clientAddress);
    this.#raft = new Raft<Batch>({
      id: options.id,
      configurations: [{
        index: 0,
        configuration: { voters: [...options.members.keys()], learners: [] },
      }],
      configurationOf: () => null,
      hardState: options.log.hardState(),
      log: options.log,
      random: options.random,
      electionTicks: Math.max(1, Math.round(electionMs / tickMs)),
      heartbeatTicks: Math.max(1, Math.round(heartbeatMs / tickMs)),
      standing: this.#options.standing,
      sizeOf: sizeOfBatch,
    });
  }

  /** Begins to take part. `peers` must be ready to send. */
  start(peers: Peers): void {
    this.#peers = peers;
    this.#tickedMs = this.#clock.monotonicMs();
    this.#scheduleTick();
  }

  /** Stands for election at once. */
  campaign(): void {
    this.#raft.campaign();
    this.#schedule();
  }

  /** Takes part no longer; whoever still waits is told. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelTick?.();
    this.#proposals.giveUp(Infinity);
    for (const request of this.#proposals.takeOpen()) request.settle(STOPPING);
    for (const request of this.#reads.takeOpen()) request.settle(STOPPING);
    for (const request of this.#reads.takeOlderThan(Infinity)) request.settle(STOPPING);
  }

  /** Takes a read or a write; its sink gets the answer, perhaps before this returns. */
  submit(request: Request): void {
    if (this.#isStopped) return request.sink.settle(STOPPING);
    if (!request.isWrite) {
      if (this.#isLeader && request.client.openWrites > 0) this.#proposals.addRider(request);
      else this.#reads.add(request);
    } else if (!this.#isLeader) {
      return request.sink.settle(this.#redirect(slotOf(request)));
    } else if (this.#proposals.bytes > this.#options.inFlightBytesMax) {
      return request.sink.settle(TOO_MUCH_IN_FLIGHT);
    } else {
      this.#proposals.addWrite(request);
    }
    this.#schedule();
  }

  /** Whether this node leads in exactly this term. */
  leadsIn(term: number): boolean {
    const status = this.#raft.status();
    return status.role === "leader" && status.term === term;
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
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  report(): StateReport {
    const status = this.#raft.status();
    const { id, clusterId, members } = this.#options;
    const match = new Map(status.peers.map((peer) => [peer.id, peer.match]));
    match.set(id, status.durableIndex);
    return {
      id,
      clusterId,
      role: status.role === "preCandidate" ? "candidate" : status.role,
      term: status.term,
      leaderId: status.leaderId,
      leaderAddress: this.#leaderAddress(),
      commitIndex: status.commitIndex,
      appliedIndex: status.appliedIndex,
      lastIndex: status.lastIndex,
      isServing: status.servesReads,
      queued: this.#proposals.proposedCount + this.#reads.openCount,
      members: [...members].map(([member, raftAddress]) => ({
        id: member,
        raftAddress,
        clientAddress: this.#clientAddresses.get(member) ?? null,
        isConnected: member === id || (this.#peers?.isConnected(member) ?? false),
        matchIndex: this.#isLeader ? match.get(member) ?? 0 : null,
      })),
    };
  }

  // From the transport.

  message(message: PeerMessage): void {
    if (this.#isStopped) return;
    if (isSnapshotMessage(message)) return;
    this.#raft.step(message);
    this.#schedule();
  }

  unreachable(peer: NodeId): void {
    if (this.#isStopped) return;
    this.#raft.unreachable(peer);
    this.#schedule();
  }

  announced(peer: NodeId, clientAddress: Address): void {
    this.#clientAddresses.set(peer, clientAddress);
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
    this.#peers?.flush();
    this.#notify();
  }

  /** Hands what was collected to the core, as far as it fits into the pipeline. */
  #seal(): void {
    this.#noteRole();
    if (this.#isLeader) this.#sealWrites();
    this.#sealReads();
  }

  #sealWrites(): void {
    const riders = this.#proposals.takeRidersOnly();
    const { term } = this.#raft.status();
    if (riders.length > 0) this.#await(riders, this.#proposals.lastIndexIn(term));
    if (this.#proposals.openWriteCount === 0) return;
    if (this.#proposals.proposedCount >= PROPOSALS_IN_FLIGHT_MAX) return;
    // Reads that came before these writes must be known as such before the proposal.
    this.#sealReads();
    const sealed = this.#proposals.sealOpen(this.#logTime());
    const firstIndex = this.#raft.propose(sealed.map(({ batch }) => batch));
    assert(firstIndex !== null, "the leader's core refused a proposal");
    this.#proposals.proposed(firstIndex, term, sealed, this.#clock.monotonicMs());
  }

  #sealReads(): void {
    if (this.#reads.openCount === 0) return;
    if (this.#reads.unconfirmedCount >= READ_ROUNDS_MAX) {
      // The newest batch still collects; but reads may not wait behind their client's later writes.
      if (this.#proposals.openWriteCount === 0) return;
    }
    if (this.#isLeader) this.#proposeTimeIfDue(this.#lastTimeMs);
    this.#await(this.#reads.takeOpen(), this.#timeIndex);
  }

  #await(requests: readonly Request[], indexMin: number): void {
    const sinceMs = this.#clock.monotonicMs();
    const readId = this.#askForReadIndex(sinceMs);
    const afterProposal = this.#proposals.lastSequence;
    this.#reads.wait({ readId, requests, indexMin, afterProposal, sinceMs });
  }

  #askForReadIndex(nowMs: number): number {
    const readId = this.#nextReadId++;
    this.#raft.readIndex(readId);
    this.#askedMs = nowMs;
    return readId;
  }

  #carryOut(ready: Ready<Batch>): void {
    for (const message of ready.messages) this.#send(message);
    this.#persist(ready);
    if (this.#isStopped) return; // the log failed
    for (const entry of ready.committed) this.#apply(entry);
    for (const read of ready.reads) this.#reads.confirm(read);
    if (ready.refusedReads.length > 0) this.#askedMs = -Infinity; // asked again at the next tick
  }

  #persist(ready: Ready<Batch>): void {
    const isNothing = ready.hardState === null && ready.entries.length === 0;
    if (isNothing && this.#persistsUnderWay === 0) return this.#persisted(ready);
    this.#persistsUnderWay++;
    this.#log.append(ready.hardState, ready.entries, () => {
      this.#persistsUnderWay--;
      if (this.#isStopped) return;
      this.#persisted(ready);
      this.#schedule();
    });
  }

  #persisted(ready: Ready<Batch>): void {
    this.#raft.advance(ready);
    for (const message of ready.messagesAfterPersist) this.#send(message);
  }

  #send(message: Message<Batch>): void {
    if (message.type !== "snapshot") this.#peers?.send(message);
  }

  #noteRole(): void {
    const { role, term, leaderId } = this.#raft.status();
    const isSame = role === this.#role && term === this.#term && leaderId === this.#leaderId;
    if (isSame) return;
    const hasSteppedDown = this.#isLeader && (role !== "leader" || term !== this.#term);
    this.#options.logger.info(describeRole(role, term, leaderId));
    this.#role = role;
    this.#term = term;
    this.#leaderId = leaderId;
    if (hasSteppedDown) this.#steppedDown();
    const hasReadsToAsk = leaderId !== null && this.#reads.unconfirmedCount > 0;
    if (hasReadsToAsk) this.#askForReadIndex(this.#clock.monotonicMs());
  }

  /** Nothing taken from clients may be lost in silence when leadership ends. */
  #steppedDown(): void {
    for (const request of this.#proposals.takeOpen()) {
      request.settle(request.isWrite ? this.#redirect(slotOf(request)) : LEADER_CHANGED);
    }
    // The other reads are asked again of the next leader, but these have their place between writes.
    const hasWrites = ({ client }: Request) => client.openWrites > 0;
    for (const request of this.#reads.takeWhere(hasWrites)) request.settle(LEADER_CHANGED);
    this.#reads.forgetConfirmations();
    this.#timeIndex = 0;
  }

  // Applying and answering.

  #apply(entry: LogEntry): void {
    const proposal = this.#proposals.decidedBy(entry);
    const batch = entry.data;
    if (proposal !== null) {
      for (const request of this.#reads.takeBefore(proposal.sequence)) this.#answer(request);
    }
    if (batch === null) return;
    this.#machine.advanceTime(batch.timeMs);
    if (proposal !== null) {
      for (const request of proposal.requests) this.#answer(request);
      return;
    }
    for (const args of batch.commands) {
      const command = lookup(args[0] ?? "");
      assert(command !== undefined, `entry ${entry.index} holds an unknown command ${args[0]}`);
      this.#machine.execute(command, args, this.#machine.timeMs);
    }
  }

  #answer(request: Request): void {
    const nowMs = request.isWrite
      ? this.#machine.timeMs
      : Math.max(this.#machine.timeMs, this.#clock.nowMs());
    const { command, args } = request;
    request.settle(this.#machine.execute(command, args, nowMs, this.#options.random));
  }

  #answerReads(): void {
    if (this.#reads.isEmpty) return;
    const { appliedIndex } = this.#raft.status();
    for (const request of this.#reads.takeReady(appliedIndex)) this.#answer(request);
    if (this.#reads.openCount > 0 && this.#reads.unconfirmedCount < READ_ROUNDS_MAX) {
      this.#schedule();
    }
  }

  #redirect(slot: number): ErrorReply {
    const leader = this.#leaderAddress();
    return leader === null ? NO_LEADER : moved(slot, leader);
  }

  #leaderAddress(): Address | null {
    const { leaderId } = this.#raft.status();
    return leaderId === null ? null : this.#clientAddresses.get(leaderId) ?? null;
  }

  // Time.

  #logTime(): number {
    this.#lastTimeMs = Math.max(this.#lastTimeMs, this.#machine.timeMs, this.#clock.nowMs());
    return this.#lastTimeMs;
  }

  /**
   * Lets the log's time pass when a key's deadline has come and nothing else is being written.
   *
   * @param proposedMs the time up to which deadlines are being taken care of already
   */
  #proposeTimeIfDue(proposedMs: number): void {
    const deadlineMs = this.#machine.nextDeadlineMs();
    if (deadlineMs === null || deadlineMs <= proposedMs) return;
    if (deadlineMs > this.#clock.nowMs()) return;
    this.#timeIndex = this.#raft.propose([new Batch(this.#logTime(), [])]) ?? 0;
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#clock.after(this.#options.tickMs, () => {
      this.#tick();
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const { tickMs, waitMs } = this.#options;
    const due = Math.floor((nowMs - this.#tickedMs) / tickMs);
    this.#tickedMs += due * tickMs;
    for (let tick = 0; tick < Math.min(due, LATE_TICKS_MAX); tick++) this.#raft.tick();
    if (this.#isLeader) {
      const isTimeProposed = this.#timeIndex > this.#raft.status().appliedIndex;
      const isBusy = this.#proposals.proposedCount > 0 || isTimeProposed;
      this.#proposeTimeIfDue(isBusy ? Infinity : 0);
    } else this.#proposals.giveUp(nowMs - waitMs);
    this.#sweepReads(nowMs);
    this.#schedule();
  }

  #sweepReads(nowMs: number): void {
    const { waitMs, heartbeatMs } = this.#options;
    for (const request of this.#reads.takeOlderThan(nowMs - waitMs)) {
      request.settle(readNotConfirmed(waitMs));
    }
    // An answer may be lost, or the leader that was asked; asking once more covers all that wait.
    if (this.#reads.unconfirmedCount > 0 && nowMs - this.#askedMs > 2 * heartbeatMs) {
      this.#askForReadIndex(nowMs);
    }
  }

  #checkWaiters(): void {
    if (this.#waiters.isEmpty) return;
    const { peers, lastIndex } = this.#raft.status();
    if (this.#proposals.openWriteCount === 0) this.#waiters.logged(lastIndex);
    this.#waiters.check(peers, this.#isLeader, this.#clock.monotonicMs());
  }

  #notify(): void {
    if (this.#watchers.size === 0) return;
    const { role, term, leaderId, servesReads } = this.#raft.status();
    const addresses = [...this.#clientAddresses.values()];
    const state = JSON.stringify([role, term, leaderId, servesReads, addresses]);
    if (state === this.#reported) return;
    this.#reported = state;
    for (const changed of this.#watchers) changed();
  }
}

function describeRole(role: Role, term: number, leaderId: NodeId | null): string {
  if (role === "leader") return `leads in term ${term}`;
  if (leaderId !== null) return `follows ${leaderId} in term ${term}`;
  return role === "follower"
    ? `knows no leader in term ${term}`
    : `stands for election, term ${term}`;
}
