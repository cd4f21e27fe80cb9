import type { Logger } from "../../base/logger.ts";
import type { StateMachine } from "../../commands/state_machine.ts";
import type { Cancel, Clock } from "../../platform/clock.ts";
import type { RaftStatus } from "../../raft/types.ts";
import type { StateSnapshot } from "../../store/state_snapshot.ts";
import type { LogStore } from "../log/log_store.ts";
import type { SnapshotMeta, SnapshotStore, SnapshotWriter, StoredSnapshot } from "./snapshot.ts";

/** Size in bytes of the chunks of a new snapshot. */
const CHUNK_BYTES = 32 * 1024;
/** Maximum time in milliseconds of one slice of work. The pause before the next takes as long. */
const SLICE_MS = 4;
/** Maximum number of chunks in one slice of work. */
const SLICE_CHUNKS_MAX = 16;
/** Bytes written and not synced, above which the next slice waits. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;
/** Time in milliseconds before the next attempt after a failure. The disk is probably full. */
const RETRY_MS = 30_000;
/** Interval in milliseconds between attempts to compact the log. */
const COMPACT_MS = 1_000;

export interface SnapshotTakerOptions {
  readonly machine: StateMachine;
  readonly log: LogStore;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * A snapshot is due when the log has grown by more than this many bytes since the last one, and
   * by more than the size of that one.
   */
  readonly logBytesMax: number;
  /** The metadata of the machine's current state. */
  readonly meta: () => SnapshotMeta;
  /** Whether the state ends with a whole entry. Otherwise an entry is applied in part. */
  readonly isWhole: () => boolean;
  readonly status: () => Pick<
    RaftStatus,
    "appliedIndex" | "commitIndex" | "durableIndex" | "peers"
  >;
  /** The lowest index of a snapshot being sent; `null` when none is. */
  readonly sentIndexMin: () => number | null;
}

interface Attempt {
  readonly meta: SnapshotMeta;
  readonly view: StateSnapshot;
  readonly writer: SnapshotWriter;
  readonly startedMs: number;
}

/** What `INFO` reports about taking snapshots. */
export interface SnapshotTakerReport {
  readonly isTaking: boolean;
  /** When this process finished the last one, in milliseconds since the Unix epoch. */
  readonly lastMs: number | null;
  readonly lastDurationMs: number | null;
  readonly hasLastFailed: boolean;
  readonly count: number;
  /** Bytes of log since the newest snapshot. */
  readonly logBytes: number;
}

/** Takes snapshots of the state when the log has grown, in small slices, and compacts the log. */
export class SnapshotTaker {
  readonly #options: SnapshotTakerOptions;
  readonly #logBytes: LogBytes;
  #attempt: Attempt | null = null;
  #cancelSlice: Cancel | null = null;
  #isWanted = false;
  #retryAtMs = -Infinity;
  #compactAtMs = -Infinity;
  #compactedTo = 0;
  #last: { readonly atMs: number; readonly durationMs: number } | null = null;
  #hasFailed = false;
  #count = 0;

  constructor(options: SnapshotTakerOptions) {
    this.#options = options;
    this.#logBytes = new LogBytes(options.meta().index, options.logBytesMax / 64);
  }

  report(): SnapshotTakerReport {
    return {
      isTaking: this.#attempt !== null || this.#isWanted,
      lastMs: this.#last?.atMs ?? null,
      lastDurationMs: this.#last?.durationMs ?? null,
      hasLastFailed: this.#hasFailed,
      count: this.#count,
      logBytes: this.#logBytes.since(this.#newestIndex),
    };
  }

  noteApplied(index: number, bytes: number): void {
    this.#logBytes.noteApplied(index, bytes);
    if (this.#isWanted) this.tick();
  }

  /** Takes a snapshot as soon as possible. Returns false when one is being taken. */
  take(): boolean {
    if (this.#attempt !== null || this.#isWanted) return false;
    this.#isWanted = true;
    this.tick();
    return true;
  }

  /** Starts a snapshot when it is due. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#attempt === null && (this.#isWanted || this.#isDue(nowMs))) this.#begin(nowMs);
    if (nowMs >= this.#compactAtMs) {
      this.#compactAtMs = nowMs + COMPACT_MS;
      this.#compact();
    }
  }

  /** Abandons the attempt: a received snapshot replaces the state. */
  abandon(): void {
    this.#cancelSlice?.();
    this.#attempt?.view.end();
    this.#attempt?.writer.abandon();
    this.#attempt = null;
  }

  get #newestIndex(): number {
    return this.#options.store.newest()?.index ?? 0;
  }

  get #logBytesMax(): number {
    return Math.max(this.#options.logBytesMax, this.#options.store.newest()?.sizeBytes ?? 0);
  }

  #isDue(nowMs: number): boolean {
    if (nowMs < this.#retryAtMs) return false;
    const isLogLong = this.#logBytes.since(this.#newestIndex) > this.#logBytesMax;
    return isLogLong || this.#options.store.isNewestDamaged;
  }

  #begin(nowMs: number): void {
    const { machine, store, status, isWhole } = this.#options;
    if (!isWhole()) return void (this.#isWanted = true); // retried when the entry is applied
    const meta = this.#options.meta();
    if (meta.index === this.#newestIndex && !store.isNewestDamaged) {
      this.#isWanted = false; // it exists already
      this.#last ??= { atMs: this.#options.clock.nowMs(), durationMs: 0 };
      return;
    }
    // A majority without this node may have committed entries that are not durable here.
    if (meta.index > status().durableIndex) return;
    // A joining node does not know the configuration at such an early entry.
    if (meta.configuration.members.length === 0) return;
    this.#isWanted = false;
    const writer = store.begin(meta);
    if (writer === null) return this.#noteFailure();
    this.#attempt = { meta, view: machine.beginSnapshot(), writer, startedMs: nowMs };
    this.#scheduleSlice(0);
  }

  #scheduleSlice(delayMs: number): void {
    this.#cancelSlice = this.#options.clock.after(delayMs, () => this.#slice());
  }

