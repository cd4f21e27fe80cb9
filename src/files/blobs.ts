/** What a holder has computed of a blob that is complete on its disk. */
export interface BlobSummary {
  /** In bytes. */
  readonly size: number;
  /** Of what it has written: `ChecksumTable.digest`. */
  readonly checksum: string;
}

/** Writes one blob, from its first byte to its last. */
export interface BlobWriter {
  /** Resolves when it is known that the content is wanted. Without it, that is known already. */
  ready?(): Promise<void>;
  /**
   * Resolves when there is room for the next chunk. The chunk must not change before.
   *
   * @throws {FileError}
   */
  write(chunk: Uint8Array): Promise<void> | void;
  /**
   * Makes the blob durable and readable. The writer compares the checksum with its own.
   *
   * @param sha256 of the content, 64 lower-case hexadecimal digits: it is kept with the blob
   * @throws {FileError}
   */
  finish(sha256: string): Promise<BlobSummary>;
  /** Drops what was written. Without effect after `finish` has resolved. */
  abort(): Promise<void>;
}

/** Total space of a node's disk for blobs, in bytes. */
export interface BlobSpace {
  readonly capacityBytes: number;
  readonly freeBytes: number;
  readonly usedBytes: number;
}

/** The blobs on a node's own disk. */
export interface BlobStorage {
  /** Is called with each blob that turns out to be damaged or gone, whoever has looked. */
  onLost: (id: string) => void;
  /**
   * @throws {FileError} `insufficient-storage` before anything is written if it does not fit,
   *   `precondition-failed` if the blob exists, `busy` while it is being written
   */
  create(id: string, size: number | null): Promise<BlobWriter>;
  has(id: string): boolean;
  sizeOf(id: string): number | null;
  ids(): Iterable<string>;
  /**
   * The bytes from `from` to `to - 1`, each chunk verified, and lent until the next is asked for. If one is corrupt, the blob is moved
   * aside, so that `has` is false from then on, and the iteration throws.
   */
  read(id: string, from: number, to: number): AsyncIterable<Uint8Array>;
  /**
   * Reads the whole blob, and compares all checksums. A damaged one is moved aside.
   *
   * @param pace is awaited after each piece, and so sets the rate; what it throws ends the reading
   * @returns false if it is damaged
   * @throws {FileError} `not-found`
   */
  verify(id: string, pace: (bytes: number) => Promise<void>): Promise<boolean>;
  /** Does nothing when there is none. */
  remove(id: string): Promise<void>;
  space(): Promise<BlobSpace>;
}

/** The blobs of other nodes, each reached at the address of its files port. */
export interface BlobPeers {
  /** An error of the connection or the holder comes with the next `write` or with `finish`. */
  push(address: string, id: string, size: number | null): BlobWriter;
  /**
   * Each chunk is lent until the next one is asked for.
   *
   * @param signal ends the transfer at once, also while it waits for the holder
   */
  pull(
    address: string,
    id: string,
    from: number,
    to: number,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>;
  /** Removes the content of an attempt that failed. */
  remove(address: string, id: string): Promise<void>;
  /** Whether it answers. */
  ping(address: string): Promise<boolean>;
}
