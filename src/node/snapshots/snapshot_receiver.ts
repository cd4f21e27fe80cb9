import type { Logger } from "../../base/logger.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { NodeId, SnapshotAt, SnapshotRequest } from "../../raft/types.ts";
import { SnapshotFormatError } from "../../store/snapshot_format.ts";
import type { StateLoader } from "../../store/state_loader.ts";
import type { Clock } from "../clock.ts";
import { configurationOf } from "../configuration.ts";
import type { SnapshotChunk, SnapshotMessage, SnapshotOffer } from "../peers/peer_message.ts";
import type { IncomingSnapshot, SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotFileError } from "./snapshot_format.ts";
import { SnapshotScanner } from "./snapshot_scanner.ts";

/** Bytes written and not synced, above which the sender has to wait for its answer. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;
const SYNC_WAIT_MS = 5;
/** How long a snapshot that turned out bad, or that the disk did not take, is not asked for again. */
const RETRY_MS = 10_000;

export interface SnapshotReceiverOptions {
  readonly id: NodeId;
  /** That states are built for. */
  readonly machine: StateMachine;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly status: () => RaftStatus;
  readonly send: (message: SnapshotMessage) => void;
  /** Tells the core that the snapshot is here. */
  readonly step: (request: SnapshotRequest) => void;
}

/** A snapshot on its way here. */
interface Arrival {
  readonly incoming: IncomingSnapshot;
  readonly scanner: SnapshotScanner;
  readonly loader: StateLoader;
  /** `durable`: it counts, and the core can be told. */
  state: "receiving" | "finishing" | "durable";
}

/** A snapshot that is durable here, and the state that it holds. */
export interface Received {
  readonly snapshot: StoredSnapshot;
  readonly loader: StateLoader;
}

/**
 * The follower's side of snapshot streams: writes what arrives and builds the state from it, apart
 * from the one that is in use. What a stream has brought stays when its connection ends, and when
 * another leader offers the same file.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #arrival: Arrival | null = null;
  #refused: { readonly snapshot: StoredSnapshot; readonly untilMs: number } | null = null;
  #isStopped = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  offered(offer: SnapshotOffer): void {
    const status = this.#options.status();
    if (offer.from !== status.leaderId || offer.term !== status.term) return;
    const { snapshot } = offer;
    // The core knows what to answer, without having the snapshot.
    if (snapshot.index <= status.commitIndex) return this.#tell(snapshot, status);
    const arrival = this.#place(snapshot);
    if (arrival !== null) this.#reply(offer, arrival.incoming, true);
  }

  chunk(chunk: SnapshotChunk): void {
    const { status, clock } = this.#options;
    const { leaderId, term } = status();
    const arrival = this.#arrival;
    if (arrival === null || chunk.from !== leaderId || chunk.term !== term) return;
    const { incoming } = arrival;
    const { index, checksum } = incoming.snapshot;
    if (chunk.index !== index || chunk.checksum !== checksum) return;
    if (arrival.state === "receiving" && chunk.offset === incoming.offset) {
      if (!this.#take(arrival, chunk.bytes, chunk.offset)) return;
    }
    const answer = () => {
      if (this.#isStopped || this.#arrival !== arrival) return;
      const mustWait = incoming.unsyncedBytes > UNSYNCED_BYTES_MAX;
      if (mustWait) clock.after(SYNC_WAIT_MS, answer);
      else this.#reply(chunk, incoming, false);
    };
    answer();
  }

  /** Tells the core of a snapshot that is here, whoever leads now; forgets one that is not needed. */
  tick(): void {
    const arrival = this.#arrival;
    if (arrival?.state !== "durable") return;
    const status = this.#options.status();
    if (status.appliedIndex >= arrival.incoming.snapshot.index) this.#arrival = null;
    else this.#tell(arrival.incoming.snapshot, status);
  }

  /** The state that the core wants in the place of the present one. */
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

  /** Where the offered snapshot is being received; `null`: not now. */
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
    if (incoming !== null && incoming.offset > 0) { // whose state is not here
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
    this.#arrival = { incoming, scanner, loader, state: "receiving" };
    return this.#arrival;
  }

  /** @returns whether the snapshot is still on its way */
  #take(arrival: Arrival, bytes: Uint8Array, offset: number): boolean {
    const { incoming, loader } = arrival;
    const { snapshot } = incoming;
    if (!incoming.write(bytes, offset)) { // which was logged
      this.#giveUp(snapshot);
      return false;
    }
    const isEnd = incoming.offset === snapshot.sizeBytes;
    try {
      arrival.scanner.push(bytes);
      if (isEnd && !loader.isComplete) throw new SnapshotFormatError("it ends too early");
    } catch (error) {
      if (!(error instanceof SnapshotFormatError || error instanceof SnapshotFileError)) {
        throw error;
      }
      this.#options.logger.warn(
        `cannot use the snapshot of entry ${snapshot.index}: ${error.message}`,
      );
      incoming.abandon();
      this.#giveUp(snapshot);
      return false;
    }
    if (isEnd) this.#finish(arrival);
    return this.#arrival === arrival;
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

  /**
   * What any leader has put into a snapshot is committed, and thus in the log of every later leader:
   * the core may take it as the present one's.
   */
  #tell(snapshot: StoredSnapshot, { leaderId, term }: RaftStatus): void {
    if (leaderId === null || leaderId === this.#options.id) return;
    this.#options.step({
      type: "snapshot",
      from: leaderId,
      to: this.#options.id,
      term,
      lastIndex: snapshot.index,
      lastTerm: snapshot.term,
      configuration: configurationOf(snapshot.configuration),
    });
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
