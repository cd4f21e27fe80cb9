import { messageOf, UserError } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../../node/disk.ts";
import { GradualRemoval } from "./gradual_removal.ts";
import { QuickSync } from "./quick_sync.ts";

const LOCK_NAME = "lock";
const LOCK_WAIT_MS = 1_000;

/** The machine's own file system, in one data directory. */
export class DenoDisk implements Disk {
  readonly root: string;
  readonly #lock: Deno.FsFile | null;
  readonly #removal = new GradualRemoval();

  private constructor(root: string, lock: Deno.FsFile | null) {
    this.root = root;
    this.#lock = lock;
  }

  /**
   * Creates the directory if need be and locks it against other processes for as long as this one
   * lives, or until `close`.
   *
   * @throws {UserError} when another process has it open, or it cannot be written
   */
  static async open(root: string): Promise<DenoDisk> {
    let lock: Deno.FsFile;
    try {
      createDurably(root);
      lock = Deno.openSync(`${root}/${LOCK_NAME}`, { read: true, write: true, create: true });
    } catch (error) {
      throw new UserError(`Cannot use ${root}: ${messageOf(error)}`);
    }
    if (!await lockInTime(lock)) {
      lock.close();
      const holder = Deno.readTextFileSync(`${root}/${LOCK_NAME}`).trim();
      throw new UserError(
        `Cannot use ${root}: another process (pid ${holder || "unknown"}) has it open`,
      );
    }
    lock.truncateSync(0);
    lock.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    return new DenoDisk(root, lock);
  }

  /**
   * Without the lock: for looking into a directory, also while a node runs on it.
   *
   * @throws {UserError} when there is no such directory
   */
  static openForReading(root: string): DenoDisk {
    try {
      if (Deno.statSync(root).isDirectory) return new DenoDisk(root, null);
    } catch (error) {
      throw new UserError(`Cannot read ${root}: ${messageOf(error)}`);
    }
    throw new UserError(`Cannot read ${root}: it is no directory`);
  }

  /** Gives up the lock. */
  close(): void {
    this.#removal.stop();
    this.#lock?.close();
  }

  list(directory: string): readonly string[] {
    return orIfMissing(
      [],
      () => [...Deno.readDirSync(this.#path(directory))].map(({ name }) => name).sort(),
    );
  }

  makeDirectory(directory: string): void {
    Deno.mkdirSync(this.#path(directory), { recursive: true });
  }

  read(path: string): Uint8Array | null {
    return orIfMissing(null, () => Deno.readFileSync(this.#path(path)));
  }

  open(path: string, mode: "create" | "existing"): DiskFile {
    const createNew = mode === "create";
    return new DenoFile(
      path,
      Deno.openSync(this.#path(path), { read: true, write: true, createNew }),
    );
  }

  rename(from: string, to: string): void {
    Deno.renameSync(this.#path(from), this.#path(to));
  }

  remove(path: string): void {
    this.#removal.remove(this.#path(path));
  }

  syncDirectory(directory: string): void {
    syncDirectory(this.#path(directory));
  }

  #path(path: string): string {
    return path === "" ? this.root : `${this.root}/${path}`;
  }
}

class DenoFile implements DiskFile {
  readonly #path: string;
  readonly #file: Deno.FsFile;
  readonly #quick = new QuickSync();
  /** Where the next byte would go; NaN: unknown. A log mostly goes on where it was: no seek. */
  #position = 0;

  constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  sizeBytes(): number {
    return this.#file.statSync().size;
  }

  read(into: Uint8Array, offset: number): void {
    this.#seek(offset);
    for (let filled = 0; filled < into.length;) {
      const count = this.#file.readSync(into.subarray(filled));
      if (count === null || count === 0) {
        throw new Error(
          `Cannot read ${into.length} bytes of ${this.#path} at ${offset}: ` +
            `the file ends after ${filled}`,
        );
      }
      filled += count;
    }
    this.#position = offset + into.length;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#seek(offset);
    this.#quick.written(bytes.length);
    for (let written = 0; written < bytes.length;) {
      const count = this.#file.writeSync(bytes.subarray(written));
      if (count === 0) throw new Error(`Cannot write to ${this.#path}: nothing was taken`);
      written += count;
    }
    this.#position = offset + bytes.length;
  }

  truncate(sizeBytes: number): void {
    this.#quick.written(Infinity); // what was given back, and nobody knows how much
    this.#file.truncateSync(sizeBytes);
  }

  sync(done: (error: Error | null) => void): void {
    if (!this.#quick.begins()) {
      this.#file.syncData().then(() => done(null), (error) => done(asError(error)));
      return;
    }
    // The turn that asks for it comes to its end first: what it has for the peers is sent by then.
    queueMicrotask(() => {
      const startMs = performance.now();
      const error = attempt(() => this.#file.syncDataSync());
      this.#quick.took(performance.now() - startMs);
      done(error);
    });
  }

  syncNow(): void {
    this.#file.syncSync();
  }

  close(): void {
    this.#file.close();
  }

  #seek(offset: number): void {
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = NaN;
  }
}

/** The error that a function ends in, if any. */
function attempt(run: () => void): Error | null {
  try {
    run();
    return null;
  } catch (error) {
    return asError(error);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function orIfMissing<T>(missing: T, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return missing;
    throw error;
  }
}

/**
 * Creates a directory with all above it; a loss of power takes none of them back. One that is there
 * may have been made a moment ago by somebody who died before it was durable.
 */
function createDurably(path: string): void {
  const trimmed = path.replace(/(?<=.)\/+$/, "");
  if (trimmed === "." || trimmed === "/") return;
  const slash = trimmed.lastIndexOf("/");
  const parent = slash < 0 ? "." : trimmed.slice(0, slash) || "/";
  if (orIfMissing(false, () => Deno.statSync(path).isDirectory)) {
    try {
      syncDirectory(parent);
    } catch (error) {
      // Whoever may not look at the directory above has not made this one either.
      const { NotCapable, PermissionDenied } = Deno.errors;
      if (!(error instanceof NotCapable || error instanceof PermissionDenied)) throw error;
    }
    return;
  }
  createDurably(parent);
  // Nodes of one cluster that start at the same time may share parents.
  Deno.mkdirSync(path, { recursive: true });
  syncDirectory(parent);
}

function syncDirectory(path: string): void {
  const directory = Deno.openSync(path, { read: true });
  try {
    directory.syncSync();
  } finally {
    directory.close();
  }
}

/**
 * Waits a moment, so that a process that has just been killed may finish dying. By the blocking
 * `lock`, since Deno before 2.7 has no other: after `false` a thread waits on, and the process must
 * be ended by `Deno.exit`.
 */
async function lockInTime(file: Deno.FsFile): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), LOCK_WAIT_MS);
  });
  const locked = file.lock(true).then(() => true);
  const isLocked = await Promise.race([locked, timeout]);
  clearTimeout(timer);
  return isLocked;
}
