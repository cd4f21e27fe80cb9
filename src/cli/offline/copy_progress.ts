const MIB = 1024 * 1024;
/** A terminal needs no more updates per second. */
const SHOW_MS = 100;

/** Shows the progress of a long copy on standard error, if that is a terminal. */
export class CopyProgress {
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

  /** Clears the line for later output. */
  end(): void {
    if (this.#isShown) this.#write("\r\x1b[K");
  }

  #write(text: string): void {
    Deno.stderr.writeSync(this.#encoder.encode(text));
  }
}

/** For example ` 42 %  12.3 of 29.3 MiB`. */
export function progressText(doneBytes: number, totalBytes: number): string {
  const percent = Math.floor(100 * doneBytes / Math.max(1, totalBytes));
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  return `${String(percent).padStart(3)} %  ${mib(doneBytes)} of ${mib(totalBytes)} MiB`;
}
