import type { Logger } from "../../base/logger.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { Clock } from "../../platform/clock.ts";
import type { RaftStatus, SnapshotAt } from "../../raft/types.ts";
import { SnapshotFormatError } from "../../store/snapshot_items.ts";
import type { StateLoader } from "../../store/state_loader.ts";
import { configurationOf } from "../members/configuration.ts";
import { unsupportedVersion } from "../members/versions.ts";
import type { SnapshotChunk, SnapshotMessage, SnapshotOffer } from "../peers/peer_message.ts";
import type { IncomingSnapshot, SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotFileError, SnapshotScanner } from "./snapshot_format.ts";

/** Bytes received and not synced, above which the sender must wait for its reply. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;
/** Time in milliseconds after which a delayed reply is tried again. */
const SYNC_WAIT_MS = 5;
/** Bytes received and not loaded into the new state, above which the sender must wait. */
const UNLOADED_BYTES_MAX = 256 * 1024;
/** The new state is loaded in pieces of this many bytes. The time is checked after each. */
const LOAD_BYTES = 32 * 1024;
/** Maximum time per turn of the event loop for loading, in milliseconds. */
const LOAD_MS = 4;
/** Time in milliseconds for which a snapshot is refused after it was damaged or the disk failed. */
const RETRY_MS = 10_000;

export interface SnapshotReceiverOptions {
  /** Makes the loaders for new states. */
  readonly machine: StateMachine;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly status: () => RaftStatus;
  readonly send: (message: SnapshotMessage) => void;
  /** Tells the core that this complete snapshot is durable here, or not needed. */
  readonly onReceived: (snapshot: SnapshotAt) => void;
  /** Called when this build cannot use the leader's snapshot. */
  readonly onRefused: (why: string) => void;
}

/** A snapshot that is arriving. */
interface Arrival {
  readonly incoming: IncomingSnapshot;
  readonly scanner: SnapshotScanner;
  readonly loader: StateLoader;
  /** Received bytes that the scanner has not seen, in order. */
  readonly unloaded: Uint8Array[];
  unloadedBytes: number;
  isLoading: boolean;
  /** The newest unanswered chunk. Its reply also acknowledges all earlier ones. */
  unanswered: SnapshotChunk | null;
  /** `durable`: the snapshot is stored, and the core can be told. */
  state: "receiving" | "finishing" | "durable";
}

/** A snapshot that is durable here, and its state. */
export interface Received {
  readonly snapshot: StoredSnapshot;
  readonly loader: StateLoader;
}

