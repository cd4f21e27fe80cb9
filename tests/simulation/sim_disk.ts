import { type Random, randomInteger } from "../../src/base/random.ts";
import { RECORD_HEADER_BYTES, scanRecords } from "../../src/node/log/record.ts";
import { parseSegmentFileName } from "../../src/node/log/segment.ts";
import { readSyncedPosition, SYNCED_MARK_PATH } from "../../src/node/log/synced_mark.ts";
import type { Disk } from "../../src/platform/disk.ts";
import { type DiskFault, type DiskOperation, FaultDisk } from "../support/fault_disk.ts";
import { DurableLog, newestWithoutGap } from "./durable_log.ts";
import type { FaultPlan } from "./fault_plan.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimProcess } from "./sim_process.ts";

/** An error that the fault plan injected: a node may die of it. */
export class InjectedDiskError extends Error {
  override name = "InjectedDiskError";
}

/** A crash hits the next call, an error the next call of its kind. */
export type ArmedFault = "crash" | "write error" | "sync error";

export interface SimDiskOptions {
  readonly root: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly plan: FaultPlan;
  /** Called when the machine's process has to die at this moment. */
  readonly onCrash: () => void;
}

/** The disk of one machine, which outlives its processes. */
export class SimDisk {
  /** The next call fails, or is the process's last. */
  armed: ArmedFault | null = null;
  isFull = false;
  /** Factor by which it is slower than usual. */
  slowness = 1;
  /** While true, no sync ends. */
  #isHanging = false;
  #held: (() => void)[] = [];
  #spikesUntilMs = 0;
  /** When false, only explicitly requested faults happen. */
  isFaulty = true;
  readonly #options: SimDiskOptions;
  #process: SimProcess | null = null;
  #disk: FaultDisk;
  #durable: DurableLog;
  /** A bit was flipped: what was durable before is lost to the node, but was written. */
  #isDamaged = false;

  constructor(options: SimDiskOptions) {
    this.#options = options;
    this.#disk = new FaultDisk({ root: options.root, ...this.#hooks() });
    this.#durable = new DurableLog(this.#disk);
  }

  /** What would survive a loss of power. */
  get durable(): DurableLog {
    if (!this.#isDamaged) this.#durable.refresh();
    return this.#durable;
  }

  /** The disk as the next process finds it. */
  restart(process: SimProcess, losesPower: boolean): Disk {
    this.#process = process;
    this.#held = [];
    const { root, random } = this.#options;
    this.#disk = this.#disk.afterCrash(losesPower ? random : null, { root, ...this.#hooks() });
    if (!this.#isDamaged) this.#durable = new DurableLog(this.#disk);
    return this.#disk;
  }

  /** Erases everything. */
  wipe(): void {
    this.#disk = new FaultDisk({ root: this.#options.root, ...this.#hooks() });
    this.#durable = new DurableLog(this.#disk);
    this.armed = null;
  }

  /**
   * Flips a bit of data that was certainly synced, after a loss of power if there is one.
   *
   * @returns where, or `null` if nothing is certain
   */
  flip(losesPower: boolean): string | null {
    const { root, random } = this.#options;
    this.#durable.refresh();
    this.#disk = this.#disk.afterCrash(losesPower ? random : null, { root, ...this.#hooks() });
    const paths = newestWithoutGap(this.#disk.list("log").map((name) => `log/${name}`))
      .map(({ path }) => path);
    const newest = paths.at(-1);
    const path = paths[randomInteger(random, paths.length)];
    if (path === undefined || newest === undefined) return null;
    const bytes = this.#disk.read(path) ?? new Uint8Array(0);
    const end = path === newest ? this.#markedEnd(path) : scanRecords(bytes, () => {});
    if (end < RECORD_HEADER_BYTES || end > bytes.length) return null;
    const at = randomInteger(random, end);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInteger(random, 8));
    this.#disk.plant(path, bytes);
    this.#isDamaged = true;
    return `${path} byte ${at}`;
  }

  #markedEnd(path: string): number {
    const mark = this.#disk.read(SYNCED_MARK_PATH);
    const position = mark === null ? null : readSyncedPosition(mark);
    const name = parseSegmentFileName(path.slice(4));
    return position !== null && position.segment === name?.sequence ? position.offset : 0;
  }

  /** Whether no sync is slow by chance any more. */
  get isCalm(): boolean {
    return !this.#isHanging && this.#options.scheduler.nowMs >= this.#spikesUntilMs;
  }

  hang(): void {
    this.#isHanging = true;
  }

  /** Ends the held syncs. */
  unhang(): void {
    this.#isHanging = false;
    for (const run of this.#held.splice(0)) this.#finishSync(run);
  }

  #hooks() {
    return {
      fault: (operation: DiskOperation) => this.#fault(operation),
      schedule: (run: () => void) => this.#finishSync(run),
    };
  }

  #finishSync(run: () => void): void {
    const { scheduler, random, plan } = this.#options;
    const process = this.#process;
    if (this.#isHanging) return void this.#held.push(run);
    const isSpike = this.isFaulty && random() < plan.syncSpike;
    const extraMs = isSpike ? random() * plan.syncSpikeMsMax : 0;
    const delayMs = plan.syncMs * (0.5 + random()) * this.slowness + extraMs;
    if (isSpike) {
      this.#spikesUntilMs = Math.max(this.#spikesUntilMs, scheduler.nowMs + delayMs);
    }
    scheduler.after(delayMs, () => process?.run(run));
  }

  #fault({ kind, sizeBytes }: DiskOperation): DiskFault | null {
    const { random } = this.#options;
    const bytesWritten = randomInteger(random, sizeBytes + 1);
    const grows = kind === "write" || kind === "create" || kind === "makeDirectory";
    if (this.isFull && grows && (kind !== "write" || random() < 0.8)) {
      const error = new InjectedDiskError("ENOSPC: no space left on device");
      return { kind: "error", error, ...(kind === "write" ? { bytesWritten } : {}) };
    }
    const isSync = kind === "sync" || kind === "syncNow" || kind === "syncDirectory";
    const isMissed = this.armed === "sync error" && !isSync ||
      this.armed === "write error" && isSync;
    if (this.armed === null || isMissed) return null;
    const fault = this.armed;
    this.armed = null;
    const part = kind === "write" ? { bytesWritten } : {};
    if (fault !== "crash") {
      return { kind: "error", error: new InjectedDiskError("EIO: input/output error"), ...part };
    }
    this.#options.onCrash();
    return { kind: "crash", ...part };
  }
}
