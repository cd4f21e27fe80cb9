import { LatencyHistogram } from "./latency_histogram.ts";
import type { OpenLoopOptions, OpenLoopReport } from "./open_loop.ts";

/** What came of one or several loads. */
export class OpenLoopFigures {
  readonly latencies = new LatencyHistogram();
  readonly lateness = new LatencyHistogram();
  readonly errors = new Map<string, number>();

  add({ latencies, lateness, errors }: OpenLoopReport): void {
    this.latencies.merge(new LatencyHistogram(latencies));
    this.lateness.merge(new LatencyHistogram(lateness));
    for (const [error, count] of errors) {
      this.errors.set(error, (this.errors.get(error) ?? 0) + count);
    }
  }

  /** `0`, or how many of each there were. */
  errorText(): string {
    return [...this.errors].map(([error, count]) => `${count} × ${error}`).join(", ") || "0";
  }
}

/** Runs `openLoop` in a process of its own, so that nothing else keeps it from its rate. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopReport> {
  const path = new URL("open_loop_process.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-all", path, JSON.stringify(options)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { success, stdout, stderr } = await process.output();
  await process.stdin.close().catch(() => {});
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`Cannot run the load: ${text(stderr)}`);
  return JSON.parse(text(stdout));
}
