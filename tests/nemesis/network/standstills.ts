import { waitedForProcessorMs } from "../../support/machine_watch.ts";

/** Interval between two samples. */
const EVERY_MS = 50;
/** Lateness within one sample that counts. */
const LATE_MS = 5;
/** Number of consecutive samples that are added up … */
const LOOKS = 3;
/** … and total wait in them after which others may have taken the process for dead. */
const STANDSTILL_MS = 80;

export interface StandstillEvents {
  /** A process was suspended long enough for others to notice. */
  stoodStill(fromMs: number, toMs: number): void;
  /** A process was late by this much within this period. */
  late(fromMs: number, toMs: number, lateMs: number): void;
}

/**
 * Notices when the machine itself is busy: timers of this process run late, or an observed process
 * is ready to run and has no processor. The kernel counts the latter for each process.
 */
export class Standstills {
  readonly #processIds: () => readonly number[];
  readonly #events: StandstillEvents;
  readonly #waitedMs = new Map<number, number>();
  /** How long each process waited, in each of the last samples. */
  readonly #recent: { readonly fromMs: number; readonly waits: ReadonlyMap<number, number> }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lookedMs: number;
  /** Total time for which a process waited long enough for others to notice. */
  sumMs = 0;

  constructor(processIds: () => readonly number[], events: StandstillEvents) {
    this.#processIds = processIds;
    this.#events = events;
    this.#lookedMs = performance.now();
    this.#look();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const nowMs = performance.now();
    const fromMs = this.#lookedMs;
    const waits = new Map([[Deno.pid, Math.max(0, nowMs - fromMs - EVERY_MS)]]);
    for (const id of this.#processIds()) {
      const waitedMs = waitedForProcessorMs(id);
      waits.set(id, waitedMs - (this.#waitedMs.get(id) ?? waitedMs));
      this.#waitedMs.set(id, waitedMs);
    }
    this.#recent.push({ fromMs, waits });
    if (this.#recent.length > LOOKS) this.#recent.shift();
    const lateMs = Math.max(...waits.values());
    if (this.#longestWaitMs() > STANDSTILL_MS) {
      this.#events.stoodStill(this.#recent[0]?.fromMs ?? fromMs, nowMs);
      this.sumMs += nowMs - fromMs;
    } else if (lateMs > LATE_MS) this.#events.late(fromMs, nowMs, lateMs);
    this.#lookedMs = nowMs;
    this.#timer = setTimeout(() => this.#look(), EVERY_MS);
  }

  /** The longest total wait of any one process in the last samples. */
  #longestWaitMs(): number {
    const sums = new Map<number, number>();
    for (const { waits } of this.#recent) {
      for (const [id, waitMs] of waits) sums.set(id, (sums.get(id) ?? 0) + waitMs);
    }
    return Math.max(...sums.values());
  }
}
