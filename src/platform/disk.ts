/**
 * The file system as the node sees it. The simulation has a disk of its own, with faults. Paths are
 * relative to the node's data directory, with `/` between names; `""` is the directory itself. A
 * method with a callback does not block the event loop; every other method does. Every error is
 * thrown, or handed to the callback, as an `Error`.
 */
export interface Disk {
  /** The data directory as the user named it, for messages. */
  readonly root: string;
  /** Names in a directory, sorted. The list is empty when the directory does not exist. */
  list(directory: string): readonly string[];
  /** Does nothing when the directory exists. */
  makeDirectory(directory: string): void;
  /** The whole file, or `null` when there is none. */
  read(path: string): Uint8Array | null;
  /** Opens a file for reading and writing. `create` refuses a file that exists. */
  open(path: string, mode: "create" | "existing"): DiskFile;
  /** Replaces `to` if it exists. */
  rename(from: string, to: string): void;
  /** Removes the name at once. The space of a large file is freed a little later. */
  remove(path: string): void;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(directory: string, done: (error: Error | null) => void): void;
  /** The same, but blocking. A running node never calls it. */
  syncDirectoryNow(directory: string): void;
}

export interface DiskFile {
  sizeBytes(): number;
  /** Fills all of `into` from `offset`. Throws on a short read. */
  read(into: Uint8Array, offset: number): void;
  /**
   * Writes all of `bytes` at `offset`, or throws. A short write is continued, never ignored. The
   * caller may reuse `bytes` afterwards.
   */
  write(bytes: Uint8Array, offset: number): void;
  /**
   * The same for large writes. Until `done` is called, nobody may change `bytes`, or read or write
   * through this handle.
   */
  writeLater(bytes: Uint8Array, offset: number, done: (error: Error | null) => void): void;
  /**
   * The same as `read`, without blocking. The rules of `writeLater` for the handle apply here too.
   */
  readLater(into: Uint8Array, offset: number, done: (error: Error | null) => void): void;
  truncate(sizeBytes: number): void;
  /** Makes all earlier writes durable. Further writes may be made meanwhile. */
  sync(done: (error: Error | null) => void): void;
  /** The same, but blocking. A running node never calls it. */
  syncNow(): void;
  close(): void;
}
