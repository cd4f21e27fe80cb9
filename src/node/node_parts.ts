import type { UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Random } from "../base/random.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address } from "../platform/network.ts";
import { Raft } from "../raft/mod.ts";
import type { NodeId } from "../raft/types.ts";
import { Applier } from "./clients/applier.ts";
import { Gathering } from "./clients/batch_pacer.ts";
import { ClientRequests } from "./clients/client_requests.ts";
import { Proposals } from "./clients/proposals.ts";
import { ReadAsker, ReadQueue } from "./clients/reads.ts";
import { type Batch, sizeOfBatch } from "./log/entry.ts";
import type { LogStore, StoredConfiguration } from "./log/log_store.ts";
import { Whereabouts } from "./members/addresses.ts";
import { CatchUp, MajorityWatch } from "./members/catch_up.ts";
import { configurationOf, withIncarnations } from "./members/configuration.ts";
import { firstConfiguration, Members } from "./members/members.ts";
import { Membership } from "./members/membership.ts";
import { BUILD_VERSIONS, type BuildVersions, MachineUpgrade } from "./members/versions.ts";
import type { Peers } from "./peers/transport.ts";
import { OwnDisk, ReadyWriter, type ReadyWriterOptions } from "./ready_runner.ts";
import { NodeSnapshots } from "./snapshots/node_snapshots.ts";
import type { SnapshotStore } from "./snapshots/snapshot.ts";
import { STATE_MS_MAX, Ticker, TurnBudget } from "./ticker.ts";
import { Timekeeping } from "./time/timekeeping.ts";

/** What a node is made of. */
export interface NodeOptions {
  readonly id: NodeId;
  /** Which cluster it belongs to; proxies keep clusters apart by it. @default "", not told */
  readonly clusterId?: string;
  /**
   * The Raft addresses of the founders. For a node that joins, without itself: those it can ask who
   * the members are. What the log says later counts more.
   */
  readonly members: ReadonlyMap<NodeId, Address>;
  /** Where members are by the operator's word, whatever the log says. @default nowhere else */
  readonly moved?: ReadonlyMap<NodeId, Address>;
  /** Where its peers reach this node. @default what `members` says */
  readonly raftAddress?: Address;
  /** Which data directory this is. @default "", it has none */
  readonly incarnation?: string;
  /** The incarnations of the founders. @default not known yet */
  readonly founders?: ReadonlyMap<NodeId, string>;
  /** What held before the log's first entry. @default the founders, at index 0 */
  readonly base?: StoredConfiguration;
  /** The node has been removed from the cluster for good, and should end. @default nothing happens */
  readonly onRemoved?: () => void;
  /** A peer says that this node may not take part, for the reason in this sentence. @default nothing happens */
  readonly onRefused?: (sentence: string) => void;
  /** The node has stopped, since it cannot go on with this log. @default nothing happens */
  readonly onFailure?: (error: UserError) => void;
  /** What this build understands. @default what it does */
  readonly versions?: BuildVersions;
  /** Where clients reach this node. */
  readonly clientAddress: Address;
  readonly log: LogStore;
  /**
   * Beside the log; the state machine holds the newest one already.
   *
   * @default {null} the log stays whole
   */
  readonly snapshots?: SnapshotStore | null;
  /**
   * A snapshot is taken when the log behind the last one has more bytes than this and than that one.
   *
   * @default {64 MiB}
   */
  readonly snapshotLogBytes?: number;
  readonly machine: StateMachine;
  /** Writes that a new log begins with. @default none */
  readonly firstWrites?: readonly (readonly string[])[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** @default "normal" */
  readonly standing?: "eager" | "normal" | "reluctant";
  /** @default 10 */
  readonly tickMs?: number;
  /** The shortest election timeout; the longest is twice that. @default 150 */
  readonly electionMs?: number;
  /** @default 50 */
  readonly heartbeatMs?: number;
  /** How long a read waits for a leader, and a write for its outcome after a change of leader. @default 5000 */
  readonly waitMs?: number;
  /** A clock that differs by more from the median of the members' is wrong, and its node does not lead. @default 10000 */
  readonly clockOffsetMsMax?: number;
  /** Bytes of writes taken and not decided, above which more are refused. @default 256 MiB */
  readonly inFlightBytesMax?: number;
  /**
   * How many steps of work on the state one turn does at most, before others have their turn; its time
   * is bounded anyway. For tests, whose clock stands still during a turn.
   *
   * @default {Infinity}
   */
  readonly turnStepsMax?: number;
}

/** What holds where an option is not given. */
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
} as const satisfies Partial<NodeOptions>;