  #slice(): void {
    const attempt = this.#attempt;
    if (attempt === null) return;
    const { view, writer } = attempt;
    if (writer.unsyncedBytes > UNSYNCED_BYTES_MAX) return this.#scheduleSlice(SLICE_MS);
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    for (let count = 0; count < SLICE_CHUNKS_MAX; count++) {
      const chunk = view.next(CHUNK_BYTES);
      if (chunk === null) return this.#finish(attempt);
      if (!writer.write(chunk)) return this.#noteFailure();
      if (clock.monotonicMs() - startMs >= SLICE_MS) break;
    }
    this.#scheduleSlice(SLICE_MS);
  }

  #finish(attempt: Attempt): void {
    attempt.writer.finish((snapshot) => {
      if (this.#attempt !== attempt) return;
      if (snapshot === null) return this.#noteFailure();
      this.#attempt = null;
      this.#noteTaken(snapshot, attempt.startedMs);
    });
  }

  #noteTaken({ index, sizeBytes }: StoredSnapshot, startedMs: number): void {
    const { clock, store, logger } = this.#options;
    const durationMs = Math.round(clock.monotonicMs() - startedMs);
    this.#last = { atMs: clock.nowMs(), durationMs };
    this.#hasFailed = false;
    this.#count++;
    logger.info(`took a snapshot of entry ${index}: ${sizeBytes} bytes in ${durationMs} ms`);
    store.prune();
    this.#compact();
  }

  /** Drops the attempt. The store has logged why. */
  #noteFailure(): void {
    this.abandon();
    this.#hasFailed = true;
    this.#retryAtMs = this.#options.clock.monotonicMs() + RETRY_MS;
  }

  /**
   * Compacts the log up to the newest snapshot, except for entries that slightly lagging peers may
   * need, so that they need no snapshot.
   */
  #compact(): void {
    const { log } = this.#options;
    // A received snapshot may not have replaced the log and the state yet.
    const { appliedIndex, durableIndex } = this.#options.status();
    const newest = Math.min(this.#newestIndex, appliedIndex, durableIndex);
    if (newest < log.firstIndex()) return;
    const isTooLong = this.#logBytes.since(log.firstIndex() - 1) > 4 * this.#logBytesMax;
    const index = isTooLong ? newest : Math.min(newest, this.#unneededUpTo(newest));
    if (index <= this.#compactedTo) return;
    this.#compactedTo = index;
    log.compact(index);
    this.#logBytes.forgetBefore(log.firstIndex() - 1);
  }

  /**
   * The index up to which the log may be compacted: no live peer needs these entries, as far as is
   * known.
   */
  #unneededUpTo(newest: number): number {
    const { status, logBytesMax, sentIndexMin } = this.#options;
    let index = Math.min(
      this.#logBytes.before(newest, logBytesMax / 4),
      sentIndexMin() ?? Infinity,
    );
    for (const { match, state, recentlyActive } of status().peers) {
      if (recentlyActive && state !== "snapshot") index = Math.min(index, match);
    }
    return index;
  }
}

/** Maximum number of marks. When there are more, every second one is dropped. */
const MARKS_MAX = 256;

interface Mark {
  readonly index: number;
  readonly bytes: number;
}

/**
 * Records at intervals how many bytes of log were applied up to an entry, to convert sizes in bytes
 * to indexes. It counts from its creation.
 */
export class LogBytes {
  #marks: Mark[];
  #index: number;
  #bytes = 0;
  #stepBytes: number;

  /** @param stepBytes distance in bytes between marks; it doubles when marks are dropped */
  constructor(index: number, stepBytes: number) {
    this.#index = index;
    this.#marks = [{ index, bytes: 0 }];
    this.#stepBytes = stepBytes;
  }

  noteApplied(index: number, bytes: number): void {
    this.#index = index;
    this.#bytes += bytes;
    const last = this.#marks.at(-1);
    if (last !== undefined && this.#bytes - last.bytes < this.#stepBytes) return;
    this.#marks.push({ index, bytes: this.#bytes });
    if (this.#marks.length > MARKS_MAX) this.#thinOut();
  }

  /** Bytes of the entries after `index`, as far as they were counted. */
  since(index: number): number {
    if (index >= this.#index) return 0;
    const mark = this.#marks.findLast((one) => one.index <= index) ?? this.#marks[0];
    return this.#bytes - (mark?.bytes ?? 0);
  }

  /** An entry at or before `index`, with about `bytes` of log between the two. */
  before(index: number, bytes: number): number {
    const end = this.#bytes - this.since(index);
    const mark = this.#marks.findLast((one) => one.index <= index && one.bytes <= end - bytes);
    return Math.min(index, (mark ?? this.#marks[0])?.index ?? 0);
  }

  /** Drops the marks that only indexes before `index` need. */
  forgetBefore(index: number): void {
    const first = this.#marks.findLastIndex((one) => one.index <= index);
    if (first > 0) this.#marks = this.#marks.slice(first);
  }

  #thinOut(): void {
    this.#stepBytes *= 2;
    this.#marks = this.#marks.filter((_, at) => at % 2 === 0);
  }
}
