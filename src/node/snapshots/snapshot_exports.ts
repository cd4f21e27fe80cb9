import { assert } from "../../base/errors.ts";
import type { Clock } from "../../platform/clock.ts";
import type { SnapshotSource, SnapshotStore, StoredSnapshot } from "./snapshot.ts";
import { SnapshotFileError, SnapshotScanner } from "./snapshot_format.ts";
import type { SnapshotTaker } from "./snapshot_taker.ts";

/** Maximum number of exports, open or waiting. Each keeps a file on the disk. */
export const EXPORTS_MAX = 4;
/** Time in milliseconds after which a client that reads nothing counts as gone. */
const IDLE_MS_MAX = 5 * 60_000;

export interface SnapshotExportsOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** Index of the last entry in the state. */
  readonly appliedIndex: () => number;
  /** Called when a snapshot's file cannot be read or is damaged, so that no client can use it. */
  readonly onDamaged: (snapshot: StoredSnapshot) => void;
}

/** A client's hold on a snapshot. */
export interface SnapshotExport {
  /** The snapshot's file; `null` while the snapshot is being taken, and after the end. */
  readonly source: SnapshotSource | null;
  /**
   * Reads without blocking. Calls `done` once, with the bytes or with an error: the disk failed, or
   * the export has ended.
   */
  read(offset: number, bytesMax: number, done: ReadDone): void;
  /** Releases the file. */
  end(): void;
}

type ReadDone = (read: Uint8Array | Error) => void;

interface WaitingRead {
  readonly offset: number;
  readonly bytesMax: number;
  readonly done: ReadDone;
}

/** Ends a client's wait for a snapshot: `null` for success, otherwise the reason of the refusal. */
type Done = (refusal: string | null) => void;

/** Lets clients read snapshots, and keeps those files from being removed meanwhile. */
export class SnapshotExports {
  readonly #options: SnapshotExportsOptions;
  readonly #taker: SnapshotTaker;
  readonly #exports = new Set<Export>();

  constructor(options: SnapshotExportsOptions, taker: SnapshotTaker) {
    this.#options = options;
    this.#taker = taker;
  }

  /**
   * Holds the newest snapshot if it contains everything applied now. Otherwise takes one.
   *
   * @param done called once, after this has returned, unless the export is ended first
   * @returns `null` when too many are open; `done` is not called then
   */
  begin(done: Done): SnapshotExport | null {
    if (this.#exports.size >= EXPORTS_MAX) return null;
    const { clock, store, appliedIndex, onDamaged } = this.#options;
    const one = new Export(appliedIndex(), done, clock.monotonicMs(), clock, onDamaged, () => {
      this.#exports.delete(one);
      store.prune();
    });
    this.#exports.add(one);
    return one;
  }

  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const one of [...this.#exports]) {
      if (one.isWaiting) this.#serve(one);
      else if (nowMs - one.usedMs > IDLE_MS_MAX) one.end();
    }
  }

  stop(): void {
    for (const one of [...this.#exports]) one.refuse("it is stopping");
  }

  #serve(one: Export): void {
    const { store } = this.#options;
    const isThere = (store.newest()?.index ?? -1) >= one.indexMin && !store.isNewestDamaged;
    if (isThere) return one.open(store);
    const { isTaking, hasLastFailed } = this.#taker.report();
    if (isTaking) return;
    if (one.hasAsked && hasLastFailed) return one.refuse("its disk cannot store a snapshot");
    one.hasAsked = this.#taker.take();
  }
}

class Export implements SnapshotExport {
  readonly indexMin: number;
  readonly #clock: Clock;
  readonly #onDamaged: (snapshot: StoredSnapshot) => void;
  readonly #onEnd: () => void;
  /** Checks the content as long as the reads are consecutive from the start. */
  #scanner: SnapshotScanner | null = null;
  #scannedBytes = 0;
  #done: Done | null;
  source: SnapshotSource | null = null;
  usedMs: number;
  /** Whether a snapshot is being taken for this export. */
  hasAsked = false;
  #isOver = false;
  /** Reads, oldest first. Only the first is in flight: a file serves one read at a time. */
  #reads: WaitingRead[] = [];

  constructor(
    indexMin: number,
    done: Done,
    nowMs: number,
    clock: Clock,
    onDamaged: (snapshot: StoredSnapshot) => void,
    onEnd: () => void,
  ) {
    this.indexMin = indexMin;
    this.#done = done;
    this.usedMs = nowMs;
    this.#clock = clock;
    this.#onDamaged = onDamaged;
    this.#onEnd = onEnd;
  }

  get isWaiting(): boolean {
    return this.#done !== null;
  }

  open(store: SnapshotStore): void {
    const newest = store.newest();
    assert(newest !== null, "there is a newest snapshot");
    try {
      this.source = store.openNewest();
    } catch {
      this.refuse("its disk cannot read the snapshot");
      return this.#onDamaged(newest);
    }
    this.#scanner = new SnapshotScanner(newest.sizeBytes);
    this.usedMs = this.#clock.monotonicMs();
    this.#settle(null);
  }

  refuse(reason: string): void {
    const done = this.#done;
    this.end();
    done?.(reason);
  }

  read(offset: number, bytesMax: number, done: ReadDone): void {
    if (this.source === null) return done(notHeld());
    this.usedMs = this.#clock.monotonicMs();
    if (offset >= this.source.snapshot.sizeBytes) return done(new Uint8Array(0));
    this.#reads.push({ offset, bytesMax, done });
    if (this.#reads.length === 1) this.#readNext();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#done = null;
    this.source?.close();
    this.source = null;
    this.#onEnd();
    for (const { done } of this.#reads.splice(0)) done(notHeld());
  }

  #readNext(): void {
    const [next] = this.#reads;
    if (next === undefined) return;
    const { source } = this;
    // There is no callback after `end`.
    source?.readLater(next.offset, next.bytesMax, (bytes) => {
      const read = bytes instanceof Error ? bytes : this.#check(bytes, next.offset);
      this.#reads.shift();
      if (read instanceof Error) this.#onDamaged(source.snapshot);
      this.#readNext();
      next.done(read);
    });
  }

  /** The bytes, or what is wrong with them. */
  #check(bytes: Uint8Array, offset: number): Uint8Array | Error {
    if (offset !== this.#scannedBytes) return bytes;
    this.#scannedBytes += bytes.length;
    try {
      this.#scanner?.push(bytes);
    } catch (error) {
      if (!(error instanceof SnapshotFileError)) throw error;
      return new Error(`The snapshot is damaged, ${error.message}; a new one is taken`);
    }
    return bytes;
  }

  #settle(refusal: string | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(refusal);
  }
}

function notHeld(): Error {
  return new Error("Cannot read the snapshot: it is not held any more");
}
