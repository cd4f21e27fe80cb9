import type { Message, NodeId, SnapshotRequest } from "../../raft/types.ts";
import type { Batch } from "../log/entry.ts";
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

/** Asks a member what time it is there. */
export interface ClockQuestion {
  readonly type: "clock";
  readonly from: NodeId;
  readonly to: NodeId;
  /** Stands in the answer. */
  readonly serial: number;
}

/** What a member's clock shows: milliseconds of the Unix epoch. */
export interface ClockReply {
  readonly type: "clockReply";
  readonly from: NodeId;
  readonly to: NodeId;
  readonly serial: number;
  readonly timeMs: number;
  /** The log's time as it is now, where the sender leads: a node that was down does not know it. */
  readonly logTimeMs: number | null;
}

export type ClockMessage = ClockQuestion | ClockReply;

export type SnapshotMessage = SnapshotOffer | SnapshotChunk | SnapshotReply;

/**
 * What nodes say to each other: the core's messages, but for the one that asks the driver to stream a
 * snapshot, those of that stream, and those that compare clocks.
 */
export type PeerMessage =
  | Exclude<Message<Batch>, SnapshotRequest>
  | SnapshotMessage
  | ClockMessage;

export function isSnapshotMessage(message: PeerMessage): message is SnapshotMessage {
  const { type } = message;
  return type === "snapshotOffer" || type === "snapshotChunk" || type === "snapshotReply";
}

/** The most bytes in one chunk: what is urgent may have to wait behind so many. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 128 * 1024;

/** Whether it goes to the consensus core. */
export function isOfCore(
  message: PeerMessage,
): message is Exclude<Message<Batch>, SnapshotRequest> {
  return !isSnapshotMessage(message) && !isClockMessage(message);
}

export function isClockMessage(message: PeerMessage): message is ClockMessage {
  return message.type === "clock" || message.type === "clockReply";
}
