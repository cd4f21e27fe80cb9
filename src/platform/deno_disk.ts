import { errorOf, messageOf, UserError } from "../base/errors.ts";
import { systemClock } from "./clock.ts";
import type { Disk, DiskFile } from "./disk.ts";

const LOCK_NAME = "lock";
/** Maximum time in milliseconds to wait for the lock; see `lockInTime`. */
const LOCK_WAIT_MS = 1_000;

/** The machine's own file system, below one data directory. */
export class DenoDisk implements Disk {
  readonly root: string;
  readonly #lock: Deno.FsFile | null;
  readonly #removal = new GradualRemoval();

  private constructor(root: string, lock: Deno.FsFile | null) {
    this.root = root;
    this.#lock = lock;
  }

  /**
   * Creates the directory if needed, and locks it against other processes until `close` or the end
   * of this process.
   *
   * @throws {UserError} when another process holds it, or it cannot be written
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
   * Opens a directory without the lock, to inspect it. A node may be running on it.
   *
   * @throws {UserError} when there is no such directory
   */
  static openForReading(root: string): DenoDisk {
    try {
      if (Deno.statSync(root).isDirectory) return new DenoDisk(root, null);
    } catch (error) {
      throw new UserError(`Cannot read ${root}: ${messageOf(error)}`);
    }
    throw new UserError(`Cannot read ${root}: it is not a directory`);
  }

  /** Releases the lock. */
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

  syncDirectory(directory: string, done: (error: Error | null) => void): void {
    settle(syncDirectoryLater(this.#path(directory)), done);
  }

  syncDirectoryNow(directory: string): void {
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
  /**
   * File position of the handle; NaN when unknown. A log mostly appends, and needs no seek then.
   */
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
      if (count === null || count === 0) throw this.#endsAfter(filled, into.length, offset);
      filled += count;
    }
    this.#position = offset + into.length;
  }

  write(bytes: Uint8Array, offset: number): void {
    this.#seek(offset);
    this.#quick.noteWrite(bytes.length);
    for (let written = 0; written < bytes.length;) {
      const count = this.#file.writeSync(bytes.subarray(written));
      if (count === 0) throw new Error(`Cannot write to ${this.#path}: no bytes were written`);
      written += count;
    }
    this.#position = offset + bytes.length;
  }

  writeLater(bytes: Uint8Array, offset: number, done: (error: Error | null) => void): void {
    this.#quick.noteWrite(bytes.length);
    settle(this.#writeLater(bytes, offset), done);
  }

  readLater(into: Uint8Array, offset: number, done: (error: Error | null) => void): void {
    settle(this.#readLater(into, offset), done);
  }

  async #writeLater(bytes: Uint8Array, offset: number): Promise<void> {
    this.#seek(offset);
    for (let written = 0; written < bytes.length;) {
      const count = await this.#file.write(bytes.subarray(written));
      if (count === 0) throw new Error(`Cannot write to ${this.#path}: no bytes were written`);
      written += count;
    }
    this.#position = offset + bytes.length;
  }

  async #readLater(into: Uint8Array, offset: number): Promise<void> {
    this.#seek(offset);
    for (let filled = 0; filled < into.length;) {
      const count = await this.#file.read(into.subarray(filled));
      if (count === null || count === 0) throw this.#endsAfter(filled, into.length, offset);
      filled += count;
    }
    this.#position = offset + into.length;
  }

  #endsAfter(filled: number, wanted: number, offset: number): Error {
    return new Error(
      `Cannot read ${wanted} bytes of ${this.#path} at ${offset}: the file ends after ${filled}`,
    );
  }

  truncate(sizeBytes: number): void {
    this.#quick.noteWrite(Infinity); // the amount freed is unknown
    this.#file.truncateSync(sizeBytes);
  }

