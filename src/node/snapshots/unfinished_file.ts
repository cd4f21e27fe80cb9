import { assert } from "../../base/assert.ts";
import { messageOf } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../disk.ts";

/** Syncs go on while the file grows, so that the last one is short and the log's are not held up. */
const SYNC_BYTES = 4 * 1024 * 1024;

/**
 * A file that counts only once it is whole and durable under its final name. The first error ends
 * it: it is removed, and nobody else is harmed.
 */
export class UnfinishedFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #onFailure: (message: string) => void;
  #file: DiskFile | null = null;
  /** A write during a sync may block for as long as that takes: it waits here instead. */
  #waiting: Uint8Array[] = [];
  #sizeBytes = 0;
  #writtenBytes = 0;
  #syncedBytes = 0;
  #isSyncing = false;
  #isAbandoned = false;
  #isPublished = false;
  /** What the next sync that covers everything is to be followed by. */
  #onSynced: (() => void) | null = null;

  /** @param onFailure told once, before anything else is */
  constructor(disk: Disk, path: string, onFailure: (message: string) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#onFailure = onFailure;
    this.#try(() => {
      removeIfThere(disk, path);
      this.#file = disk.open(path, "create");
    });
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get unsyncedBytes(): number {
    return this.#sizeBytes - this.#syncedBytes;
  }

  /** Appends; the caller may use `bytes` again. @returns `false` when the file is abandoned */
  write(bytes: Uint8Array): boolean {
    assert(this.#onSynced === null, "A file is written to after its end");
    if (this.#isAbandoned) return false;
    this.#sizeBytes += bytes.length;
    if (this.#isSyncing) this.#waiting.push(bytes.slice());
    else this.#put(bytes);
    if (this.unsyncedBytes >= SYNC_BYTES) this.#sync();
    return !this.#isAbandoned;
  }

  /**
   * Makes the file durable under its name, unless `isWanted` says otherwise in the last moment.
   *
   * @param done told whether it is there
   */
  publish(path: string, isWanted: () => boolean, done: (isThere: boolean) => void): void {
    if (this.#isAbandoned) return done(false);
    assert(this.#onSynced === null, "A file ends twice");
    this.#onSynced = () => {
      if (!this.#isAbandoned && !isWanted()) this.abandon();
      this.#try(() => this.#rename(path));
      done(!this.#isAbandoned);
    };
    this.#sync();
  }

  abandon(): void {
    if (this.#isAbandoned || this.#isPublished) return;
    this.#isAbandoned = true;
    this.#close();
    try {
      removeIfThere(this.#disk, this.#path);
    } catch {
      // The next attempt or the next start removes it.
    }
  }

  #put(bytes: Uint8Array): void {
    this.#try(() => this.#file?.write(bytes, this.#writtenBytes));
    this.#writtenBytes += bytes.length;
  }

  #sync(): void {
    if (this.#isSyncing) return;
    const coveredBytes = this.#writtenBytes;
    this.#isSyncing = true;
    try {
      this.#file?.sync((error) => this.#synced(coveredBytes, error));
    } catch (error) {
      this.#synced(coveredBytes, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #synced(coveredBytes: number, error: Error | null): void {
    this.#isSyncing = false;
    if (this.#isAbandoned) this.#close();
    else if (error !== null) this.#fail(error);
    else this.#syncedBytes = coveredBytes;
    for (const bytes of this.#waiting.splice(0)) this.#put(bytes);
    if (this.#isAbandoned || this.unsyncedBytes === 0) this.#onSynced?.();
    else if (this.#onSynced !== null || this.unsyncedBytes >= SYNC_BYTES) this.#sync();
  }

  #rename(path: string): void {
    this.#disk.rename(this.#path, path);
    this.#disk.syncDirectory(path.slice(0, path.lastIndexOf("/")));
    this.#isPublished = true;
    this.#close();
  }

  #try(run: () => void): void {
    if (this.#isAbandoned) return;
    try {
      run();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#onFailure(messageOf(error));
    this.abandon();
  }

  /** Not while a sync works on it. */
  #close(): void {
    if (this.#isSyncing) return;
    this.#file?.close();
    this.#file = null;
  }
}

export function removeIfThere(disk: Disk, path: string): void {
  const slash = path.lastIndexOf("/");
  if (disk.list(path.slice(0, slash)).includes(path.slice(slash + 1))) disk.remove(path);
}