/** The options with the defaults of those that were not given. */
export type CompleteNodeOptions =
  & NodeOptions
  & Required<Pick<NodeOptions, keyof typeof NODE_DEFAULTS>>;

/** The consensus core of a node. @param appliedIndex what its state machine holds */
export function makeRaft(
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

/** Entries proposed and not applied yet, above which the next batch goes on collecting. */
const ENTRIES_UNDER_WAY_MAX = 4;
/** Rounds of leadership confirmation under way, above which reads go on collecting. */
const READ_ROUNDS_MAX = 4;

/** What the parts need of the node that they belong to. */
export interface NodeHooks {
  /** `null` until the node has started. */
  readonly peers: () => Peers | null;
  /** There is something to do in the next turn. */
  readonly schedule: () => void;
  /** What waited for a Ready to be durable may leave. */
  readonly advanced: ReadyWriterOptions["advanced"];
  /** This build cannot go on with the log. */
  readonly fail: (why: string) => void;
}

/** What a node consists of. */
export type NodeParts = ReturnType<typeof makeParts>;

/** Builds the parts of a node on what its log and its snapshots hold. Nothing runs yet. */
export function makeParts(options: CompleteNodeOptions, hooks: NodeHooks) {
  const { id, machine, log, clock, random, logger, electionMs, heartbeatMs, waitMs } = options;
  const { clockOffsetMsMax } = options;
  const { schedule } = hooks;
  const isConnected = (peer: NodeId) => hooks.peers()?.isConnected(peer) ?? false;
  const successor = (): NodeId | null => membership.transfer.successor();
  const logTime = (): number => time.next();

  // Consensus.
  const newest = options.snapshots?.newest() ?? null;
  const { index, term } = newest ?? { index: log.firstIndex() - 1, term: 0 };
  const members = new Members(baseOf(options), log.configurations());
  const raft = makeRaft(options, members, index);
  const catchUp = new CatchUp(electionMs, clock.monotonicMs());
  const timekeeping = new Timekeeping({
    id,
    raft,
    machine,
    members,
    clock,
    random,
    logger,
    clockOffsetMsMax,
    send: (message) => hooks.peers()?.send(message),
    successor,
  });
  const time = timekeeping.log;

  // The state.
  const proposals = new Proposals(new Gathering(clock, ENTRIES_UNDER_WAY_MAX, schedule));
  const reads = new ReadQueue(new Gathering(clock, READ_ROUNDS_MAX, schedule));
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
    applied: (entry) => snapshots?.applied(entry),
  });

  // What is durable.
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
    step: (request) => {
      raft.step(request);
      schedule();
    },
    refused: hooks.fail,
  });
  const writer = new ReadyWriter({
    raft,
    log,
    members,
    applier,
    snapshots,
    advanced: hooks.advanced,
    schedule,
    refused: hooks.fail,
  });
  const ownDisk = new OwnDisk({
    raft,
    clock,
    logger,
    electionMs,
    undurableBytes: () => writer.undurableBytes,
    successor,
  });

  // Who belongs to the cluster.
  const whereabouts = new Whereabouts({
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
    announced: (member) => whereabouts.forPeers(member),
    incarnationOf: (member) => whereabouts.incarnationOf(member),
    logTime,
    hasWrongClock: (member) => timekeeping.hasWrongClock(member),
    redirect: () => requests.redirect(0),
    schedule,
  });
  const majority = new MajorityWatch({
    logger,
    problem: (member) => member === id ? null : hooks.peers()?.problem(member) ?? null,
  });

  // What clients ask for.
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
    whereabouts,
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
    whereabouts,
    catchUp,
    majority,
    budget,
    applier,
    snapshots,
    writer,
    ownDisk,
    requests,
    ticker,
  };
}

/** The configuration that held before the first entry of the log. */
function baseOf({ id, members, snapshots, base, founders }: CompleteNodeOptions) {
  const founding = { index: 0, configuration: firstConfiguration(id, members) };
  const { index, configuration } = snapshots?.newest() ?? base ?? founding;
  // A backup that was restored on several machines knows them by their names only.
  const recorded = withIncarnations(configuration, (one) => founders?.get(one) ?? null);
  return { index, configuration: recorded };
}
