import type { Message, NodeId, SnapshotRequest } from "../../raft/types.ts";
import type { Batch } from "../entry.ts";
import type { StoredSnapshot } from "../snapshots/snapshot.ts";

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Of the leader that sends the snapshot. */
  readonly term: number;
}

/** A leader has a snapshot for a peer, and asks how much of it is there already. */
export interface SnapshotOffer extends Envelope {
  readonly type: "snapshotOffer";
  readonly snapshot: StoredSnapshot;
}

/** Tells one snapshot file from others, together with the members of one cluster. */
export interface SnapshotName {
  readonly index: number;
  readonly checksum: number;
}

/** A piece of the file that was offered last. */
export interface SnapshotChunk extends Envelope, SnapshotName {
  readonly type: "snapshotChunk";
  /** Where in the file the bytes stand. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** How much of the file the receiver has. */
export interface SnapshotReply extends Envelope, SnapshotName {
  readonly type: "snapshotReply";
  readonly offset: number;
  /** The answer to an offer, behind the answers to all chunks that came before it. */
  readonly isToOffer: boolean;
}

export type SnapshotMessage = SnapshotOffer | SnapshotChunk | SnapshotReply;

/**
 * What nodes say to each other: the core's messages, but for the one that asks the driver to stream a
 * snapshot, and those of that stream.
 */
export type PeerMessage = Exclude<Message<Batch>, SnapshotRequest> | SnapshotMessage;

export function isSnapshotMessage(message: PeerMessage): message is SnapshotMessage {
  const { type } = message;
  return type === "snapshotOffer" || type === "snapshotChunk" || type === "snapshotReply";
}

/** The most bytes in one chunk: what is urgent may have to wait behind so many. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 128 * 1024;
