import type { Random } from "../../src/base/random.ts";
import type { Disk, DiskFile } from "../../src/platform/disk.ts";
import { FaultFile } from "./fault_file.ts";
import { type PowerLoss, randomPowerLoss } from "./power_loss.ts";

/** A call that changes something, or makes it durable. */
export interface DiskOperation {
  /** Counts the operations of this disk, from 1. */
  readonly number: number;
  readonly kind:
    | "makeDirectory"
    | "create"
    | "write"
    | "truncate"
    | "sync"
    | "syncNow"
    | "rename"
    | "remove"
    | "syncDirectory";
  readonly path: string;
  /** Size of a write. */
  readonly sizeBytes: number;
}

export type DiskFault =
  /** The process dies before the operation, or after this many bytes of a write. */
  | { readonly kind: "crash"; readonly bytesWritten?: number }
  /**
   * The operation fails; a write fails after this many bytes. A failed sync loses the bytes that it
   * should have written.
   */
  | { readonly kind: "error"; readonly error: Error; readonly bytesWritten?: number };

export interface FaultDiskOptions {
  /** @default data/n1 */
  readonly root?: string;
  /** Called before each operation. `null` lets it succeed. */
  readonly fault?: (operation: DiskOperation) => DiskFault | null;
  /** Schedules the end of each asynchronous sync. @default as a microtask */
  readonly schedule?: (run: () => void) => void;
}

/** Thrown by the operation in which the process dies, and by every later one. */
export class DiskCrash extends Error {
  override name = "DiskCrash";
}

/**
 * An in-memory disk that knows which of its bytes are durable. `afterCrash` returns the disk that
 * the next process finds: everything if only the process died; after a loss of power what was
 * synced, and of the rest what `PowerLoss` leaves.
 */
export class FaultDisk implements Disk {
  readonly root: string;
  readonly #options: FaultDiskOptions;
  #seen = new Names();
  #durable = new Names();
  /** Changes of names that are not durable yet, oldest first. */
  #pending: NameChange[] = [];
  #operationCount = 0;
  #isDead = false;
  /** Grows whenever the durable names change. */
  durableNamesVersion = 0;

  constructor(options: FaultDiskOptions = {}) {
    this.root = options.root ?? "data/n1";
    this.#options = options;
  }

  get operationCount(): number {
    return this.#operationCount;
  }

