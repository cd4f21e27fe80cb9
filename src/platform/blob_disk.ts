import fs from "node:fs";
import { UserError } from "../base/errors.ts";
import { GradualRemoval } from "./deno_disk.ts";

/**
 * The file system as the contents of files need it: large sequential transfers, off the event loop.
 * Paths are relative to one directory, with `/` between names. Symbolic links are never followed.
 * Tests have a disk with faults. Errors of the system carry its code, as `ENOSPC`.
 */
export interface BlobDisk {
  /** Names in a directory and whether each is a file, a directory or something else. */
  list(directory: string): Promise<readonly BlobDiskEntry[]>;
  /** Does nothing when the directory exists. */
  makeDirectory(directory: string): Promise<void>;
  /** Creates a file for writing, and refuses one that exists. */
  create(path: string): Promise<BlobFile>;
  /** Opens a file for reading. @throws an error with code `ENOENT` when there is no such file */
  open(path: string): Promise<BlobFile>;
  /** Bytes of a file; `null` when there is none. It blocks, for some microseconds. */
  sizeOf(path: string): number | null;
  /**
   * When a file was last written or renamed, by the wall clock in milliseconds, but perhaps only to
   * the second; `null` when there is none. It blocks as well.
   */
  changedMs(path: string): number | null;
  /** Replaces `to` if it exists. */
  rename(from: string, to: string): Promise<void>;
  /** Removes the name at once. The space of a large file is freed a little later. */
  remove(path: string): void;
  /** Makes creations and renames in the directory durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Bytes of the whole file system, and those of them that this user may still fill. */
  space(): { readonly capacityBytes: number; readonly freeBytes: number };
  /** Ends what runs in the background. */
  close(): void;
}

export interface BlobDiskEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "other";
}

/** An open file. Its calls must not overlap, except `syncEarly`. */
export interface BlobFile {
  sizeBytes(): Promise<number>;
  /** Fills all of `into` from `offset`, or rejects. Reads that follow each other need no seek. */
  read(into: Uint8Array, offset: number): Promise<void>;
  /** Appends all of `bytes`, or rejects. Nobody may change them meanwhile. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes all earlier writes durable. */
  sync(): Promise<void>;
  /** Begins to make earlier writes durable, while others go on. */
  syncEarly(): Promise<void>;
  close(): void;
}

/** The machine's own file system, below one directory. */
export class DenoBlobDisk implements BlobDisk {
  readonly #root: string;
  readonly #removal = new GradualRemoval();

  private constructor(root: string) {
    this.#root = root;
  }

  /** @throws {UserError} when the directory cannot be used */
  static async open(root: string): Promise<DenoBlobDisk> {
    const disk = new DenoBlobDisk(root);
    try {
      await Deno.mkdir(root, { recursive: true });
      disk.space();
    } catch (error) {
      throw new UserError(`Cannot use ${root}: ${(error as Error).message}`, { cause: error });
    }
    return disk;
  }

  async list(directory: string): Promise<BlobDiskEntry[]> {
    const entries: BlobDiskEntry[] = [];
    for await (const { name, isFile, isDirectory } of Deno.readDir(this.#path(directory))) {
      entries.push({ name, kind: isFile ? "file" : isDirectory ? "directory" : "other" });
    }
    return entries;
  }

  async makeDirectory(directory: string): Promise<void> {
    await Deno.mkdir(this.#path(directory), { recursive: true });
  }

  // What the system does in memory is done at once: another thread for each call would cost five times
  // as much for a small file. Only reads and syncs wait for the disk.
  create(path: string): Promise<BlobFile> {
    const whole = this.#path(path);
    return attempt(() => {
      return new DenoBlobFile(whole, Deno.openSync(whole, { write: true, createNew: true }));
    });
  }

  open(path: string): Promise<BlobFile> {
    const whole = this.#path(path);
    return attempt(() => {
      if (!Deno.lstatSync(whole).isFile) throw new Error(`${whole} is not a file`);
      return new DenoBlobFile(whole, Deno.openSync(whole, { read: true }));
    });
  }

  sizeOf(path: string): number | null {
    return this.#fileAt(path)?.size ?? null;
  }

  changedMs(path: string): number | null {
    const info = this.#fileAt(path);
    return (info?.ctime ?? info?.mtime)?.getTime() ?? null;
  }

  #fileAt(path: string): Deno.FileInfo | null {
    try {
      const info = Deno.lstatSync(this.#path(path));
      return info.isFile ? info : null;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw error;
    }
  }

  rename(from: string, to: string): Promise<void> {
    return attempt(() => Deno.renameSync(this.#path(from), this.#path(to)));
  }

  remove(path: string): void {
    this.#removal.remove(this.#path(path));
  }

  async syncDirectory(directory: string): Promise<void> {
    const handle = Deno.openSync(this.#path(directory), { read: true });
    try {
      await handle.sync();
    } finally {
      handle.close();
    }
  }

  space(): { capacityBytes: number; freeBytes: number } {
    const { blocks, bavail, bsize } = fs.statfsSync(this.#root);
    return { capacityBytes: blocks * bsize, freeBytes: bavail * bsize };
  }

  close(): void {
    this.#removal.stop();
  }

  #path(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }
}

/** Does this at once. What it throws is a rejection. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}

class DenoBlobFile implements BlobFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  /** Deno makes calls of one handle wait for each other, so a sync beside writes has its own. */
  #syncing: Deno.FsFile | null = null;
  /** Where the handle stands; NaN when unknown. */
  #position = 0;

  constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#file.stat()).size;
  }

  async read(into: Uint8Array, offset: number): Promise<void> {
    if (offset !== this.#position) await this.#file.seek(offset, Deno.SeekMode.Start);
    this.#position = NaN;
    for (let filled = 0; filled < into.length;) {
      const count = await this.#file.read(into.subarray(filled));
      if (count === null || count === 0) {
        throw new Error(`${this.#path} ends ${into.length - filled} bytes early`);
      }
      filled += count;
    }
    this.#position = offset + into.length;
  }

  // Not by `write`: the runtime's threads for files have the priority of the process, and would
  // copy whole files before heartbeats and Redis clients are served. This thread has a lower one.
  write(bytes: Uint8Array): Promise<void> {
    return attempt(() => {
      for (let written = 0; written < bytes.length;) {
        const count = this.#file.writeSync(bytes.subarray(written));
        if (count === 0) throw new Error(`No bytes were written to ${this.#path}`);
        written += count;
      }
    });
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async syncEarly(): Promise<void> {
    this.#syncing ??= Deno.openSync(this.#path, { read: true });
    await this.#syncing.syncData();
  }

  close(): void {
    this.#syncing?.close();
    this.#file.close();
  }
}
