/**
 * The file system as the node sees it; the simulator brings its own, with faults. Paths are
 * relative to the node's data directory, with `/` between names; `""` is the directory itself.
 * Everything but `sync` is synchronous; every error is thrown, or handed to `sync`'s callback, as
 * an `Error`.
 */
export interface Disk {
  /** The data directory as the user named it, for messages. */
  readonly root: string;
  /** Names in a directory, sorted; an empty list when it does not exist. */
  list(directory: string): readonly string[];
  /** Does nothing when it exists. */
  makeDirectory(directory: string): void;
  /** The whole file, or `null` when there is none. */
  read(path: string): Uint8Array | null;
  /** Opens for reading and writing. `create` refuses a file that exists. */
  open(path: string, mode: "create" | "existing"): DiskFile;
  /** Replaces `to` if it exists. */
  rename(from: string, to: string): void;
  /** The name is gone at once; the space, where there is much of it, a little later. */
  remove(path: string): void;
  /** Makes creations, renames and removals in the directory durable. Blocks; used at start, and when a segment begins or a snapshot ends. */
  syncDirectory(directory: string): void;
}

export interface DiskFile {
  sizeBytes(): number;
  /** Fills all of `into` from `offset`, or throws: a short read is an error. */
  read(into: Uint8Array, offset: number): void;
  /**
   * Writes all of `bytes` at `offset`, or throws: a short write is continued, never ignored. The
   * caller may reuse `bytes` afterwards.
   */
  write(bytes: Uint8Array, offset: number): void;
  truncate(sizeBytes: number): void;
  /** Makes all earlier writes durable; the loop goes on meanwhile, and so may further writes. */
  sync(done: (error: Error | null) => void): void;
  /** The same, but blocks until done. */
  syncNow(): void;
  close(): void;
}