  sync(done: (error: Error | null) => void): void {
    if (!this.#quick.begin()) {
      return settle(this.#syncElsewhere(), done);
    }
    // Let the current turn finish first, so that its messages to the peers leave before the sync.
    queueMicrotask(() => {
      const startMs = performance.now();
      const error = attempt(() => this.#file.syncDataSync());
      this.#quick.noteSync(performance.now() - startMs);
      done(error);
    });
  }

  async #syncElsewhere(): Promise<void> {
    const startMs = performance.now();
    await this.#file.syncData();
    this.#quick.noteSyncElsewhere(performance.now() - startMs);
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

/**
 * Mean duration of a sync in milliseconds above which the disk is slow, and is synced on another
 * thread.
 */
const QUICK_MS = 1;
/** Approximate number of syncs that the moving mean covers. */
const MEAN_OF = 16;
/** A single sync that takes this many milliseconds makes the disk slow at once. */
const SLOW_MS = 8;
/**
 * A sync on the other thread counts as quick below this time in milliseconds, including the way
 * there and back.
 */
const QUICK_ELSEWHERE_MS = 4;
/** Consecutive quick syncs on the other thread before the disk first counts as quick. */
const FIRST_STREAK = 16;
/** The same after the disk was found slow. */
const LATER_STREAK = 256;
/** A sync of more bytes than this always goes to the other thread. */
const QUICK_BYTES = 256 * 1024;

/**
 * Decides whether to wait for the next sync of a file on the event loop. On a quick disk, handing a
 * sync to another thread costs as much processor time as the sync itself. But an event loop that
 * waits for a slow disk serves nobody. So the loop never experiments: syncs on the other thread
 * show whether the disk is quick.
 */
export class QuickSync {
  #isQuick = false;
  #meanMs = 0;
  /** Number of consecutive quick syncs on the other thread until the disk counts as quick. */
  #untilQuick = FIRST_STREAK;
  #bytes = 0;
  #isLittle = false;

  /** Counts bytes that the next sync has to cover. */
  noteWrite(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * Whether the sync that starts now is to block the event loop. `noteSync` or `noteSyncElsewhere`
   * must follow.
   */
  begin(): boolean {
    this.#isLittle = this.#bytes <= QUICK_BYTES;
    this.#bytes = 0;
    return this.#isLittle && this.#isQuick;
  }

  /** Records a blocking sync. */
  noteSync(durationMs: number): void {
    this.#meanMs += (durationMs - this.#meanMs) / MEAN_OF;
    if (this.#meanMs < QUICK_MS && durationMs < SLOW_MS) return;
    this.#isQuick = false;
    this.#untilQuick = LATER_STREAK;
  }

  /** Records a sync on the other thread. */
  noteSyncElsewhere(durationMs: number): void {
    if (this.#isQuick) return;
    if (durationMs >= SLOW_MS) this.#untilQuick = LATER_STREAK;
    else if (durationMs >= QUICK_ELSEWHERE_MS) {
      this.#untilQuick = Math.max(this.#untilQuick, FIRST_STREAK);
    } else if (this.#isLittle) this.#untilQuick--;
    if (this.#untilQuick > 0) return;
    this.#isQuick = true;
    this.#meanMs = 0;
  }
}

/** Bytes freed per step. The file system takes about 1 ms for them, and every sync waits for it. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Pause in milliseconds between two steps, so that others can use the disk. */
const PAUSE_MS = 2;

interface RemovedFile {
  readonly file: Deno.FsFile;
  sizeBytes: number;
}

/**
 * Removes files. The name is removed at once. The space of a large file is freed in steps. Freeing
 * it in one call takes 0.25 ms per MiB, and blocks the process meanwhile or, on another thread, all
 * syncs.
 */
export class GradualRemoval {
  readonly #removed: RemovedFile[] = [];
  #cancel: (() => void) | null = null;

  /** @throws when the file does not exist or must not be removed */
  remove(path: string): void {
    const { size } = Deno.lstatSync(path);
    if (size <= STEP_BYTES) return Deno.removeSync(path);
    const file = Deno.openSync(path, { write: true });
    try {
      Deno.removeSync(path);
    } catch (error) {
      file.close();
      throw error;
    }
    // The file has another hard link, for example in a copy made of links. Do not change its
    // content.
    if (file.statSync().nlink !== 0) return file.close();
    this.#removed.push({ file, sizeBytes: size });
    this.#continue();
  }

  /** Closes the files. The system then frees the rest of their space at once. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const { file } of this.#removed.splice(0)) file.close();
  }

  #continue(): void {
    if (this.#cancel !== null || this.#removed.length === 0) return;
    this.#cancel = systemClock.after(PAUSE_MS, () => {
      this.#cancel = null;
      this.#step();
      this.#continue();
    });
  }

  #step(): void {
    const [first] = this.#removed;
    if (first === undefined) return;
    first.sizeBytes -= STEP_BYTES;
    if (first.sizeBytes > 0 && shrank(first)) return;
    first.file.close();
    this.#removed.shift();
  }
}

/** False when the file cannot be shrunk; closing it will free its space. */
function shrank({ file, sizeBytes }: RemovedFile): boolean {
  try {
    file.truncateSync(sizeBytes);
    return true;
  } catch {
    return false;
  }
}

/** The error that `run` throws, or `null`. */
function attempt(run: () => void): Error | null {
  try {
    run();
    return null;
  } catch (error) {
    return errorOf(error);
  }
}

function settle(promise: Promise<void>, done: (error: Error | null) => void): void {
  promise.then(() => done(null), (error) => done(errorOf(error)));
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
 * Creates a directory and its parents durably. The parent of an existing directory is synced too:
 * whoever created it may have died before the name was durable.
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
      // Without access to the parent directory, this user has not created the directory either.
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

async function syncDirectoryLater(path: string): Promise<void> {
  const directory = await Deno.open(path, { read: true });
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}

/**
 * Takes the lock. Waits up to `LOCK_WAIT_MS`, so that a process that was just killed can finish
 * exiting. Uses the blocking `lock`, since Deno before 2.7 has no other. After `false`, a thread
 * goes on waiting, and the process must end by `Deno.exit`.
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
