import { OpenLoopFigures, runOpenLoop } from "./open_loop.ts";
import { Peers, TARGETS } from "./peers.ts";
import { MarkdownTable } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const CONNECTIONS = 50;
const KEYS = 100_000;
const VALUE_BYTES = 64;
const WARMUP_SECONDS = 2;

/** Measures latency at a fixed rate, from the moment at which each request was due. */
export async function measureLatency(resources: Resources, settings: Settings): Promise<void> {
  const { rounds, rate, seconds } = settings;
  const peers = await Peers.start(resources);
  await peers.fill({ keys: KEYS, valueBytes: VALUE_BYTES });
  console.log(
    `\n${rate} requests a second over ${CONNECTIONS} connections, ${seconds} s each in ${rounds} ` +
      `turns, each after ${WARMUP_SECONDS} s that do not count; ms.`,
  );
  const columns = ["p50", "p99", "p99.9", "max", "sent late: p50", "p99", "max", "errors"];
  const table = new MarkdownTable("load", "at", ...columns);
  for (const command of ["set", "get"] as const) {
    const figures = {
      redis: new OpenLoopFigures(),
      leader: new OpenLoopFigures(),
      proxy: new OpenLoopFigures(),
    };
    for (let round = 0; round < rounds; round++) {
      for (const target of TARGETS) {
        figures[target].add(
          await runOpenLoop({
            ...{
              port: await peers.port(target),
              command,
              rate,
              connections: CONNECTIONS,
              keys: KEYS,
            },
            ...{ valueBytes: VALUE_BYTES, seconds: seconds / rounds },
            warmupSeconds: WARMUP_SECONDS,
          }),
        );
      }
    }
    for (const target of TARGETS) {
      table.row(command.toUpperCase(), target, ...cells(figures[target]));
    }
  }
  console.log(
    "\nA latency counts from when the request was due, so what is sent late is part of it.",
  );
}

function cells(figures: OpenLoopFigures): string[] {
  const { latencies, lateness } = figures;
  return [
    ...[0.5, 0.99, 0.999, 1].map((share) => latencies.percentileMs(share).toFixed(2)),
    ...[0.5, 0.99, 1].map((share) => lateness.percentileMs(share).toFixed(2)),
    figures.errorText(),
  ];
}
