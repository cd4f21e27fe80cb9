import type { Message, NodeId } from "../../raft/types.ts";
import type { Batch } from "../log/entry.ts";
import type { StoredSnapshot } from "../snapshots/snapshot.ts";

interface Envelope {
  readonly from: NodeId;
  readonly to: NodeId;
  /** Term of the leader that sends the snapshot. */
  readonly term: number;
}

/** A leader offers a snapshot to a peer, and asks how much of it the peer has. */
export interface SnapshotOffer extends Envelope {
  readonly type: "snapshotOffer";
  readonly snapshot: StoredSnapshot;
}

/** Identifies a snapshot file within one cluster. */
export interface SnapshotName {
  readonly index: number;
  readonly checksum: number;
}

/** A piece of the file that was offered last. */
export interface SnapshotChunk extends Envelope, SnapshotName {
  readonly type: "snapshotChunk";
  /** Offset of the bytes in the file. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** How many bytes of the file the receiver has. */
export interface SnapshotReply extends Envelope, SnapshotName {
  readonly type: "snapshotReply";
  readonly offset: number;
  /** Whether it answers an offer. Replies to all earlier chunks come before it. */
  readonly isToOffer: boolean;
}

/** Asks a member for its time. */
export interface ClockRequest {
  readonly type: "clock";
  readonly from: NodeId;
  readonly to: NodeId;
  /** Repeated in the reply. */
  readonly serial: number;
}

/** A member's wall clock, in milliseconds since the Unix epoch. */
export interface ClockReply {
  readonly type: "clockReply";
  readonly from: NodeId;
  readonly to: NodeId;
  readonly serial: number;
  readonly timeMs: number;
  /** The log's current time if the sender leads: a node that was down does not know it. */
  readonly logTimeMs: number | null;
}

export type ClockMessage = ClockRequest | ClockReply;

export type SnapshotMessage = SnapshotOffer | SnapshotChunk | SnapshotReply;

/**
 * The messages between nodes: the core's; those with which the driver sends snapshots; and those
 * that compare clocks.
 */
export type PeerMessage = Message<Batch> | SnapshotMessage | ClockMessage;

export function isSnapshotMessage(message: PeerMessage): message is SnapshotMessage {
  const { type } = message;
  return type === "snapshotOffer" || type === "snapshotChunk" || type === "snapshotReply";
}

/** Maximum number of bytes in a chunk. An urgent message may wait behind this many bytes. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 128 * 1024;

/** Whether the message is one of Raft's. */
export function isRaftMessage(message: PeerMessage): message is Message<Batch> {
  return !isSnapshotMessage(message) && !isClockMessage(message);
}

export function isClockMessage(message: PeerMessage): message is ClockMessage {
  return message.type === "clock" || message.type === "clockReply";
}
