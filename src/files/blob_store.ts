import { errorOf, UserError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { type BlobDisk, type BlobFile, DenoBlobDisk } from "../platform/blob_disk.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import { contentBytes, fileBytes, isBlobId } from "./blob_format.ts";
import { BlobReader } from "./blob_reader.ts";
import type { BlobWriter } from "./blobs.ts";
import { BlobCorrupt, FileError } from "./file_error.ts";
import { Quarantine } from "./quarantine.ts";
import { SharedSync } from "./shared_sync.ts";
import { StagedBlob, writeError } from "./staged_blob.ts";

export type { BlobWriter } from "./blobs.ts";

export interface BlobStoreOptions {
  /** Gets the folders `blobs`, `staging` and `quarantine`. Nobody else writes there. */
  readonly directory: string;
  /** Bytes of the disk that blobs leave free. */
  readonly reserveBytes: number;
  readonly logger: Logger;
  /** @default the machine's own file system */
  readonly disk?: BlobDisk;
  /** @default the machine's own */
  readonly clock?: Clock;
}

const BLOBS = "blobs";
/** Blobs that are being written, or are removed while somebody reads them. Emptied at the start. */
const STAGING = "staging";
/** Damaged blobs, for the operator. Regent never reads them again, and removes them after a day. */
const QUARANTINE = "quarantine";

/** The folders of `blobs`: the first two digits of an id. */
const PREFIXES = Array.from({ length: 256 }, (_, at) => at.toString(16).padStart(2, "0"));

/** A blob that is being written. */
interface Writing {
  /** Bytes of the announced size that are not on the disk yet. */
  announcedBytes: number;
  /** `null` until its file is open. */
  writer: BlobWriter | null;
}

/**
 * Contents on one node's disk, each under an id of 32 hexadecimal digits and never changed. Memory
 * is constant for each transfer, but for 4 bytes for each 64 KiB of a blob that is being written.
 */
export class BlobStore {
  /** Is called with each blob that turns out to be damaged or gone, whoever has looked. */
  onLost: (id: string) => void = () => {};
  readonly #disk: BlobDisk;
  readonly #reserveBytes: number;
  readonly #logger: Logger;
  readonly #syncs: SharedSync;
  readonly #quarantined: Quarantine;
  /** By id: which of the files that the blob has had this one is. A repaired one is another. */
  readonly #ids = new Map<string, number>();
  #lastFile = 0;
  /** Blobs whose file is just being moved away. Another one of the same name has to wait. */
  readonly #leaving = new Set<string>();
  readonly #writing = new Map<string, Writing>();
  /** What others will write to the same disk. */
  readonly #promises: { bytes: number }[] = [];
  /** Number of readers of a blob, if there are any. */
  readonly #readers = new Map<string, number>();
  /** Of all blobs. */
  readonly #load = { reads: 0 };
  /** Removed blobs that somebody still reads. */
  readonly #removed = new Set<string>();
  /** While folders are made that were taken away. */
  #restoring: Promise<void> | null = null;

  private constructor(disk: BlobDisk, options: BlobStoreOptions) {
    const { reserveBytes, logger, clock = systemClock } = options;
    this.#disk = disk;
    this.#reserveBytes = reserveBytes;
    this.#logger = logger;
    this.#syncs = new SharedSync((directory) => disk.syncDirectory(directory));
    const isRead = (id: string) => this.#readers.has(id);
    this.#quarantined = new Quarantine({ folder: QUARANTINE, disk, clock, logger, isRead });
  }

  /**
   * Creates the folders if needed, removes what was never finished, and lists the ids. It reads no
   * blob: one that is damaged is found when it is first read.
   *
   * @throws {UserError} when the directory cannot be used
   */
  static async open(options: BlobStoreOptions): Promise<BlobStore> {
    const disk = options.disk ?? await DenoBlobDisk.open(options.directory);
    const store = new BlobStore(disk, options);
    try {
      await store.#prepare();
      return store;
    } catch (error) {
      disk.close();
      if (error instanceof UserError) throw error;
      const { message } = errorOf(error);
      throw new UserError(`Cannot use ${options.directory}: ${message}`, { cause: error });
    }
  }

  async #prepare(): Promise<void> {
    const disk = this.#disk;
    const top = await disk.list("");
    for (const name of [BLOBS, STAGING, QUARANTINE]) {
      const kind = top.find((entry) => entry.name === name)?.kind ?? "directory";
      if (kind !== "directory") throw new UserError(`Cannot use ${name}: it is not a directory`);
      await disk.makeDirectory(name);
    }
    await disk.syncDirectory("");
    for (const { name, kind } of await disk.list(STAGING)) {
      if (kind === "file") disk.remove(`${STAGING}/${name}`);
    }
    const kinds = new Map((await disk.list(BLOBS)).map(({ name, kind }) => [name, kind]));
    for (const name of PREFIXES) {
      const kind = kinds.get(name);
      if (kind === undefined) await disk.makeDirectory(`${BLOBS}/${name}`);
      else if (kind === "directory") await this.#listIds(name);
      else throw new UserError(`Cannot use ${BLOBS}/${name}: it is not a directory`);
    }
    await disk.syncDirectory(BLOBS);
  }

  async #listIds(prefix: string): Promise<void> {
    for (const { name, kind } of await this.#disk.list(`${BLOBS}/${prefix}`)) {
      if (kind === "file" && isBlobId(name) && name.startsWith(prefix)) this.#add(name);
    }
  }

  #add(id: string): void {
    this.#ids.set(id, ++this.#lastFile);
  }

  /**
   * Begins to write a blob.
   *
   * @param size bytes that will come; `null` when nobody knows. Then the blob may grow as long as
   * there is room.
   * @throws {FileError} `insufficient-storage` when it does not fit beside the reserve and what the
   * running writers have announced; `precondition-failed` when the blob exists; `busy` while it is
   * being written or moved away; `bad-request` for a wrong id or size
   */
  async create(id: string, size: number | null): Promise<BlobWriter> {
    if (!isBlobId(id)) throw new FileError("bad-request", "This is not the id of a blob");
    if (size !== null && !(Number.isSafeInteger(size) && size >= 0)) {
      throw new FileError("bad-request", "This is not the size of a blob");
    }
    if (this.#ids.has(id)) throw new FileError("precondition-failed", `Blob ${id} exists`);
    if (this.#writing.has(id)) throw new FileError("busy", `Blob ${id} is being written`);
    if (this.#leaving.has(id)) throw new FileError("busy", `Blob ${id} is being moved away`);
    const bytes = size === null ? 0 : fileBytes(size);
    const writing: Writing = { announcedBytes: 0, writer: null };
    this.#writing.set(id, writing);
    try {
      const file = await this.#inFolders(() => {
        writing.announcedBytes = 0;
        this.#checkSpace(bytes);
        writing.announcedBytes = bytes;
        return this.#disk.create(`${STAGING}/${id}`);
      });
      return writing.writer = this.#stage(id, size, file, writing);
    } catch (error) {
      this.#writing.delete(id);
      throw writeError(error);
    }
  }

  #stage(id: string, size: number | null, file: BlobFile, writing: Writing): BlobWriter {
    let isStaged = true;
    const owner = {
      noteWritten(bytes: number) {
        writing.announcedBytes = Math.max(0, writing.announcedBytes - bytes);
      },
      checkSpace: () => this.#checkSpace(0),
      publish: async () => {
        await this.#inFolders(() => this.#disk.rename(`${STAGING}/${id}`, pathOf(id)));
        isStaged = false;
        await this.#syncs.sync(folderOf(id));
        this.#add(id);
        this.#writing.delete(id);
      },
      discard: () => {
        if (this.#writing.get(id) !== writing) return;
        this.#writing.delete(id);
        this.#discard(isStaged ? `${STAGING}/${id}` : pathOf(id));
      },
    };
    return new StagedBlob({ id, file, size, owner });
  }

  /** Does this, and once more when a folder was missing, with folders as they should be. */
  async #inFolders<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (systemCodeOf(error) !== "ENOENT") throw error;
      await this.#restoreFolders();
      return await work();
    }
  }

  /** Makes the folders that somebody took away under the running node, and finds what went too. */
  #restoreFolders(): Promise<void> {
    return this.#restoring ??= this.#makeFolders()
      .then(() => this.#loseMissing())
      .finally(() => this.#restoring = null);
  }

  async #makeFolders(): Promise<void> {
    const disk = this.#disk;
    for (const name of [BLOBS, STAGING, QUARANTINE]) await disk.makeDirectory(name);
    await disk.syncDirectory("");
    for (const prefix of PREFIXES) await disk.makeDirectory(`${BLOBS}/${prefix}`);
    await disk.syncDirectory(BLOBS);
  }

  /** Forgets the blobs that are not on the disk any more, and says so. */
  async #loseMissing(): Promise<void> {
    const missing = new Set(this.#ids.keys());
    for (const prefix of PREFIXES) {
      for (const { name } of await this.#disk.list(`${BLOBS}/${prefix}`)) missing.delete(name);
    }
    let count = 0;
    for (const id of missing) {
      // It may have been removed, and even written again, since the list was made.
      if (this.#disk.sizeOf(pathOf(id)) !== null || !this.#ids.delete(id)) continue;
      count++;
      this.onLost(id);
    }
    if (count > 0) this.#logger.error(`${count} blobs were taken away from the disk`);
  }

  #discard(path: string): void {
    try {
      this.#disk.remove(path);
    } catch (error) {
      this.#logger.warn(`cannot remove ${path}: ${errorOf(error).message}`);
    }
  }

  #checkSpace(bytes: number): void {
    const free = this.#freeBytes();
    if (free >= bytes && free > 0) return;
    throw new FileError(
      "insufficient-storage",
      "There is not enough room on the disk of this node",
    );
  }

  /** Bytes that blobs may still take; negative when they have taken too many. */
  #freeBytes(): number {
    let bytes = this.#disk.space().freeBytes - this.#reserveBytes;
    for (const { announcedBytes } of this.#writing.values()) bytes -= announcedBytes;
    for (const promise of this.#promises) bytes -= promise.bytes;
    return bytes;
  }

  /** Begins to count what others will write to the same disk: no bytes at first. */
  promise(): { bytes: number } {
    const promise = { bytes: 0 };
    this.#promises.push(promise);
    return promise;
  }

  /** As `freeBytes` of `space`, and negative when too many are taken or promised. */
  roomBytes(): number {
    return this.#freeBytes();
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** Bytes of the content; `null` when there is no such blob, or its file is too short or long. */
  sizeOf(id: string): number | null {
    if (!this.has(id)) return null;
    const fileSize = this.#disk.sizeOf(pathOf(id));
    return fileSize === null ? null : contentBytes(fileSize);
  }

  /** The ids of all blobs, in any order. They may change meanwhile. */
  ids(): Iterable<string> {
    return this.#ids.keys();
  }

  /**
   * The bytes from `from` to before `to`, each verified before it is given out, and lent until the
   * next is asked for. A reader that has begun goes on when the blob is removed.
   *
   * @throws {BlobCorrupt} after the good bytes before the damage. The blob is then in quarantine.
   * @throws {FileError} `not-found`, or `bad-request` when the range is not within the content
   */
  async *read(id: string, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    yield* this.#reading(id, async function* (reader) {
      const { size } = reader.footer;
      const isRange = Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 &&
        from <= to && to <= size;
      if (!isRange) {
        throw new FileError("bad-request", `Bytes ${from} to ${to} are not within ${size}`);
      }
      yield* reader.read(from, to);
    });
  }

  /**
   * Reads the whole blob, and compares all checksums. A damaged one goes to quarantine.
   *
   * @param pace is awaited after each piece of up to 1 MiB, and so sets the rate
   * @returns false when the blob is damaged
   * @throws {FileError} `not-found`
   */
  async verify(
    id: string,
    pace: (bytes: number) => Promise<void> | void = () => {},
  ): Promise<boolean> {
    try {
      const reading = this.#reading(id, async function* (reader) {
        yield await reader.verify(pace);
      });
      for await (const _ of reading);
      return true;
    } catch (error) {
      if (error instanceof BlobCorrupt) return false;
      throw error;
    }
  }

  async *#reading<T>(
    id: string,
    run: (reader: BlobReader) => AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> {
    if (!this.has(id)) throw new FileError("not-found", `Blob ${id} is not here`);
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    this.#load.reads++;
    const which = this.#ids.get(id);
    let file: BlobFile | null = null;
    let isDamaged = false;
    try {
      file = await this.#open(id);
      yield* run(await BlobReader.open(id, file, this.#load));
    } catch (error) {
      isDamaged = error instanceof BlobCorrupt;
      if (error instanceof BlobCorrupt) await this.#quarantine(id, which, error);
      throw error;
    } finally {
      file?.close();
      this.#readerLeft(id);
      if (isDamaged) await this.tidy();
    }
  }

  async #open(id: string): Promise<BlobFile> {
    try {
      return await this.#disk.open(pathOf(id));
    } catch (error) {
      const { code, message } = errorOf(error) as Error & { code?: string };
      if (code === "ENOENT") {
        if (this.has(id)) await this.#foundMissing(id);
        throw new FileError("not-found", `Blob ${id} is not here`, { cause: error });
      }
      if (code === "EIO" || code === undefined) {
        throw new BlobCorrupt(id, message, { cause: error });
      }
      throw new FileError("unavailable", `Cannot read blob ${id}: ${message}`, { cause: error });
    }
  }

  /** One blob is gone. Perhaps others are too, and nobody shall have to find them one by one. */
  async #foundMissing(id: string): Promise<void> {
    try {
      await this.#restoreFolders();
    } catch (error) {
      this.#logger.warn(`cannot look after the folders of blobs: ${errorOf(error).message}`);
    }
    if (this.#disk.sizeOf(pathOf(id)) === null && this.#ids.delete(id)) this.onLost(id);
  }

  /** @param which the file that was read: a good one may have taken its place meanwhile */
  async #quarantine(id: string, which: number | undefined, reason: BlobCorrupt): Promise<void> {
    if (this.#ids.get(id) !== which) return; // removed meanwhile, or in quarantine already
    this.#ids.delete(id);
    this.#logger.error(reason.message);
    try {
      await this.#moveAway(id, `${QUARANTINE}/${id}`);
      await this.#syncs.sync(folderOf(id));
    } catch (error) {
      this.#logger.warn(`cannot put blob ${id} into quarantine: ${errorOf(error).message}`);
    }
    this.onLost(id);
  }

  async #moveAway(id: string, to: string): Promise<void> {
    this.#leaving.add(id);
    try {
      await this.#inFolders(() => this.#disk.rename(pathOf(id), to));
    } finally {
      this.#leaving.delete(id);
    }
  }

  /** Removes damaged blobs that are too old or too many. Call it at the start and now and then. */
  async tidy(): Promise<void> {
    try {
      await this.#inFolders(() => this.#quarantined.tidy());
    } catch (error) {
      this.#logger.warn(`cannot tidy the quarantine: ${errorOf(error).message}`);
    }
  }

  #readerLeft(id: string): void {
    this.#load.reads--;
    const left = (this.#readers.get(id) ?? 0) - 1;
    if (left > 0) return void this.#readers.set(id, left);
    this.#readers.delete(id);
    if (this.#removed.delete(id)) this.#discard(removedPath(id));
  }

  /**
   * Removes a blob, and gives up one that is being written. Does nothing when there is none. After
   * a power failure the blob may be there again.
   *
   * @throws {FileError} `unavailable` when the disk refuses
   */
  async remove(id: string): Promise<void> {
    await this.#writing.get(id)?.writer?.abort();
    const which = this.#ids.get(id);
    if (which === undefined) return;
    this.#ids.delete(id);
    try {
      if (!this.#readers.has(id)) return this.#disk.remove(pathOf(id));
      // The space of a large file is freed by making it shorter: not under its readers' hands.
      this.#removed.add(id);
      await this.#moveAway(id, removedPath(id));
      if (!this.#readers.has(id) && this.#removed.delete(id)) this.#discard(removedPath(id));
    } catch (error) {
      const { code, message } = errorOf(error) as Error & { code?: string };
      this.#removed.delete(id);
      if (code === "ENOENT") return;
      this.#ids.set(id, which);
      throw new FileError("unavailable", `Cannot remove blob ${id}: ${message}`, { cause: error });
    }
  }

  /**
   * Bytes of the disk: `capacityBytes` in all, `freeBytes` that blobs may still take without the
   * reserve, `usedBytes` that somebody uses, not only blobs.
   */
  async space(): Promise<{ capacityBytes: number; freeBytes: number; usedBytes: number }> {
    const { capacityBytes, freeBytes } = await this.#inFolders(() => this.#disk.space());
    return {
      capacityBytes,
      freeBytes: Math.max(0, this.#freeBytes()),
      usedBytes: capacityBytes - freeBytes,
    };
  }

  /** Gives up what is being written. Call nothing afterwards. */
  async close(): Promise<void> {
    await Promise.all([...this.#writing.values()].map(({ writer }) => writer?.abort()));
    this.#disk.close();
  }
}

function systemCodeOf(error: unknown): string | undefined {
  return (errorOf(error) as Error & { code?: string }).code;
}

function folderOf(id: string): string {
  return `${BLOBS}/${id.slice(0, 2)}`;
}

function pathOf(id: string): string {
  return `${folderOf(id)}/${id}`;
}

function removedPath(id: string): string {
  return `${STAGING}/${id}.removed`;
}
