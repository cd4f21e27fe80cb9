import { readLines, spawnScript } from "./processes.ts";

/** Minimum duration of a printed pause, in milliseconds. */
export const PAUSE_MS_MIN = 5;

/**
 * Watches the event loop of this process and prints a line for each pause, `pause MS`. A timer is
 * due each millisecond, and its lateness is a pause. Time for which the process was ready to run
 * but had no processor does not count, if the system reports it.
 */
export function watchPauses(): void {
  let lastMs = performance.now();
  let lastWaitedMs = waitedMs();
  setInterval(() => {
    const nowMs = performance.now();
    const nowWaitedMs = waitedMs();
    const pauseMs = nowMs - lastMs - 1 - (nowWaitedMs - lastWaitedMs);
    lastMs = nowMs;
    lastWaitedMs = nowWaitedMs;
    if (pauseMs >= PAUSE_MS_MIN) console.log(`pause ${pauseMs.toFixed(1)}`);
  }, 1);
}

/** How long the main thread has waited for a processor since the process began. */
function waitedMs(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/self/schedstat").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** A process that prints its pauses. */
export class Watched {
  readonly #process: Deno.ChildProcess;
  #pausesMs: number[] = [];
  said = "";

  /**
   * @param args those of `regent`; if empty, the process is idle and has the machine's pauses
   * @param script another script to run, which prints pauses of its own kind
   */
  constructor(args: readonly string[] = [], script = "watched_process.ts") {
    this.#process = spawnScript(script, args, { stderr: "piped" });
    void this.#read(this.#process.stdout, (line) => {
      const [, pause] = /^pause (.*)$/.exec(line) ?? [];
      if (pause !== undefined) this.#pausesMs.push(Number(pause));
    });
    void this.#read(this.#process.stderr, (line) => void (this.said += `${line}\n`));
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** The pauses since the last call, the longest first. */
  takePauses(): number[] {
    const pausesMs = this.#pausesMs.sort((a, b) => b - a);
    this.#pausesMs = [];
    return pausesMs;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.status;
    await this.#process.stdin.close().catch(() => {});
  }

  async #read(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
    for await (const line of readLines(stream)) take(line);
  }
}
