const MB = 1e6;

/** A Markdown table. Each row is printed at once, which shows the progress of a measurement. */
export class MarkdownTable {
  constructor(...columns: readonly string[]) {
    console.log(`\n| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`);
  }

  row(...cells: readonly (string | number)[]): void {
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** The median; `NaN` if there are no figures. */
export function median(figures: readonly number[]): number {
  const sorted = [...figures].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** `12.3 k` */
function thousands(count: number): string {
  return `${(count / 1000).toFixed(1)} k`;
}

/** Formats a figure with at least three digits. */
export function precise(figure: number): string {
  return figure >= 100 ? figure.toFixed(0) : figure.toPrecision(3);
}

export function megabytes(bytes: number): string {
  return (bytes / MB).toFixed(0);
}

/** `1 KiB`, `100 KiB`, `1 MiB` */
export function sizeName(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes / 1024} KiB` : `${bytes / 1024 / 1024} MiB`;
}

/** The median rate of a target and, in bold, its ratio to the median of another. */
export function rateAndRatio(rates: readonly number[], others: readonly number[]): string {
  const rate = median(rates);
  return `${rateName(rate)}, **${(rate / median(others)).toFixed(2)}**`;
}

/** Formats a rate, in thousands unless it is small. */
export function rateName(rate: number): string {
  return rate >= 1000 ? thousands(rate) : precise(rate);
}
