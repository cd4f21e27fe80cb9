import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Clock } from "../../platform/clock.ts";
import type { NodeId, RaftStatus, SnapshotWanted } from "../../raft/types.ts";
import {
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotMessage,
  type SnapshotReply,
} from "../peers/peer_message.ts";
import type { SnapshotSource, SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotFileError, SnapshotScanner } from "./snapshot_format.ts";

/** Maximum number of chunks in flight to one peer. */
const WINDOW_MAX = 4;
/**
 * A chunk acknowledged within this time, in milliseconds, shows that the network and the peer have
 * room for more in flight.
 */
const FAST_MS = 50;
/** Time in milliseconds without a reply, after which the sender asks the peer what it has. */
const SILENCE_MS_MAX = 500;
/** Time in milliseconds of silence, after which a peer is given up until it returns. */
const GONE_MS = 60_000;
/** Time in milliseconds before the next attempt after the disk failed to read a snapshot. */
const RETRY_MS = 5_000;

export interface SnapshotSenderOptions {
  readonly id: NodeId;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly send: (message: SnapshotMessage) => void;
  /** Called when a snapshot's file cannot be read or is damaged, so that no peer can use it. */
  readonly onDamaged: (snapshot: StoredSnapshot) => void;
}

/** A stream of one snapshot to one peer. It keeps its snapshot when a newer one is taken. */
interface SnapshotStream {
  readonly wanted: SnapshotWanted;
  readonly source: SnapshotSource;
  /** Bytes that the peer has acknowledged. */
  ackedBytes: number;
  sentBytes: number;
  /** Chunks in flight: where each ends, and when it was sent. */
  readonly chunksInFlight: { readonly end: number; readonly sentMs: number }[];
  /** A read from the disk is in flight. */
  isReading: boolean;
  /** Checks the file while it is sent from the start; `null` when the peer had a part already. */
  scanner: SnapshotScanner | null;
  /** Number of chunks that may be in flight. */
  window: number;
  /** Whether an offer is unanswered. No chunk is sent before the answer. */
  isOffered: boolean;
  /** Monotonic time of the last reply, or of the start. */
  answeredMs: number;
  /** Monotonic time of the last reply, or of the last offer. */
  heardMs: number;
}

