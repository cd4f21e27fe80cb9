import { UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { Clock } from "../../platform/clock.ts";
import type { NodeId, RaftStatus, SnapshotAt, SnapshotWanted } from "../../raft/types.ts";
import { SnapshotFormatError } from "../../store/snapshot_items.ts";
import type { LogEntry } from "../log/entry.ts";
import type { LogStore } from "../log/log_store.ts";
import { unsupportedVersion } from "../members/versions.ts";
import type { SnapshotMessage } from "../peers/peer_message.ts";
import type { SnapshotMeta, SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotExports } from "./snapshot_exports.ts";
import { type Received, SnapshotReceiver } from "./snapshot_receiver.ts";
import { SnapshotSender } from "./snapshot_sender.ts";
import { SnapshotTaker, type SnapshotTakerReport } from "./snapshot_taker.ts";

export interface NodeSnapshotsOptions {
  readonly id: NodeId;
  readonly machine: StateMachine;
  readonly log: LogStore;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** See `SnapshotTakerOptions`. */
  readonly logBytesMax: number;
  /** The metadata of the machine's current state. */
  readonly meta: () => SnapshotMeta;
  /** See `SnapshotTakerOptions`. */
  readonly isWhole: () => boolean;
  readonly status: () => RaftStatus;
  /** Sends a message in this turn or the next. */
  readonly send: (message: SnapshotMessage) => void;
  /** See `SnapshotReceiverOptions`. */
  readonly onReceived: (snapshot: SnapshotAt) => void;
  /** See `SnapshotReceiverOptions`. */
  readonly onRefused: (why: string) => void;
}

/** A node's report on its snapshots. */
export interface SnapshotReport extends SnapshotTakerReport {
  /** Index of the last entry in the newest snapshot; 0 when there is none. */
  readonly index: number;
  /** Size of its file. */
  readonly sizeBytes: number;
  /** The log's time in it. */
  readonly timeMs: number;
  /** Index of the oldest entry in the log. A node that needs older ones gets a snapshot. */
  readonly logFirstIndex: number;
}

/** Everything that a node does with snapshots: it takes, sends, receives and installs them. */
export class NodeSnapshots {
  readonly #store: SnapshotStore;
  /** For clients that make a backup. */
  readonly exports: SnapshotExports;
  readonly #taker: SnapshotTaker;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #log: LogStore;
  readonly #status: () => RaftStatus;

  constructor(options: NodeSnapshotsOptions) {
    const { id, machine, log, store, clock, logger } = options;
    const { logBytesMax, meta, isWhole, status, send, onReceived, onRefused } = options;
    this.#store = store;
    this.#log = log;
    this.#status = status;
    const onDamaged = (snapshot: StoredSnapshot) => {
      store.noteDamaged(snapshot);
      this.#taker.take();
    };
    this.#sender = new SnapshotSender({ id, store, clock, logger, send, onDamaged });
    this.#receiver = new SnapshotReceiver({
      machine,
      store,
      clock,
      logger,
      status,
      send,
      onReceived,
      onRefused,
    });
    this.#taker = new SnapshotTaker({
      machine,
      log,
      store,
      clock,
      logger,
      logBytesMax,
      meta,
      isWhole,
      status,
      sentIndexMin: () => this.#sender.indexMin,
    });
    const appliedIndex = () => meta().index;
    this.exports = new SnapshotExports({ store, clock, appliedIndex, onDamaged }, this.#taker);
  }

  report(): SnapshotReport {
    const newest = this.#store.newest();
    const { index, sizeBytes, timeMs } = newest ?? { index: 0, sizeBytes: 0, timeMs: 0 };
    const logFirstIndex = this.#log.firstIndex();
    return { ...this.#taker.report(), index, sizeBytes, timeMs, logFirstIndex };
  }

  /** Starts to take a snapshot. Returns false when one is being taken already. */
  take(): boolean {
    return this.#taker.take();
  }

  /** Starts to send a peer the newest snapshot, or continues to. */
  send(wanted: SnapshotWanted): void {
    this.#sender.start(wanted);
  }

  handle(message: SnapshotMessage): void {
    switch (message.type) {
      case "snapshotOffer":
        return this.#receiver.handleOffer(message);
      case "snapshotChunk":
        return this.#receiver.handleChunk(message);
      case "snapshotReply":
        return this.#sender.handleReply(message);
    }
  }

  /** Whether a snapshot with entries that the state lacks is arriving. */
  get isReceiving(): boolean {
    return this.#receiver.isReceiving;
  }

  noteUnreachable(peer: NodeId): void {
    this.#sender.noteUnreachable(peer);
  }

  noteApplied({ index, sizeBytes }: LogEntry): void {
    this.#taker.noteApplied(index, sizeBytes);
  }

  tick(): void {
    this.#sender.tick(this.#status());
    this.#receiver.tick();
    this.#taker.tick();
    this.exports.tick();
  }

  /** Returns the received snapshot with which the core replaces log and state. */
  install(at: SnapshotAt): Received {
    this.#taker.abandon();
    return this.#receiver.take(at);
  }

  /** Removes older snapshots once the received one is installed. */
  prune(): void {
    this.#store.prune();
  }

  stop(): void {
    this.exports.stop();
    this.#taker.abandon();
    this.#sender.stop();
    this.#receiver.stop();
  }
}

/**
 * Loads the newest snapshot into a new state machine at the start. This blocks the event loop, for
 * some seconds per million keys, but no client is served yet.
 *
 * @throws {UserError} when the file is damaged, or does not hold a state of Regent
 */
export function restoreNewest(store: SnapshotStore, machine: StateMachine): void {
  const newest = store.newest();
  if (newest === null) return;
  const unsupported = unsupportedVersion(machine.versions, newest.machineVersion);
  if (unsupported !== null) {
    throw new UserError(`Cannot use the snapshot of entry ${newest.index}: ${unsupported}`);
  }
  const loader = machine.newLoader();
  try {
    for (const chunk of store.load()) loader.push(chunk);
    machine.restore(loader, newest.machineVersion);
  } catch (error) {
    if (!(error instanceof SnapshotFormatError)) throw error;
    throw new UserError(`Cannot use the snapshot of entry ${newest.index}: ${error.message}`, {
      cause: error,
    });
  }
}