/**
 * The follower's side of snapshot streams. It writes what arrives to disk, and loads it into a new
 * state while the current one stays in use. Neither blocks the event loop: the disk works in the
 * background, and the state is loaded in short slices. If the sender is faster, its replies are
 * delayed (back-pressure). After a lost connection, or when another leader offers the same file,
 * the stream continues where it was.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #arrival: Arrival | null = null;
  #refused: { readonly snapshot: StoredSnapshot; readonly untilMs: number } | null = null;
  #isStopped = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  /**
   * Whether a snapshot is arriving, waits to be installed, or was refused and will be offered
   * again.
   */
  get isReceiving(): boolean {
    const refused = this.#refused?.snapshot;
    return this.#arrival !== null ||
      (refused !== undefined && refused.index > this.#options.status().appliedIndex);
  }

  handleOffer(offer: SnapshotOffer): void {
    this.#lookForFailure();
    const status = this.#options.status();
    if (offer.from !== status.leaderId || offer.term !== status.term) return;
    const { snapshot } = offer;
    // The entries are committed here, so the core confirms them without the snapshot.
    if (snapshot.index <= status.commitIndex) return this.#report(snapshot);
    const why = unsupportedVersion(this.#options.machine.versions, snapshot.machineVersion);
    if (why !== null) {
      return this.#options.onRefused(`Cannot use the snapshot of entry ${snapshot.index}: ${why}`);
    }
    const arrival = this.#place(snapshot);
    if (arrival !== null) this.#reply(offer, arrival.incoming, true);
  }

  handleChunk(chunk: SnapshotChunk): void {
    this.#lookForFailure();
    const { leaderId, term } = this.#options.status();
    const arrival = this.#arrival;
    if (arrival === null || chunk.from !== leaderId || chunk.term !== term) return;
    const { incoming } = arrival;
    const { index, checksum } = incoming.snapshot;
    if (chunk.index !== index || chunk.checksum !== checksum) return;
    const isNext = arrival.state === "receiving" && chunk.offset === incoming.offset;
    if (isNext && chunk.bytes.length > 0) {
      if (!incoming.write(chunk.bytes, chunk.offset)) return this.#giveUp(incoming.snapshot); // logged
      arrival.unloaded.push(chunk.bytes);
      arrival.unloadedBytes += chunk.bytes.length;
      this.#loadLater(arrival);
    }
    const isWaiting = arrival.unanswered !== null;
    arrival.unanswered = chunk;
    if (!isWaiting) this.#answer(arrival);
  }

  /**
   * Tells the core about a durable snapshot, whoever leads now. Drops a snapshot that is not
   * needed.
   */
  tick(): void {
    this.#lookForFailure();
    const arrival = this.#arrival;
    if (arrival === null) return;
    const status = this.#options.status();
    const isNeeded = status.appliedIndex < arrival.incoming.snapshot.index;
    // The entries may have arrived in the log instead, from another leader.
    if (!isNeeded && arrival.state === "receiving") arrival.incoming.abandon();
    if (!isNeeded && arrival.state !== "finishing") this.#arrival = null;
    else if (arrival.state === "durable") this.#report(arrival.incoming.snapshot);
  }

  /** The snapshot with which the core wants to replace the state. */
  take({ index, term }: SnapshotAt): Received {
    const arrival = this.#arrival;
    const snapshot = arrival?.incoming.snapshot;
    if (arrival?.state !== "durable" || snapshot?.index !== index || snapshot.term !== term) {
      throw new Error(`Cannot install the snapshot of entry ${index}: it is not here`);
    }
    this.#arrival = null;
    this.#options.logger.info(`installs the snapshot of entry ${index}`);
    return { snapshot, loader: arrival.loader };
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#arrival?.state === "receiving") this.#arrival.incoming.abandon();
  }

  /**
   * The arrival of the offered snapshot, new or in progress; `null` if it cannot be received now.
   */
  #place(snapshot: StoredSnapshot): Arrival | null {
    const { store, clock } = this.#options;
    const current = this.#arrival;
    if (current !== null && !current.incoming.isAbandoned) {
      const isSame = isSameFile(current.incoming.snapshot, snapshot);
      if (isSame || current.state !== "receiving") return isSame ? current : null;
    }
    const refused = this.#refused;
    if (refused !== null && clock.monotonicMs() < refused.untilMs) {
      if (isSameFile(refused.snapshot, snapshot)) return null;
    }
    this.#arrival = null;
    let incoming = store.receive(snapshot);
    if (incoming !== null && incoming.offset > 0) { // its first part is in no loader
      incoming.abandon();
      incoming = store.receive(snapshot);
    }
    if (incoming === null) {
      this.#refuse(snapshot);
      return null;
    }
    this.#options.logger.info(
      `receives the snapshot of entry ${snapshot.index}, ${snapshot.sizeBytes} bytes`,
    );
    const loader = this.#options.machine.newLoader();
    const scanner = new SnapshotScanner(snapshot.sizeBytes, (chunk) => loader.push(chunk));
    this.#arrival = {
      incoming,
      scanner,
      loader,
      unloaded: [],
      unloadedBytes: 0,
      isLoading: false,
      unanswered: null,
      state: "receiving",
    };
    return this.#arrival;
  }

  /** Acknowledges what was received, once the disk and the new state have kept up. */
  #answer(arrival: Arrival): void {
    const { incoming, unanswered } = arrival;
    if (!this.#isCurrent(arrival) || unanswered === null) return;
    if (
      incoming.unsyncedBytes > UNSYNCED_BYTES_MAX || arrival.unloadedBytes > UNLOADED_BYTES_MAX
    ) {
      this.#options.clock.after(SYNC_WAIT_MS, () => this.#answer(arrival));
      return;
    }
    arrival.unanswered = null;
    this.#reply(unanswered, incoming, false);
  }

  #loadLater(arrival: Arrival): void {
    if (arrival.isLoading) return;
    arrival.isLoading = true;
    this.#options.clock.after(0, () => {
      arrival.isLoading = false;
      if (this.#isCurrent(arrival)) this.#load(arrival);
    });
  }

  /** Loads a slice of what was received into the new state. */
  #load(arrival: Arrival): void {
    const { incoming, loader, scanner, unloaded } = arrival;
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    try {
      for (let piece = unloaded[0]; piece !== undefined; piece = unloaded[0]) {
        if (clock.monotonicMs() - startMs >= LOAD_MS) return this.#loadLater(arrival);
        const bytes = piece.subarray(0, LOAD_BYTES);
        scanner.push(bytes);
        arrival.unloadedBytes -= bytes.length;
        if (bytes.length === piece.length) unloaded.shift();
        else unloaded[0] = piece.subarray(bytes.length);
      }
      if (incoming.offset < incoming.snapshot.sizeBytes) return;
      if (!loader.isComplete) throw new SnapshotFormatError("it ends too early");
    } catch (error) {
      if (!(error instanceof SnapshotFormatError || error instanceof SnapshotFileError)) {
        throw error;
      }
      const { snapshot } = incoming;
      this.#options.logger.warn(
        `cannot use the snapshot of entry ${snapshot.index}: ${error.message}`,
      );
      incoming.abandon();
      return this.#giveUp(snapshot);
    }
    this.#finish(arrival);
  }

  /** Whether the arrival is still being received. */
  #isCurrent(arrival: Arrival): boolean {
    return !this.#isStopped && this.#arrival === arrival && !arrival.incoming.isAbandoned;
  }

  /** Notices a failure of the disk, which works in the background. */
  #lookForFailure(): void {
    const arrival = this.#arrival;
    if (arrival?.state !== "receiving" || !arrival.incoming.isAbandoned) return;
    this.#giveUp(arrival.incoming.snapshot); // the failure is logged
  }

  #finish(arrival: Arrival): void {
    arrival.state = "finishing";
    arrival.incoming.finish((stored) => {
      if (this.#isStopped || this.#arrival !== arrival) return;
      if (stored === null) return this.#giveUp(arrival.incoming.snapshot);
      arrival.state = "durable";
      this.tick();
    });
  }

  #giveUp(snapshot: StoredSnapshot): void {
    this.#arrival = null;
    this.#refuse(snapshot);
  }

  #refuse(snapshot: StoredSnapshot): void {
    this.#refused = { snapshot, untilMs: this.#options.clock.monotonicMs() + RETRY_MS };
  }

  #report({ index, term, configuration }: StoredSnapshot): void {
    this.#options.onReceived({ index, term, configuration: configurationOf(configuration) });
  }

  #reply(
    { from: to, to: from, term }: SnapshotOffer | SnapshotChunk,
    { snapshot: { index, checksum }, offset }: IncomingSnapshot,
    isToOffer: boolean,
  ): void {
    this.#options.send({
      type: "snapshotReply",
      from,
      to,
      term,
      index,
      checksum,
      offset,
      isToOffer,
    });
  }
}

function isSameFile(left: StoredSnapshot, right: StoredSnapshot): boolean {
  return left.index === right.index && left.term === right.term &&
    left.sizeBytes === right.sizeBytes && left.checksum === right.checksum;
}