/**
 * The leader's side of snapshot streams. On a slow network only one chunk is in flight at a time,
 * so that little is queued before an urgent message. The core asks for a snapshot again and again
 * while the peer is alive and lacks it: that serves as the timer for retries.
 */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #streams = new Map<NodeId, SnapshotStream>();
  readonly #retryAtMs = new Map<NodeId, number>();

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** The lowest index of a snapshot being sent; `null` when none is. */
  get indexMin(): number | null {
    const indexes = [...this.#streams.values()].map(({ source }) => source.snapshot.index);
    return indexes.length === 0 ? null : Math.min(...indexes);
  }

  /** Starts to send the newest snapshot, or makes sure that a running stream goes on. */
  start(wanted: SnapshotWanted): void {
    const { to, term } = wanted;
    const stream = this.#streams.get(to);
    if (stream === undefined || stream.wanted.term !== term || this.#isOutdated(stream)) {
      this.#end(to);
      this.#begin(wanted);
    } else if (this.#now - stream.heardMs > SILENCE_MS_MAX) {
      this.#offer(stream);
    }
  }

  handleReply(reply: SnapshotReply): void {
    const stream = this.#streams.get(reply.from);
    if (stream === undefined || stream.wanted.term !== reply.term) return;
    const { index, checksum, sizeBytes } = stream.source.snapshot;
    if (reply.index !== index || reply.checksum !== checksum || reply.offset > sizeBytes) return;
    stream.heardMs = this.#now;
    stream.answeredMs = this.#now;
    if (reply.isToOffer) {
      if (stream.ackedBytes === 0) {
        this.#options.logger.info(`sends ${reply.from} the snapshot of entry ${index}`);
      }
      stream.isOffered = false;
      stream.ackedBytes = reply.offset;
      stream.sentBytes = reply.offset;
      stream.chunksInFlight.length = 0;
      stream.scanner = reply.offset === 0 ? new SnapshotScanner(sizeBytes) : null;
    } else {
      this.#noteAcknowledged(stream, reply.offset);
    }
    this.#sendChunks(stream);
  }

  /** Chunks in flight to the peer may be lost. */
  noteUnreachable(peer: NodeId): void {
    const stream = this.#streams.get(peer);
    if (stream !== undefined) stream.heardMs = -Infinity;
  }

  /** Ends the streams that nobody needs any more. */
  tick({ role, term, peers }: RaftStatus): void {
    for (const [to, { wanted, source, answeredMs }] of this.#streams) {
      // A peer that has this snapshot may still need a newer one, after a compaction of the log.
      const needsIt = peers.some(({ id, state, match }) =>
        id === to && state === "snapshot" && match < source.snapshot.index
      );
      const isGone = this.#now - answeredMs > GONE_MS;
      if (role !== "leader" || wanted.term !== term || !needsIt || isGone) this.#end(to);
    }
  }

  stop(): void {
    for (const to of [...this.#streams.keys()]) this.#end(to);
  }

  get #now(): number {
    return this.#options.clock.monotonicMs();
  }

  /** Whether the peer has received nothing yet, and there is a newer snapshot. */
  #isOutdated({ source, ackedBytes }: SnapshotStream): boolean {
    const newest = this.#options.store.newest()?.index ?? 0;
    return ackedBytes === 0 && source.snapshot.index < newest;
  }

  #begin(wanted: SnapshotWanted): void {
    const { to } = wanted;
    if (this.#now < (this.#retryAtMs.get(to) ?? 0)) return;
    let source: SnapshotSource | null = null;
    try {
      source = this.#options.store.openNewest();
    } catch (error) {
      const newest = this.#options.store.newest();
      if (newest !== null) this.#giveUp(to, newest, `cannot be read, ${messageOf(error)}`);
    }
    if (source === null) return;
    const stream: SnapshotStream = {
      wanted,
      source,
      ackedBytes: 0,
      sentBytes: 0,
      chunksInFlight: [],
      isReading: false,
      scanner: null,
      window: 1,
      isOffered: false,
      answeredMs: this.#now,
      heardMs: this.#now,
    };
    this.#streams.set(to, stream);
    this.#offer(stream);
  }

  #offer(stream: SnapshotStream): void {
    stream.isOffered = true;
    stream.window = 1;
    stream.heardMs = this.#now;
    const { to, term } = stream.wanted;
    this.#options.send({
      type: "snapshotOffer",
      from: this.#options.id,
      to,
      term,
      snapshot: stream.source.snapshot,
    });
  }

  #noteAcknowledged(stream: SnapshotStream, offset: number): void {
    stream.ackedBytes = Math.max(stream.ackedBytes, offset);
    let chunk = stream.chunksInFlight[0];
    for (; chunk !== undefined && chunk.end <= offset; chunk = stream.chunksInFlight[0]) {
      stream.chunksInFlight.shift();
      const isFast = this.#now - chunk.sentMs <= FAST_MS;
      stream.window = isFast ? Math.min(stream.window + 1, WINDOW_MAX) : 1;
    }
  }

  #sendChunks(stream: SnapshotStream): void {
    const { source, chunksInFlight, scanner, sentBytes: offset } = stream;
    const isFull = stream.isOffered || chunksInFlight.length >= stream.window;
    if (stream.isReading || isFull || offset >= source.snapshot.sizeBytes) return;
    stream.isReading = true;
    // The event loop serves heartbeats and everything else during the read.
    source.readLater(offset, SNAPSHOT_CHUNK_BYTES_MAX, (read) => {
      stream.isReading = false;
      if (this.#streams.get(stream.wanted.to) !== stream) return;
      if (read instanceof Error) {
        const { to } = stream.wanted;
        return this.#giveUp(to, source.snapshot, `cannot be read, ${read.message}`);
      }
      // The peer may have asked for another part during the read.
      const isDue = !stream.isOffered && stream.scanner === scanner &&
        stream.sentBytes === offset;
      if (isDue && !this.#sendChunk(stream, read, offset)) return;
      this.#sendChunks(stream);
    });
  }

  /** @returns false when the file is damaged and the stream has ended */
  #sendChunk(stream: SnapshotStream, bytes: Uint8Array, offset: number): boolean {
    const { source: { snapshot }, wanted: { to, term } } = stream;
    const { index, checksum, sizeBytes } = snapshot;
    const from = this.#options.id;
    try {
      stream.scanner?.push(bytes);
      if (offset + bytes.length === sizeBytes) stream.scanner?.finish();
    } catch (error) {
      if (!(error instanceof SnapshotFileError)) throw error;
      this.#giveUp(to, snapshot, `is damaged, ${error.message}`);
      return false;
    }
    this.#options.send({ type: "snapshotChunk", from, to, term, index, checksum, offset, bytes });
    stream.sentBytes = offset + bytes.length;
    stream.chunksInFlight.push({ end: stream.sentBytes, sentMs: this.#now });
    return true;
  }

  #giveUp(to: NodeId, snapshot: StoredSnapshot, why: string): void {
    this.#options.logger.warn(
      `cannot send ${to} a snapshot: the one of entry ${snapshot.index} ${why}; takes a new one`,
    );
    this.#retryAtMs.set(to, this.#now + RETRY_MS);
    this.#end(to);
    this.#options.onDamaged(snapshot);
  }

  #end(to: NodeId): void {
    const stream = this.#streams.get(to);
    if (stream === undefined) return;
    this.#streams.delete(to);
    stream.source.close();
    this.#options.store.prune();
  }
}
