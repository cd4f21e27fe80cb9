import type { ClusterConfiguration } from "../members/configuration.ts";

/** What a snapshot contains: the state after the entry at `index`. */
export interface SnapshotMeta {
  readonly index: number;
  /** Term of that entry. */
  readonly term: number;
  /** The log's time at that entry, in milliseconds since the Unix epoch. */
  readonly timeMs: number;
  /** The members at that entry. */
  readonly configuration: ClusterConfiguration;
  /** The state machine's version at that entry; 0 before the log has one. */
  readonly machineVersion: number;
}

/** A complete snapshot in a file. Plain data: an offer to another node contains all of it. */
export interface StoredSnapshot extends SnapshotMeta {
  /** Size of the file. */
  readonly sizeBytes: number;
  /** Checksum of the content. Files with the same index, term, size and checksum are the same. */
  readonly checksum: number;
}

/** Writes a snapshot chunk by chunk. A failing disk ends the attempt, and nothing else. */
export interface SnapshotWriter {
  /** Whether it was abandoned, by `abandon` or because the disk failed. The failure is logged. */
  readonly isAbandoned: boolean;
  /**
   * Bytes given to `write` that are not known to be durable, some of them in memory while a sync is
   * in flight; 0 once abandoned. A caller that pauses above some MiB bounds that memory, and keeps
   * the log's own syncs short.
   */
  readonly unsyncedBytes: number;
  /**
   * Adds a chunk.
   *
   * @returns false when the snapshot is abandoned
   */
  write(chunk: Uint8Array): boolean;
  /**
   * Calls `done` once: with the snapshot when it is durable and the newest, or with `null` when it
   * was abandoned or another one at least as new arrived meanwhile.
   */
  finish(done: (snapshot: StoredSnapshot | null) => void): void;
  /** Ends the attempt and removes its file. */
  abandon(): void;
}

/** A snapshot that another node is sending. */
export interface IncomingSnapshot {
  readonly snapshot: StoredSnapshot;
  readonly isAbandoned: boolean;
  /** Number of bytes received. The next sender continues there, whatever the connection. */
  readonly offset: number;
  /** See `SnapshotWriter.unsyncedBytes`. */
  readonly unsyncedBytes: number;
  /**
   * Adds bytes of the file at `offset`.
   *
   * @returns false when `offset` is not next, or the snapshot was abandoned: it is damaged, or the
   * disk failed, which is logged
   */
  write(bytes: Uint8Array, offset: number): boolean;
  /**
   * To be called once `offset` is the whole size. Calls `done` once: with the snapshot when it is
   * durable and the newest, or with `null` when it was abandoned: it is damaged, the disk failed,
   * or another one at least as new is stored.
   */
  finish(done: (snapshot: StoredSnapshot | null) => void): void;
  abandon(): void;
}

/** An open snapshot that is read to be sent. Its file is not removed before `close`. */
export interface SnapshotSource {
  readonly snapshot: StoredSnapshot;
  /**
   * Reads bytes of the file: as many as asked for, or up to its end.
   *
   * @throws {Error} when the disk fails
   */
  read(offset: number, bytesMax: number): Uint8Array;
  /**
   * The same without blocking, one read at a time. `done` gets the bytes or the disk's error. It is
   * not called after `close`.
   */
  readLater(offset: number, bytesMax: number, done: (read: Uint8Array | Error) => void): void;
  close(): void;
}

/** The snapshots of a node. Only complete ones count. */
export interface SnapshotStore {
  newest(): StoredSnapshot | null;
  /** Starts to write a snapshot, one at a time; `null` when the disk fails, which is logged. */
  begin(meta: SnapshotMeta): SnapshotWriter | null;
  /**
   * Starts to receive a snapshot from another node, or continues if it is the one being received.
   * Returns `null` when the disk fails, which is logged.
   */
  receive(snapshot: StoredSnapshot): IncomingSnapshot | null;
  /**
   * Opens the newest snapshot to send it; `null` when there is none, or it is known to be damaged.
   *
   * @throws {Error} when the disk fails
   */
  openNewest(): SnapshotSource | null;
  /**
   * Notes that the file of a snapshot from `newest` or `openNewest` cannot be read or is damaged.
   * If it is still the newest, another snapshot of the same entry may replace it.
   */
  noteDamaged(snapshot: StoredSnapshot): void;
  /** Whether the newest snapshot is known to be damaged. */
  readonly isNewestDamaged: boolean;
  /**
   * The chunks of the newest snapshot, read as they are asked for.
   *
   * @throws {UserError} while iterating, when the file is damaged
   */
  load(): Iterable<Uint8Array>;
  /** Removes all snapshots but the newest, the open ones and those about to become the newest. */
  prune(): void;
  /** Abandons snapshots in progress. */
  close(): void;
}
