import { messageOf } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { NodeId, SnapshotRequest } from "../../raft/types.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { Clock } from "../clock.ts";
import {
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotMessage,
  type SnapshotReply,
} from "../peers/peer_message.ts";
import type { SnapshotSource, SnapshotStore } from "./snapshot.ts";

/** Chunks under way to one peer. */
const WINDOW_MAX = 4;
/** A chunk answered so soon shows that the network and the peer can take more at a time. */
const FAST_MS = 50;
/** Without an answer for so long, chunks may be lost: the peer is asked what it has. */
const SILENCE_MS_MAX = 500;
/** A peer that says nothing for so long gets the newest snapshot when it is back. */
const GONE_MS = 60_000;
/** How long a peer waits for a snapshot that the disk did not give. */
const RETRY_MS = 5_000;

export interface SnapshotSenderOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly send: (message: SnapshotMessage) => void;
}

/** A snapshot on its way to one peer. It stays the same one when there is a newer one meanwhile. */
interface Transfer {
  readonly request: SnapshotRequest;
  readonly source: SnapshotSource;
  /** The peer is known to have so much. */
  ackedBytes: number;
  sentBytes: number;
  /** When each chunk under way was sent, and where it ends. */
  readonly underWay: { readonly end: number; readonly sentMs: number }[];
  /** Chunks that may be under way. */
  window: number;
  /** Nothing is sent until the peer has said what it has. */
  isOffered: boolean;
  /** When the peer last answered, or the transfer began. */
  answeredMs: number;
  /** The same, or when the snapshot was last offered. */
  heardMs: number;
}

/**
 * The leader's side of snapshot streams. What is urgent waits behind few bytes: on a slow network one
 * chunk is under way at a time. The core says when to begin, and says so again while the peer is
 * alive and lacks the snapshot, which serves as the timer for what got lost.
 */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<NodeId, Transfer>();
  readonly #retryAtMs = new Map<NodeId, number>();

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
  }

  /** The lowest index that a peer will go on from; `null`: nothing is being sent. */
  get indexMin(): number | null {
    const indexes = [...this.#transfers.values()].map(({ source }) => source.snapshot.index);
    return indexes.length === 0 ? null : Math.min(...indexes);
  }

  /** Begins to send the newest snapshot, or sees to it that one under way goes on. */
  request(request: SnapshotRequest): void {
    const { to, term } = request;
    const transfer = this.#transfers.get(to);
    if (transfer === undefined || transfer.request.term !== term || this.#isOutdated(transfer)) {
      this.#end(to);
      this.#begin(request);
    } else if (this.#now - transfer.heardMs > SILENCE_MS_MAX) {
      this.#offer(transfer);
    }
  }

  replied(reply: SnapshotReply): void {
    const transfer = this.#transfers.get(reply.from);
    if (transfer === undefined || transfer.request.term !== reply.term) return;
    const { index, checksum, sizeBytes } = transfer.source.snapshot;
    if (reply.index !== index || reply.checksum !== checksum || reply.offset > sizeBytes) return;
    transfer.heardMs = this.#now;
    transfer.answeredMs = this.#now;
    if (reply.isToOffer) {
      if (transfer.ackedBytes === 0) {
        this.#options.logger.info(`sends ${reply.from} the snapshot of entry ${index}`);
      }
      transfer.isOffered = false;
      transfer.ackedBytes = reply.offset;
      transfer.sentBytes = reply.offset;
      transfer.underWay.length = 0;
    } else {
      this.#acknowledged(transfer, reply.offset);
    }
    this.#sendChunks(transfer);
  }

  /** What is under way to the peer may be lost. */
  unreachable(peer: NodeId): void {
    const transfer = this.#transfers.get(peer);
    if (transfer !== undefined) transfer.heardMs = -Infinity;
  }

  /** Ends what nobody needs any more. */
  tick({ role, term, peers }: RaftStatus): void {
    for (const [to, { request, source, answeredMs }] of this.#transfers) {
      // A peer that has it may still need a newer one: the log may have been compacted meanwhile.
      const needsIt = peers.some(({ id, state, match }) =>
        id === to && state === "snapshot" && match < source.snapshot.index
      );
      const isGone = this.#now - answeredMs > GONE_MS;
      if (role !== "leader" || request.term !== term || !needsIt || isGone) this.#end(to);
    }
  }

  stop(): void {
    for (const to of [...this.#transfers.keys()]) this.#end(to);
  }

  get #now(): number {
    return this.#options.clock.monotonicMs();
  }

  /** Nothing of it has arrived, and there is a newer one by now. */
  #isOutdated({ source, ackedBytes }: Transfer): boolean {
    const newest = this.#options.store.newest()?.index ?? 0;
    return ackedBytes === 0 && source.snapshot.index < newest;
  }

  #begin(request: SnapshotRequest): void {
    const { to } = request;
    if (this.#now < (this.#retryAtMs.get(to) ?? 0)) return;
    let source: SnapshotSource | null = null;
    try {
      source = this.#options.store.openNewest();
    } catch (error) {
      this.#failed(to, messageOf(error));
    }
    if (source === null) return;
    const transfer: Transfer = {
      request,
      source,
      ackedBytes: 0,
      sentBytes: 0,
      underWay: [],
      window: 1,
      isOffered: false,
      answeredMs: this.#now,
      heardMs: this.#now,
    };
    this.#transfers.set(to, transfer);
    this.#offer(transfer);
  }

  #offer(transfer: Transfer): void {
    transfer.isOffered = true;
    transfer.window = 1;
    transfer.heardMs = this.#now;
    const { from, to, term } = transfer.request;
    this.#options.send({
      type: "snapshotOffer",
      from,
      to,
      term,
      snapshot: transfer.source.snapshot,
    });
  }

  #acknowledged(transfer: Transfer, offset: number): void {
    transfer.ackedBytes = Math.max(transfer.ackedBytes, offset);
    let chunk = transfer.underWay[0];
    for (; chunk !== undefined && chunk.end <= offset; chunk = transfer.underWay[0]) {
      transfer.underWay.shift();
      const isFast = this.#now - chunk.sentMs <= FAST_MS;
      transfer.window = isFast ? Math.min(transfer.window + 1, WINDOW_MAX) : 1;
    }
  }

  #sendChunks(transfer: Transfer): void {
    const { source, request, underWay } = transfer;
    const { index, checksum, sizeBytes } = source.snapshot;
    const { from, to, term } = request;
    while (!transfer.isOffered && underWay.length < transfer.window) {
      const offset = transfer.sentBytes;
      if (offset >= sizeBytes) return;
      let bytes: Uint8Array;
      try {
        bytes = source.read(offset, SNAPSHOT_CHUNK_BYTES_MAX);
      } catch (error) {
        return this.#failed(to, messageOf(error));
      }
      this.#options.send({ type: "snapshotChunk", from, to, term, index, checksum, offset, bytes });
      transfer.sentBytes = offset + bytes.length;
      underWay.push({ end: transfer.sentBytes, sentMs: this.#now });
    }
  }

  #failed(to: NodeId, message: string): void {
    this.#options.logger.warn(`cannot send ${to} a snapshot: ${message}`);
    this.#retryAtMs.set(to, this.#now + RETRY_MS);
    this.#end(to);
  }

  #end(to: NodeId): void {
    const transfer = this.#transfers.get(to);
    if (transfer === undefined) return;
    this.#transfers.delete(to);
    transfer.source.close();
    this.#options.store.prune();
  }
}
