import type { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import { Raft } from "../raft/mod.ts";
import type { NodeId } from "../raft/types.ts";
import { Applier } from "./clients/applier.ts";
import { BatchPacer } from "./clients/batch_pacer.ts";
import { ClientRequests } from "./clients/client_requests.ts";
import { Proposals } from "./clients/proposals.ts";
import { ReadAsker, ReadQueue } from "./clients/reads.ts";
import { type Batch, sizeOfBatch } from "./log/entry.ts";
import type { LogStore, StoredConfiguration } from "./log/log_store.ts";
import { MemberAddresses } from "./members/addresses.ts";
import { CatchUp, MajorityWatch } from "./members/catch_up.ts";
import { configurationOf, withIncarnations } from "./members/configuration.ts";
import { firstConfiguration, Members } from "./members/members.ts";
import { Membership } from "./members/membership.ts";
import { BUILD_VERSIONS, type BuildVersions, MachineUpgrade } from "./members/versions.ts";
import { OwnDisk } from "./own_disk.ts";
import type { Peers } from "./peers/transport.ts";
import { ReadyRunner, type ReadyRunnerOptions } from "./ready_runner.ts";
import { NodeSnapshots } from "./snapshots/node_snapshots.ts";
import type { SnapshotStore } from "./snapshots/snapshot.ts";
import { STATE_MS_MAX, Ticker, TurnBudget } from "./ticker.ts";
import { Timekeeping } from "./time/timekeeping.ts";

/** Options of a node. */
export interface NodeOptions {
  readonly id: NodeId;
  /** The cluster's id, by which proxies tell clusters apart. @default "", not reported */
  readonly clusterId?: string;
  /**
   * Raft addresses of the founders. For a node that joins: the members it can ask for the
   * configuration, without itself. Later addresses from the log take precedence.
   */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Addresses given by the operator, which take precedence over the log. @default none */
  readonly moved?: ReadonlyMap<NodeId, Address>;
  /** Where peers reach this node. @default the address in `members` */
  readonly raftAddress?: Address;
  /** Identity of the data directory. @default "", none */
  readonly incarnation?: string;
  /** Incarnations of the founders. @default unknown so far */
  readonly founders?: ReadonlyMap<NodeId, string>;
  /** The configuration before the log's first entry. @default the founders, at index 0 */
  readonly base?: StoredConfiguration;
  /** Called when the node was removed from the cluster for good, and should end. */
  readonly onRemoved?: () => void;
  /** Called with a sentence that says why a peer does not let this node take part. */
  readonly onRefused?: (sentence: string) => void;
  /** Called when the node has stopped, since it cannot continue with this log. */
  readonly onFailure?: (error: UserError) => void;
  /** Protocol and machine versions that this build understands. @default those of this build */
  readonly versions?: BuildVersions;
  /** Where clients reach this node. */
  readonly clientAddress: Address;
  readonly log: LogStore;
  /**
   * Where snapshots are stored. The state machine already holds the newest one.
   *
   * @default {null} the log is never compacted
   */
  readonly snapshots?: SnapshotStore | null;
  /**
   * Minimum number of bytes in the log since the last snapshot before the next one is taken. The
   * log must also have outgrown the last snapshot.
   *
   * @default {64 MiB}
   */
  readonly snapshotLogBytes?: number;
  readonly machine: StateMachine;
  /** Commands that the first leader writes to a new log. @default none */
  readonly firstWrites?: readonly (readonly string[])[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** See `RaftOptions.standing`. @default "normal" */
  readonly standing?: "eager" | "normal" | "reluctant";
  /** Duration of a tick in milliseconds. @default 10 */
  readonly tickMs?: number;
  /** The shortest election timeout in milliseconds. The longest is twice that. @default 150 */
  readonly electionMs?: number;
  /** Interval in milliseconds between a leader's heartbeats. @default 50 */
  readonly heartbeatMs?: number;
  /**
   * How long a read waits for a leader, and a write for its outcome after a change of leader, in
   * milliseconds.
   *
   * @default {5000}
   */
  readonly waitMs?: number;
  /**
   * Maximum offset in milliseconds of a clock from the median of the members' clocks. A node whose
   * clock is further off does not lead.
   *
   * @default {10000}
   */
  readonly clockOffsetMsMax?: number;
  /** Bytes of writes in flight above which new writes are refused. @default 256 MiB */
  readonly inFlightBytesMax?: number;
  /**
   * Maximum number of steps of work on the state in one turn. The time is bounded as well; this
   * bound is for tests, whose clock stands still during a turn.
   *
   * @default {Infinity}
   */
  readonly turnStepsMax?: number;
  /**
   * Maximum number of committed entries in memory that are not applied yet.
   *
   * @default {4096}
   */
  readonly unappliedMax?: number;
}

export const NODE_DEFAULTS = {
  clusterId: "",
  incarnation: "",
  versions: BUILD_VERSIONS,
  standing: "normal",
  tickMs: 10,
  electionMs: 150,
  heartbeatMs: 50,
  waitMs: 5_000,
  clockOffsetMsMax: 10_000,
  firstWrites: [],
  snapshots: null,
  snapshotLogBytes: 64 * 1024 * 1024,
  inFlightBytesMax: 256 * 1024 * 1024,
  turnStepsMax: Infinity,
  unappliedMax: 4096,
} as const satisfies Partial<NodeOptions>;

export type CompleteNodeOptions =
  & NodeOptions
  & Required<Pick<NodeOptions, keyof typeof NODE_DEFAULTS>>;

/**
 * The consensus core of a node.
 *
 * @param appliedIndex index of the last entry in the state machine
 */
function makeRaft(
  options: CompleteNodeOptions,
  members: Members,
  appliedIndex: number,
): Raft<Batch> {
  const { id, log, random, standing, tickMs, electionMs, heartbeatMs } = options;
  return new Raft<Batch>({
    id,
    configurations: members.known.map(({ index, configuration }) => (
      { index, configuration: configurationOf(configuration) }
    )),
    configurationOf: ({ configuration }) => configuration && configurationOf(configuration),
    hardState: log.hardState(),
    log,
    appliedIndex,
    random,
    electionTicks: Math.max(1, Math.round(electionMs / tickMs)),
    heartbeatTicks: Math.max(1, Math.round(heartbeatMs / tickMs)),
    standing,
    sizeOf: sizeOfBatch,
  });
}

/** Maximum number of entries in flight. Further writes are collected for the next one. */
const ENTRIES_UNDER_WAY_MAX = 4;
/** Maximum number of ReadIndex rounds in flight. Further reads are collected for the next one. */
const READ_ROUNDS_MAX = 4;

/** What the parts need from their node. */
export interface NodeHooks {
  /** `null` until the node has started. */
  readonly peers: () => Peers | null;
  /** Asks for another turn. */
  readonly schedule: () => void;
  /** Called when a Ready is durable: the messages that waited for that may be sent. */
  readonly onAdvanced: ReadyRunnerOptions["onAdvanced"];
  /** Called when this build cannot continue with the log. */
  readonly fail: (why: string) => void;
}

/** Builds the parts of a node from its log and its snapshots. Nothing runs yet. */
export function makeParts(options: CompleteNodeOptions, hooks: NodeHooks) {
  const { id, machine, log, clock, random, logger, electionMs, heartbeatMs, waitMs } = options;
  const { clockOffsetMsMax } = options;
  const { schedule } = hooks;
  const isConnected = (peer: NodeId) => hooks.peers()?.isConnected(peer) ?? false;
  const successor = (): NodeId | null => membership.transfer.successor();
  const logTime = (): number => time.next();
  const appliedIndex = (): number => applier.last.index;

  // Consensus
  const newest = options.snapshots?.newest() ?? null;
  const { index, term } = newest ?? { index: log.firstIndex() - 1, term: 0 };
  const members = new Members(baseOf(options), log.configurations());
  const raft = makeRaft(options, members, index);
  const catchUp = new CatchUp(electionMs, clock.monotonicMs());
  const timekeeping = new Timekeeping({
    id,
    raft,
    machine,
    appliedIndex,
    members,
    clock,
    random,
    logger,
    clockOffsetMsMax,
    send: (message) => hooks.peers()?.send(message),
    successor,
  });
  const time = timekeeping.log;

  // State
  const proposals = new Proposals(new BatchPacer(clock, ENTRIES_UNDER_WAY_MAX, schedule));
  const reads = new ReadQueue(new BatchPacer(clock, READ_ROUNDS_MAX, schedule));
  const asker = new ReadAsker({ raft, reads, clock, heartbeatMs, waitMs });
  const budget = new TurnBudget(clock, STATE_MS_MAX, options.turnStepsMax, schedule);
  const applier = new Applier({
    machine,
    proposals,
    reads,
    random,
    start: { index, term },
    nowMs: () => time.nowMs(),
    budget,
    onApplied: (entry) => snapshots?.noteApplied(entry),
  });

  // Durability
  const snapshots = options.snapshots === null ? null : new NodeSnapshots({
    id,
    machine,
    log,
    store: options.snapshots,
    clock,
    logger,
    logBytesMax: options.snapshotLogBytes,
    meta: () => {
      const { index, term } = applier.last;
      const { configuration } = members.at(index);
      const { timeMs, version } = machine;
      return { index, term, timeMs, machineVersion: version, configuration };
    },
    isWhole: () => !applier.isBusy,
    status: () => raft.status(),
    send: (message) => {
      hooks.peers()?.send(message);
      schedule();
    },
    onReceived: (snapshot) => {
      raft.snapshotReceived(snapshot);
      schedule();
    },
    onRefused: hooks.fail,
  });
  const runner = new ReadyRunner({
    raft,
    log,
    members,
    applier,
    snapshots,
    unappliedMax: options.unappliedMax,
    onAdvanced: hooks.onAdvanced,
    schedule,
    onRefused: hooks.fail,
  });
  const ownDisk = new OwnDisk({
    raft,
    clock,
    logger,
    electionMs,
    undurableBytes: () => runner.undurableBytes,
    successor,
  });

  // Membership
  const addresses = new MemberAddresses({
    id,
    contacts: options.members,
    clientAddress: options.clientAddress,
    raftAddress: options.raftAddress ?? options.members.get(id),
    incarnation: options.incarnation,
    ...(options.moved === undefined ? {} : { moved: options.moved }),
    members,
    raft,
    logger,
  });
  const upgrade = new MachineUpgrade({
    id,
    raft,
    machine,
    appliedIndex,
    members,
    logger,
    firstWrites: options.firstWrites,
    isConnected,
    logTime,
  });
  const membership = new Membership({
    id,
    raft,
    members,
    clock,
    logger,
    waitMs,
    isConnected,
    addressOf: (member) => addresses.forPeers(member),
    incarnationOf: (member) => addresses.incarnationOf(member),
    logTime,
    hasWrongClock: (member) => timekeeping.hasWrongClock(member),
    redirect: () => requests.redirect(0),
    schedule,
  });
  const majority = new MajorityWatch({
    logger,
    problem: (member) => member === id ? null : hooks.peers()?.problem(member) ?? null,
  });

  // Requests of clients
  const requests: ClientRequests = new ClientRequests({
    raft,
    machine,
    clock,
    proposals,
    reads,
    asker,
    applier,
    budget,
    time,
    catchUp,
    addresses,
    membership,
    upgrade,
    ownDisk,
    electionMs,
    waitMs,
    inFlightBytesMax: options.inFlightBytesMax,
    schedule,
  });
  const ticker = new Ticker({
    clock,
    tickMs: options.tickMs,
    tick: () => {
      raft.tick();
      requests.tick();
    },
    wake: schedule,
  });

  return {
    raft,
    members,
    membership,
    upgrade,
    timekeeping,
    addresses,
    catchUp,
    majority,
    budget,
    applier,
    snapshots,
    runner,
    ownDisk,
    requests,
    ticker,
  };
}

/** The configuration before the first entry of the log. */
function baseOf({ id, members, snapshots, base, founders }: CompleteNodeOptions) {
  const founding = { index: 0, configuration: firstConfiguration(id, members) };
  const { index, configuration } = snapshots?.newest() ?? base ?? founding;
  // A backup that was restored on several machines has its members' ids, but no incarnations.
  const recorded = withIncarnations(configuration, (one) => founders?.get(one) ?? null);
  return { index, configuration: recorded };
}
