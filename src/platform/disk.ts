/**
 * The file system as the node sees it; the simulator brings its own, with faults. Paths are
 * relative to the node's data directory, with `/` between names; `""` is the directory itself.
 * What takes a callback goes on beside the event loop, all else is synchronous. Every error is thrown,
 * or handed to the callback, as an `Error`.
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
  /** Makes creations, renames and removals in the directory durable; the loop goes on meanwhile. */
  syncDirectory(directory: string, done: (error: Error | null) => void): void;
  /** The same, but blocks until done: never in a node that runs. */
  syncDirectoryNow(directory: string): void;
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
  /**
   * The same for much at a time: the loop goes on meanwhile. Until `done` is called, nobody changes
   * the bytes or reads or writes by this handle.
   */
  writeLater(bytes: Uint8Array, offset: number, done: (error: Error | null) => void): void;
  /** As `read`, but the loop goes on meanwhile; what `writeLater` says of the handle holds here too. */
  readLater(into: Uint8Array, offset: number, done: (error: Error | null) => void): void;
  truncate(sizeBytes: number): void;
  /** Makes all earlier writes durable; the loop goes on meanwhile, and so may further writes. */
  sync(done: (error: Error | null) => void): void;
  /** The same, but blocks until done: never in a node that runs. */
  syncNow(): void;
  close(): void;
}
