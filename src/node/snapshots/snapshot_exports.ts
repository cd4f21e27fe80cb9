import { assert } from "../../base/assert.ts";
import type { Clock } from "../clock.ts";
import type { SnapshotSource, SnapshotStore } from "./snapshot.ts";
import type { SnapshotTaker } from "./snapshot_taker.ts";

/** Snapshots that are being read by clients, or waited for, at once: each keeps a file on the disk. */
export const EXPORTS_MAX = 4;
/** A client that reads nothing for so long has gone, though its connection may not tell. */
const IDLE_MS_MAX = 5 * 60_000;

export interface SnapshotExportsOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** The last entry that the state holds. */
  readonly appliedIndex: () => number;
}

/** A client's hold on a snapshot. */
export interface SnapshotExport {
  /** The snapshot's file; `null` while the snapshot is awaited, and after the end. */
  readonly source: SnapshotSource | null;
  /** @throws {Error} when the disk fails, or it is over */
  read(offset: number, bytesMax: number): Uint8Array;
  /** Lets the file go. */
  end(): void;
}

/** How a client's wish for a snapshot ends: with `null` for success, or with why there is none. */
type Done = (refusal: string | null) => void;

/** Lets clients read snapshots; none of them is removed meanwhile. */
export class SnapshotExports {
  readonly #options: SnapshotExportsOptions;
  readonly #taker: SnapshotTaker;
  readonly #exports = new Set<Export>();

  constructor(options: SnapshotExportsOptions, taker: SnapshotTaker) {
    this.#options = options;
    this.#taker = taker;
  }

  /**
   * Holds the newest snapshot if it covers all that is applied now, or else takes one.
   *
   * @param done called once, after this has returned, unless the export is ended first
   * @returns `null` when too many are open; `done` is not called then
   */
  begin(done: Done): SnapshotExport | null {
    if (this.#exports.size >= EXPORTS_MAX) return null;
    const { clock, store, appliedIndex } = this.#options;
    const one = new Export(appliedIndex(), done, clock.monotonicMs(), clock, () => {
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
    for (const one of [...this.#exports]) one.end();
  }

  #serve(one: Export): void {
    const { store } = this.#options;
    if ((store.newest()?.index ?? -1) >= one.indexMin) return one.open(store);
    const { isTaking, hasLastFailed } = this.#taker.report();
    if (isTaking) return;
    if (one.hasAsked && hasLastFailed) return one.refuse("its disk does not take a snapshot");
    one.hasAsked = this.#taker.take();
  }
}

class Export implements SnapshotExport {
  readonly indexMin: number;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  #done: Done | null;
  source: SnapshotSource | null = null;
  usedMs: number;
  /** A snapshot is being taken for it. */
  hasAsked = false;
  #isOver = false;

  constructor(indexMin: number, done: Done, nowMs: number, clock: Clock, onEnd: () => void) {
    this.indexMin = indexMin;
    this.#done = done;
    this.usedMs = nowMs;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  get isWaiting(): boolean {
    return this.#done !== null;
  }

  open(store: SnapshotStore): void {
    try {
      this.source = store.openNewest();
    } catch {
      return this.refuse("its disk does not give the snapshot back");
    }
    assert(this.source !== null, "there is a newest snapshot");
    this.usedMs = this.#clock.monotonicMs();
    this.#settle(null);
  }

  refuse(reason: string): void {
    const done = this.#done;
    this.end();
    done?.(reason);
  }

  read(offset: number, bytesMax: number): Uint8Array {
    if (this.source === null) throw new Error("Cannot read the snapshot: it is not held any more");
    this.usedMs = this.#clock.monotonicMs();
    const isBehindEnd = offset >= this.source.snapshot.sizeBytes;
    return isBehindEnd ? new Uint8Array(0) : this.source.read(offset, bytesMax);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#done = null;
    this.source?.close();
    this.source = null;
    this.#onEnd();
  }

  #settle(refusal: string | null): void {
    const done = this.#done;
    this.#done = null;
    done?.(refusal);
  }
}
