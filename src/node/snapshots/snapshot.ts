import type { ClusterConfiguration } from "../members/configuration.ts";

/** What a snapshot stands for: the state after the entry at `index` was applied. */
export interface SnapshotMeta {
  readonly index: number;
  /** Of that entry. */
  readonly term: number;
  /** The log's time then: milliseconds of the Unix epoch. */
  readonly timeMs: number;
  /** The members then. */
  readonly configuration: ClusterConfiguration;
  /** The state machine's then; 0: the log had not said it. */
  readonly machineVersion: number;
}

/** A whole snapshot in a file. Plain data: a node that offers it to another sends all of it. */
export interface StoredSnapshot extends SnapshotMeta {
  /** Of the file. */
  readonly sizeBytes: number;
  /** Of the file's content: two files with the same place, size and checksum are the same. */
  readonly checksum: number;
}

/** Writes a snapshot, chunk by chunk. A disk that fails ends the attempt and nothing else. */
export interface SnapshotWriter {
  /** Whether nothing will come of it: by `abandon`, or because the disk failed, which was logged. */
  readonly isAbandoned: boolean;
  /**
   * Given to `write` and not known to be durable, some of it held in memory while a sync is under
   * way; 0 once it is abandoned. A caller that writes no more above some MiB bounds that, and spares
   * the log's own syncs.
   */
  readonly unsyncedBytes: number;
  /**
   * Adds a chunk, which is a JSON text.
   *
   * @returns `false` when the snapshot is abandoned
   */
  write(chunk: Uint8Array): boolean;
  /**
   * Calls `done` with the snapshot once it is durable and the newest one; with `null` if it was
   * abandoned, or one that is as new has come from elsewhere meanwhile. Once.
   */
  finish(done: (snapshot: StoredSnapshot | null) => void): void;
  /** Leaves nothing behind. */
  abandon(): void;
}

/** A snapshot on its way from another node. */
export interface IncomingSnapshot {
  readonly snapshot: StoredSnapshot;
  readonly isAbandoned: boolean;
  /** So many bytes are here; where to go on, even if the connection or the sender has changed. */
  readonly offset: number;
  /** As `SnapshotWriter.unsyncedBytes`. */
  readonly unsyncedBytes: number;
  /**
   * Adds bytes of the file that belong at `offset`.
   *
   * @returns `false` when they belong elsewhere, or the snapshot is abandoned: because they are
   *   damaged, or the disk failed (which was logged)
   */
  write(bytes: Uint8Array, offset: number): boolean;
  /**
   * To be called once `offset` is the whole size. Calls `done` with the snapshot once it is durable
   * and the newest one; with `null` if it was abandoned: it is damaged, the disk failed, or one
   * that is as new is here. Once.
   */
  finish(done: (snapshot: StoredSnapshot | null) => void): void;
  abandon(): void;
}

/** An open snapshot to be sent; it is not removed before `close`. */
export interface SnapshotSource {
  readonly snapshot: StoredSnapshot;
  /**
   * Bytes of the file, as many as asked for unless it ends.
   *
   * @throws {Error} when the disk fails
   */
  read(offset: number, bytesMax: number): Uint8Array;
  /**
   * The same beside the event loop, one read at a time. `done` gets the bytes, or the disk's error; it
   * is not called after `close`.
   */
  readLater(offset: number, bytesMax: number, done: (read: Uint8Array | Error) => void): void;
  close(): void;
}

/** The snapshots of a node, beside its log. Only whole ones count. */
export interface SnapshotStore {
  newest(): StoredSnapshot | null;
  /** Begins to write one; `null` when the disk does not let us, which was logged. One at a time. */
  begin(meta: SnapshotMeta): SnapshotWriter | null;
  /**
   * The place for a snapshot that another node sends: the one that is under way if it is the same,
   * otherwise a new one in its stead; `null` when the disk does not let us, which was logged.
   */
  receive(snapshot: StoredSnapshot): IncomingSnapshot | null;
  /**
   * Opens the newest snapshot to be sent; `null` when there is none, or it is known to be damaged.
   *
   * @throws {Error} when the disk fails
   */
  openNewest(): SnapshotSource | null;
  /**
   * The file of this snapshot, which `newest` or `openNewest` gave, cannot be read or is damaged. If
   * it is the newest one still, one of the same entry may take its place.
   */
  noteDamaged(snapshot: StoredSnapshot): void;
  /** Whether the newest one is known to be damaged. */
  readonly isNewestDamaged: boolean;
  /**
   * The chunks of the newest snapshot, read one by one as they are asked for.
   *
   * @throws {UserError} while iterating, when the file is damaged
   */
  load(): Iterable<Uint8Array>;
  /** Removes all but the newest and those that are being sent. */
  prune(): void;
  /** Abandons what is under way. */
  close(): void;
}