  list(directory: string): readonly string[] {
    this.#assertAlive();
    const prefix = directory === "" ? "" : `${directory}/`;
    return [...this.#seen.files.keys(), ...this.#seen.directories]
      .filter((path) => path.startsWith(prefix) && path !== "")
      .map((path) => path.slice(prefix.length))
      .filter((name) => !name.includes("/"))
      .sort();
  }

  makeDirectory(directory: string): void {
    if (this.#seen.directories.has(directory)) return;
    this.#operate("makeDirectory", directory);
    this.#change({ parent: parentOf(directory), madeDirectory: directory });
  }

  read(path: string): Uint8Array | null {
    this.#assertAlive();
    return this.#seen.files.get(path)?.content() ?? null;
  }

  open(path: string, mode: "create" | "existing"): DiskFile {
    this.#assertAlive();
    if (mode === "existing") return this.#handle(path, this.#existing(path));
    this.#operate("create", path);
    if (this.#seen.files.has(path)) throw new Error(`Cannot create ${path}: it exists`);
    if (!this.#seen.directories.has(parentOf(path))) {
      throw new Error(`Cannot create ${path}: there is no such directory`);
    }
    const file = new FaultFile(new Uint8Array(0));
    this.#change({ parent: parentOf(path), added: { path, file } });
    return this.#handle(path, file);
  }

  rename(from: string, to: string): void {
    this.#operate("rename", from);
    const file = this.#existing(from);
    this.#change({ parent: parentOf(to), removed: from, added: { path: to, file } });
  }

  remove(path: string): void {
    this.#operate("remove", path);
    this.#existing(path);
    this.#change({ parent: parentOf(path), removed: path });
  }

  syncDirectory(directory: string, done: (error: Error | null) => void): void {
    const error = this.#operate("syncDirectory", directory)?.error ?? null;
    const finish = this.#beginDirectorySync(directory);
    this.#schedule(() => {
      if (error === null) finish();
      done(error);
    });
  }

  syncDirectoryNow(directory: string): void {
    const fault = this.#operate("syncDirectory", directory);
    if (fault !== null) throw fault.error;
    this.#beginDirectorySync(directory)();
  }

  #beginDirectorySync(directory: string): () => void {
    const covered = new Set(this.#pending.filter((change) => change.parent === directory));
    return () => {
      for (const change of this.#pending) if (covered.has(change)) this.#durable.apply(change);
      this.#pending = this.#pending.filter((change) => !covered.has(change));
      this.durableNamesVersion++;
    };
  }

  /** Completes background work, if the process is still alive then. */
  #schedule(run: () => void): void {
    const schedule = this.#options.schedule ?? queueMicrotask;
    schedule(() => {
      if (!this.#isDead) run();
    });
  }

  /** Every path that a reader sees: files, and `null` for directories. */
  *everything(): Generator<readonly [path: string, file: FaultFile | null]> {
    for (const directory of this.#seen.directories) yield [directory, null];
    yield* this.#seen.files;
  }

  /** The files whose names would survive a power failure now. */
  durablePaths(): string[] {
    return [...this.#durable.files.keys()];
  }

  /** The file whose name would survive, or `null`. */
  durableFile(path: string): FaultFile | null {
    return this.#durable.files.get(path) ?? null;
  }

  /** Creates a durable file. It is no operation, so that a test can prepare or damage the disk. */
  plant(path: string, content: Uint8Array): void {
    const change = { parent: "", added: { path, file: new FaultFile(content) } };
    this.#seen.apply(change);
    this.#durable.apply(change);
  }

  /** The unsynced changes, of which a loss of power keeps some. */
  unsynced(): { readonly nameCount: number; readonly files: ReadonlyMap<FaultFile, string> } {
    const files = new Map<FaultFile, string>();
    const note = (path: string, file: FaultFile) => {
      if (file.unsynced.length > 0) files.set(file, path);
    };
    for (const [path, file] of this.#durable.files) note(path, file);
    for (const { added } of this.#pending) if (added !== undefined) note(added.path, added.file);
    return { nameCount: this.#pending.length, files };
  }

  /**
   * The disk as the next process finds it.
   *
   * @param loss decides which unsynced changes survive: a generator of random numbers, or a rule;
   * `null`: the power stayed on
   */
  afterCrash(loss: Random | PowerLoss | null, options: FaultDiskOptions = {}): FaultDisk {
    const powerLoss = typeof loss === "function" ? randomPowerLoss(loss) : loss;
    const next = new FaultDisk({ root: this.root, ...options });
    const copies = new Map<FaultFile, FaultFile>();
    const copyOf = (file: FaultFile): FaultFile => {
      const copy = copies.get(file) ?? file.afterCrash(powerLoss);
      copies.set(file, copy);
      return copy;
    };
    next.#durable = this.#durable.copy(copyOf);
    if (powerLoss === null) {
      next.#seen = this.#seen.copy(copyOf);
      next.#pending = this.#pending.map((change) => copyChange(change, copyOf));
      return next;
    }
    const isKept = powerLoss.names(this.#pending.length);
    for (const [position, change] of this.#pending.entries()) {
      if (isKept(position)) next.#durable.apply(copyChange(change, copyOf));
    }
    next.#durable.dropUnreachable();
    next.#seen = next.#durable.copy((file) => file);
    return next;
  }

  #handle(path: string, file: FaultFile): DiskFile {
    const syncFault = (kind: "sync" | "syncNow"): Error | null => {
      const fault = this.#operate(kind, path);
      if (fault === null) return null;
      file.dropPending();
      return fault.error;
    };
    const read = (into: Uint8Array, offset: number) => {
      this.#assertAlive();
      file.read(into, offset);
    };
    const write = (bytes: Uint8Array, offset: number) => {
      this.#operate("write", path, bytes.length, (bytesWritten) => {
        file.write(bytes.subarray(0, bytesWritten), offset);
      });
      file.write(bytes, offset);
    };
    return {
      sizeBytes: () => file.sizeBytes,
      read,
      write,
      readLater: (into, offset, done) => this.#later(() => read(into, offset), done),
      writeLater: (bytes, offset, done) => this.#later(() => write(bytes, offset), done),
      truncate: (sizeBytes) => {
        this.#operate("truncate", path);
        file.truncate(sizeBytes);
      },
      sync: (done) => {
        const error = syncFault("sync");
        const finish = file.beginSync();
        this.#schedule(() => {
          if (error === null) finish();
          done(error);
        });
      },
      syncNow: () => {
        const error = syncFault("syncNow");
        if (error !== null) throw error;
        file.beginSync()();
      },
      close: () => {},
    };
  }

  /** Runs the operation now and reports its end later, unless the process dies before. */
  #later(run: () => void, done: (error: Error | null) => void): void {
    let failure: Error | null = null;
    try {
      run();
    } catch (error) {
      if (error instanceof DiskCrash) throw error;
      failure = error as Error;
    }
    this.#schedule(() => done(failure));
  }

  /** Applies the planned fault. Returns a sync's error and throws all others. */
  #operate(
    kind: DiskOperation["kind"],
    path: string,
    sizeBytes = 0,
    writePart: (bytesWritten: number) => void = () => {},
  ): Extract<DiskFault, { kind: "error" }> | null {
    this.#assertAlive();
    const number = ++this.#operationCount;
    const fault = this.#options.fault?.({ number, kind, path, sizeBytes }) ?? null;
    if (fault === null) return null;
    if (fault.bytesWritten !== undefined) writePart(fault.bytesWritten);
    if (fault.kind === "crash") {
      this.#isDead = true;
      throw new DiskCrash(`The process died in ${kind} ${path}`);
    }
    if (kind === "sync" || kind === "syncNow" || kind === "syncDirectory") return fault;
    throw fault.error;
  }

  #assertAlive(): void {
    if (this.#isDead) throw new DiskCrash("The process is dead");
  }

  #existing(path: string): FaultFile {
    const file = this.#seen.files.get(path);
    if (file === undefined) throw new Error(`Cannot open ${path}: there is no such file`);
    return file;
  }

