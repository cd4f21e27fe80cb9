import { messageOf, UserError } from "../base/errors.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { systemClock } from "./system_clock.ts";

/** Syncs that take longer, in the mean, are left to another thread. */
const QUICK_MS = 1;
/** The mean is over about so many. */
const MEAN_OF = 16;
/** A single one that takes so long is enough. */
const SLOW_MS = 8;
/** One that was left to the other thread is quick below this, the way there and back included. */
const QUICK_ELSEWHERE_MS = 4;
/** So many quick ones in a row, on the other thread, show at first that the disk is quick, ... */
const FIRST_STREAK = 16;
/** ... and so many after it was found slow. */
const LATER_STREAK = 256;
/** Much that was written takes its time. */
const QUICK_BYTES = 256 * 1024;

/**
 * Says whether the next sync of a file is certain enough to be over so soon that it should be waited
 * for on the spot. To hand it to another thread and back costs as much processor time as a quick disk
 * takes for it; but an event loop that waits for a slow disk serves nobody. So nothing is tried on the
 * spot: what the other thread took tells whether a disk is quick.
 */
export class QuickSync {
  #isQuick = false;
  #meanMs = 0;
  /** Quick syncs on the other thread that are still to come in a row. */
  #untilQuick = FIRST_STREAK;
  #bytes = 0;
  #isLittle = false;

  /** Bytes were written that the next sync is to cover. */
  written(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Whether to wait on the spot for the sync that begins now: `took` must follow, or `tookElsewhere`. */
  begins(): boolean {
    this.#isLittle = this.#bytes <= QUICK_BYTES;
    this.#bytes = 0;
    return this.#isLittle && this.#isQuick;
  }

  /** The sync was waited for, so long. */
  took(durationMs: number): void {
    this.#meanMs += (durationMs - this.#meanMs) / MEAN_OF;
    if (this.#meanMs < QUICK_MS && durationMs < SLOW_MS) return;
    this.#isQuick = false;
    this.#untilQuick = LATER_STREAK;
  }

  /** The sync was left to the other thread, and has ended after so long. */
  tookElsewhere(durationMs: number): void {
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

/** The system takes a millisecond to free so much, and every sync on the disk waits for it. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Time for others to use the disk. */
const PAUSE_MS = 2;

interface RemovedFile {
  readonly file: Deno.FsFile;
  sizeBytes: number;
}

/**
 * Removes files. The name goes at once; what a large file takes on the disk is given back bit by
 * bit, since to give back all of it in one call holds up the process, or from another thread
 * everybody's syncs, for a quarter of a millisecond for each MiB.
 */
export class GradualRemoval {
  readonly #removed: RemovedFile[] = [];
  #cancel: (() => void) | null = null;

  /** @throws when there is no such file, or it may not be removed */
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
    // Under another name, as in a copy made of links, it is somebody's still.
    if (file.statSync().nlink !== 0) return file.close();
    this.#removed.push({ file, sizeBytes: size });
    this.#continue();
  }

  /** The system gives back the rest at once. */
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

/** Whether it did; a file that cannot be shrunk is given back when it is closed. */
function shrank({ file, sizeBytes }: RemovedFile): boolean {
  try {
    file.truncateSync(sizeBytes);
    return true;
  } catch {
    return false;
  }
}

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
      if (count === null || count === 0) throw this.#endsAfter(filled, into.length, offset);
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

  writeLater(bytes: Uint8Array, offset: number, done: (error: Error | null) => void): void {
    this.#quick.written(bytes.length);
    settle(this.#writeLater(bytes, offset), done);
  }

  readLater(into: Uint8Array, offset: number, done: (error: Error | null) => void): void {
    settle(this.#readLater(into, offset), done);
  }

  async #writeLater(bytes: Uint8Array, offset: number): Promise<void> {
    this.#seek(offset);
    for (let written = 0; written < bytes.length;) {
      const count = await this.#file.write(bytes.subarray(written));
      if (count === 0) throw new Error(`Cannot write to ${this.#path}: nothing was taken`);
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
    this.#quick.written(Infinity); // what was given back, and nobody knows how much
    this.#file.truncateSync(sizeBytes);
  }

  sync(done: (error: Error | null) => void): void {
    if (!this.#quick.begins()) {
      return settle(this.#syncElsewhere(), done);
    }
    // The turn that asks for it comes to its end first: what it has for the peers is sent by then.
    queueMicrotask(() => {
      const startMs = performance.now();
      const error = attempt(() => this.#file.syncDataSync());
      this.#quick.took(performance.now() - startMs);
      done(error);
    });
  }

  async #syncElsewhere(): Promise<void> {
    const startMs = performance.now();
    await this.#file.syncData();
    this.#quick.tookElsewhere(performance.now() - startMs);
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

function settle(promise: Promise<void>, done: (error: Error | null) => void): void {
  promise.then(() => done(null), (error) => done(asError(error)));
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

async function syncDirectoryLater(path: string): Promise<void> {
  const directory = await Deno.open(path, { read: true });
  try {
    await directory.sync();
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
