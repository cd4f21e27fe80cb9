import { RegentProcess } from "./regent_process.ts";

/** Interval between two samples. */
const EVERY_MS = 50;

/** How long each process was delayed between two samples. */
interface Look {
  readonly fromMs: number;
  readonly toMs: number;
  readonly waits: ReadonlyMap<number, number>;
}

/**
 * Measures how much the machine delays processes, so that a test need not blame the program for it.
 * For each running `regent` this is the time for which it was ready to run and had no processor, as
 * the kernel counts. For this process it is the lateness of its timers without its own work.
 */
export class MachineWatch {
  readonly #looks: Look[] = [];
  readonly #waitedMs = new Map<number, number>();
  #lookedMs = performance.now();
  #workedMs = workedMs();
  readonly #timer = setInterval(() => this.#look(), EVERY_MS);

  constructor() {
    this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#look();
  }

  /** The longest time for which one process was delayed in this period. */
  waitedMs(fromMs: number, toMs: number): number {
    return longestWaitMs(this.#looks.filter((look) => fromMs < look.toMs && look.fromMs < toMs));
  }

  /** The longest time for which one process was delayed within a span of about this length. */
  worstWaitMs(spanMs: number): number {
    const count = Math.max(1, Math.ceil(spanMs / EVERY_MS));
    return Math.max(
      ...this.#looks.map((_, at) => longestWaitMs(this.#looks.slice(at, at + count))),
    );
  }

  #look(): void {
    const nowMs = performance.now();
    const [fromMs, workedBeforeMs] = [this.#lookedMs, this.#workedMs];
    this.#workedMs = workedMs();
    const ownMs = nowMs - fromMs - EVERY_MS - (this.#workedMs - workedBeforeMs);
    const waits = new Map([[Deno.pid, Math.max(0, ownMs)]]);
    for (const processId of RegentProcess.running) {
      const waitedMs = waitedForProcessorMs(processId);
      waits.set(processId, waitedMs - (this.#waitedMs.get(processId) ?? waitedMs));
      this.#waitedMs.set(processId, waitedMs);
    }
    this.#looks.push({ fromMs, toMs: nowMs, waits });
    this.#lookedMs = nowMs;
  }
}

/** The longest delay of any one process. */
function longestWaitMs(looks: readonly Look[]): number {
  const sums = new Map<number, number>();
  for (const { waits } of looks) {
    for (const [processId, waitMs] of waits) {
      sums.set(processId, (sums.get(processId) ?? 0) + waitMs);
    }
  }
  return Math.max(0, ...sums.values());
}

/** How long this thread has run since it started; 0 if the system does not count it. */
export function workedMs(): number {
  return schedulingOf("thread-self").ranMs;
}

/**
 * How long the main thread of a process has been ready and not running; 0 if the system does not
 * count it.
 */
export function waitedForProcessorMs(processId: number): number {
  return schedulingOf(String(processId)).waitedMs;
}

function schedulingOf(thread: string): { readonly ranMs: number; readonly waitedMs: number } {
  const none = { ranMs: 0, waitedMs: 0 };
  try {
    const [ranNs = "0", waitedNs = "0"] = Deno.readTextFileSync(`/proc/${thread}/schedstat`)
      .split(" ");
    return { ranMs: Number(ranNs) / 1e6, waitedMs: Number(waitedNs) / 1e6 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || Deno.build.os !== "linux") return none;
    if (error instanceof Error && error.message.includes("ESRCH")) return none;
    throw error;
  }
}