  #change(change: NameChange): void {
    this.#seen.apply(change);
    this.#pending.push(change);
  }
}

interface NameChange {
  /** The directory whose sync makes the change durable. */
  readonly parent: string;
  readonly removed?: string;
  readonly added?: { readonly path: string; readonly file: FaultFile };
  readonly madeDirectory?: string;
}

function copyChange(change: NameChange, copyOf: (file: FaultFile) => FaultFile): NameChange {
  const { added } = change;
  return added === undefined
    ? change
    : { ...change, added: { path: added.path, file: copyOf(added.file) } };
}

class Names {
  files = new Map<string, FaultFile>();
  directories = new Set([""]);

  apply({ removed, added, madeDirectory }: NameChange): void {
    if (removed !== undefined) this.files.delete(removed);
    if (added !== undefined) this.files.set(added.path, added.file);
    if (madeDirectory !== undefined) this.directories.add(madeDirectory);
  }

  copy(copyOf: (file: FaultFile) => FaultFile): Names {
    const copy = new Names();
    for (const [path, file] of this.files) copy.files.set(path, copyOf(file));
    copy.directories = new Set(this.directories);
    return copy;
  }

  /** Drops the files of directories that were lost. */
  dropUnreachable(): void {
    for (const path of this.files.keys()) {
      if (!this.directories.has(parentOf(path))) this.files.delete(path);
    }
  }
}

function parentOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}
