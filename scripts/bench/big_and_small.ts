import { BigWriter } from "./big_writer.ts";
import { precise, sizeName } from "./format.ts";
import { MarkdownTable } from "./markdown_table.ts";
import { Peers, type Target, TARGETS, termOf } from "./peers.ts";
import type { Resources } from "./resources.ts";
import { OpenLoopFigures, runOpenLoop } from "./run_open_loop.ts";
import type { Settings } from "./settings.ts";

/** 0: nobody writes large values. */
const SIZES = [0, 100 * 1024, 1024 * 1024];
const SMALL = { rate: 200, connections: 1, keys: 1_000, valueBytes: 64, warmupSeconds: 1 };
const COMMANDS = ["set", "get"] as const;

/** How long the small requests of others take while one client writes large values. */
export async function measureBigAndSmall(resources: Resources, settings: Settings): Promise<void> {
  const peers = await Peers.start(resources);
  console.log(
    `\nOne client writes large values, one after the other; two others send a small SET and a small ` +
      `GET ${SMALL.rate} times a second, ${settings.seconds} s each; ms from when each was due.`,
  );
  const table = new MarkdownTable(
    ...["large values", "at", "MB/s", "slowest large"],
    ...COMMANDS.flatMap((name) => ["p50", "p99", "max"].map((share) => `small ${name}, ${share}`)),
    ...["errors", "elections"],
  );
  for (const valueBytes of SIZES) {
    for (const target of TARGETS) {
      const cells = await measure(peers, target, valueBytes, settings.seconds);
      table.row(valueBytes === 0 ? "none" : sizeName(valueBytes), target, ...cells);
    }
  }
}

async function measure(
  peers: Peers,
  target: Target,
  valueBytes: number,
  seconds: number,
): Promise<(string | number)[]> {
  const port = await peers.port(target);
  const termBefore = await termOf(peers.cluster);
  const writer = valueBytes === 0 ? null : await BigWriter.start(port, valueBytes);
  const all = new OpenLoopFigures();
  const small = await Promise.all(COMMANDS.map(async (command) => {
    const report = await runOpenLoop({ ...SMALL, port, command, seconds });
    const figures = new OpenLoopFigures();
    figures.add(report);
    all.add(report);
    return [0.5, 0.99, 1].map((share) => figures.latencies.percentileMs(share).toFixed(1));
  }));
  const bytesPerSecond = await writer?.stop() ?? NaN;
  const elections = await termOf(peers.cluster) - termBefore;
  const errors = [all.errorText(), ...writer?.errors.slice(0, 1) ?? []].join(", ");
  const big = writer === null
    ? ["–", "–"]
    : [precise(bytesPerSecond / 1e6), writer.slowestMs.toFixed(0)];
  return [...big, ...small.flat(), errors, target === "redis" ? "–" : elections];
}
