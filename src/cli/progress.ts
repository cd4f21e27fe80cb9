const MIB = 1024 * 1024;
const MB = 1e6;
const MINUTE_S = 60;
const HOUR_S = 3_600;
/** Minimum interval between two updates of the line, in milliseconds. */
const SHOW_MS = 100;
/** The rate is that of about so many last milliseconds. */
const RATE_MS = 3_000;
/** Width of a terminal that does not tell its own. */
const COLUMNS = 80;
/** Minimum number of columns for a name that has to be cut. */
const NAME_COLUMNS_MIN = 8;

export interface ProgressOptions {
  /** What is copied, shown in front. @default nothing */
  readonly name?: string;
  /** `null` when it is not known. */
  readonly totalBytes: number | null;
  /** Bytes that were there before, and say nothing about the rate. @default 0 */
  readonly skippedBytes?: number;
}

/** Where the line is shown. */
export interface ProgressTarget {
  readonly isTerminal: boolean;
  columns(): number;
  nowMs(): number;
  write(text: string): void;
}

/** A line on standard error that changes, if that is a terminal. */
export class StatusLine {
  readonly #target: ProgressTarget;
  #shownMs = -Infinity;

  constructor(target: ProgressTarget = STANDARD_ERROR) {
    this.#target = target;
  }

  /** Whether a line would be shown now: ten times a second at most. */
  get isDue(): boolean {
    return this.#target.isTerminal && this.#target.nowMs() - this.#shownMs >= SHOW_MS;
  }

  /** @param name stands in front, cut to what there is room for. @default nothing */
  show(text: string, name = ""): void {
    if (!this.isDue) return;
    this.#shownMs = this.#target.nowMs();
    // A line that the terminal wraps would stay.
    const room = this.#target.columns() - text.length - 3;
    const shown = name === "" || room < NAME_COLUMNS_MIN ? text : `${cutName(name, room)}  ${text}`;
    this.#target.write(`\r${shown}\x1b[K`);
  }

  /** Clears the line for later output. */
  end(): void {
    if (this.#shownMs !== -Infinity) this.#target.write("\r\x1b[K");
  }
}

/** Shows the progress of a long copy. */
export class ProgressLine {
  readonly #options: ProgressOptions;
  readonly #target: ProgressTarget;
  readonly #line: StatusLine;
  /** When how much was done, oldest first. */
  readonly #samples: { readonly ms: number; readonly bytes: number }[];

  constructor(options: ProgressOptions, target: ProgressTarget = STANDARD_ERROR) {
    this.#options = options;
    this.#target = target;
    this.#line = new StatusLine(target);
    this.#samples = [{ ms: target.nowMs(), bytes: options.skippedBytes ?? 0 }];
  }

  /** @param doneBytes in total, with what was there before */
  show(doneBytes: number): void {
    if (!this.#line.isDue) return;
    const ms = this.#target.nowMs();
    const samples = this.#samples;
    samples.push({ ms, bytes: doneBytes });
    while (samples.length > 2 && ms - (samples[1]?.ms ?? ms) >= RATE_MS) samples.shift();
    const { ms: fromMs = ms, bytes: fromBytes = 0 } = samples[0] ?? {};
    const bytesPerSecond = ms > fromMs ? 1000 * (doneBytes - fromBytes) / (ms - fromMs) : 0;
    const { name, totalBytes } = this.#options;
    this.#line.show(progressText(doneBytes, totalBytes, bytesPerSecond), name);
  }

  /** Clears the line for later output. */
  end(): void {
    this.#line.end();
  }
}

/** For example ` 42 %  12.3 of 29.3 MiB  105 MB/s  0:12 left`. */
export function progressText(
  doneBytes: number,
  totalBytes: number | null,
  bytesPerSecond: number,
): string {
  const mib = (bytes: number) => (bytes / MIB).toFixed(1);
  const rate = bytesPerSecond > 0 ? `  ${rateText(bytesPerSecond)}` : "";
  if (totalBytes === null) return `${mib(doneBytes)} MiB${rate}`;
  const percent = Math.floor(100 * doneBytes / Math.max(1, totalBytes));
  const left = bytesPerSecond > 0 && doneBytes < totalBytes
    ? `  ${timeText((totalBytes - doneBytes) / bytesPerSecond)} left`
    : "";
  return `${String(percent).padStart(3)} %  ${mib(doneBytes)} of ${mib(totalBytes)} MiB` +
    rate + left;
}

/** For example `105 MB/s`. */
export function rateText(bytesPerSecond: number): string {
  const rate = bytesPerSecond / MB;
  return `${rate >= 100 ? rate.toFixed(0) : rate.toFixed(1)} MB/s`;
}

/** Minutes and seconds, as `0:07`, or `1:00:00` with hours. */
function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const hours = Math.floor(whole / HOUR_S);
  const minutes = Math.floor(whole % HOUR_S / MINUTE_S);
  const two = (part: number) => String(part).padStart(2, "0");
  const rest = two(whole % MINUTE_S);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** The name in at most so many columns. It is cut in front, since the end tells more. */
function cutName(name: string, columns: number): string {
  const characters = [...name];
  return characters.length <= columns ? name : `…${characters.slice(1 - columns).join("")}`;
}

const encoder = new TextEncoder();

const STANDARD_ERROR: ProgressTarget = {
  isTerminal: Deno.stderr.isTerminal(),
  columns() {
    try {
      return Deno.consoleSize().columns || COLUMNS;
    } catch {
      return COLUMNS; // neither input nor output is a terminal
    }
  },
  nowMs: () => performance.now(),
  write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
};
