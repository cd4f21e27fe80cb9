const MIB = 1024 * 1024;
/** A terminal needs no more. */
const SHOW_MS = 100;

/** How far a long copy is, on standard error if that is a terminal. */
export class Progress {
  readonly #totalBytes: number;
  readonly #isShown = Deno.stderr.isTerminal();
  readonly #encoder = new TextEncoder();
  #shownMs = -Infinity;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
  }

  show(doneBytes: number): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#shownMs < SHOW_MS) return;
    this.#shownMs = nowMs;
    this.#write(`\r${progressText(doneBytes, this.#totalBytes)}`);
  }

  /** Leaves the line free for what comes next. */
  end(): void {
    if (this.#isShown) this.#write("\r\x1b[K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(this.#encoder.encode(text));
  }
}

/** ` 42 %  12.3 of 29.3 MiB` */
export function progressText(doneBytes: number, totalBytes: number): string {
  const percent = Math.floor(100 * doneBytes / Math.max(1, totalBytes));
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  return `${String(percent).padStart(3)} %  ${mib(doneBytes)} of ${mib(totalBytes)} MiB`;
}
