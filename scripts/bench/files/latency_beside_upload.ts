import type { Member } from "../../../tests/support/local_cluster.ts";
import { OpenLoopFigures, runOpenLoop } from "../open_loop.ts";
import { termOf } from "../peers.ts";
import { MarkdownTable } from "../report.ts";
import type { Resources } from "../resources.ts";
import { deleteFiles, putFiles } from "./curl.ts";
import { writeRandom } from "./file_loads.ts";
import { startFilesCluster } from "./files_cluster.ts";

const CONNECTIONS = 50;
const KEYS = 100_000;
const VALUE_BYTES = 64;
const WARMUP_SECONDS = 1;
const SECONDS_MIN = 5;

export interface LatencyOptions {
  readonly rounds: number;
  readonly uploadBytes: number;
  /** SETs a second. */
  readonly rate: number;
}

/** Measures the latency of SET at the leader alone, and beside an upload at full speed. */
export async function measureLatencyBesideUpload(
  resources: Resources,
  { rounds, uploadBytes, rate }: LatencyOptions,
): Promise<void> {
  const files = await startFilesCluster(resources);
  const { cluster } = files;
  const path = `${resources.temporaryDirectory()}/upload`;
  writeRandom(path, uploadBytes);
  const upload = [{ path, name: "upload" }];
  const through = async (member: Member) => {
    const startMs = performance.now();
    await putFiles(files.baseOf(member), upload);
    return (performance.now() - startMs) / 1000;
  };
  const cleaned = async () => {
    await deleteFiles(files.base, upload);
    await files.untilSettled();
  };
  const firstSeconds = await through(cluster.proxy); // also a warm-up
  await cleaned();
  const seconds = Math.max(SECONDS_MIN, Math.round(firstSeconds));
  const term = await termOf(cluster);
  console.log(
    `\n${rate} SETs a second at the leader over ${CONNECTIONS} connections, ${seconds} s in each of ` +
      `${rounds} rounds, alone and beside an upload of ${Math.round(uploadBytes / 1e6)} MB; ms.`,
  );
  const table = new MarkdownTable("SET", "p50", "p99", "p99.9", "max", "p99 ratio", "errors");
  const names = [
    "alone",
    "beside an upload to the proxy",
    "beside an upload to the leader",
  ] as const;
  const figures = names.map(() => new OpenLoopFigures());
  for (let round = 0; round < rounds; round++) {
    for (const [at, name] of names.entries()) {
      const leader = await cluster.leader();
      const loop = runOpenLoop({
        ...{ port: leader.port, command: "set", rate, connections: CONNECTIONS, keys: KEYS },
        ...{ valueBytes: VALUE_BYTES, seconds, warmupSeconds: WARMUP_SECONDS },
      });
      let isOver = false;
      const uploads = (async () => {
        // An upload that is faster than the first one is followed by another one.
        while (name !== "alone" && !isOver) {
          await through(name.endsWith("leader") ? leader : cluster.proxy);
        }
      })();
      figures[at]?.add(await loop.finally(() => isOver = true));
      await uploads;
      if (name !== "alone") await cleaned();
    }
  }
  const alone = figures[0]?.latencies.percentileMs(0.99) ?? NaN;
  names.forEach((name, at) => {
    const one = figures[at];
    if (one !== undefined) table.row(name, ...cells(one, alone));
  });
  console.log(`\nElections meanwhile: ${await termOf(cluster) - term}.`);
}

function cells(figures: OpenLoopFigures, aloneMs: number): string[] {
  const { latencies } = figures;
  return [
    ...[0.5, 0.99, 0.999, 1].map((share) => latencies.percentileMs(share).toFixed(2)),
    (latencies.percentileMs(0.99) / aloneMs).toFixed(2),
    figures.errorText(),
  ];
}
