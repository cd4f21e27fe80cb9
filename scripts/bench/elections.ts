import { messageOf } from "../../src/base/errors.ts";
import type { LocalCluster } from "../../tests/support/local_cluster.ts";
import { startCluster, termOf } from "./peers.ts";
import { redisBenchmark } from "./redis_benchmark.ts";
import { MarkdownTable } from "./report.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

const TESTS = ["set", "get"];
const PIPELINE = 16;

/** Counts elections that nothing should cause, first without load, then with full load. */
export async function measureElections(
  resources: Resources,
  { electionSeconds: seconds, requests }: Settings,
): Promise<void> {
  const cluster = await startCluster(resources);
  const table = new MarkdownTable(
    ...["cluster", "seconds", "term before", "after", "elections", "requests", "errors"],
  );
  const row = async (name: string, work: () => Promise<LoopFigures>) => {
    const before = await termOf(cluster);
    const { done, errors } = await work();
    const after = await termOf(cluster);
    table.row(name, seconds, before, after, after - before, done, errors.join(", ") || "0");
  };
  await row("idle", async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    return { done: 0, errors: [] };
  });
  await row("fully loaded", async () => {
    const untilMs = performance.now() + 1000 * seconds;
    const loops = await Promise.all([
      loadUntil(untilMs, requests, () => Promise.resolve(cluster.proxy.port)),
      loadUntil(untilMs, requests, () => leaderPort(cluster)),
    ]);
    return {
      done: loops.reduce((sum, { done }) => sum + done, 0),
      errors: loops.flatMap(({ errors }) => errors),
    };
  });
}

interface LoopFigures {
  /** Number of answered requests. */
  done: number;
  errors: string[];
}

async function loadUntil(
  untilMs: number,
  requests: number,
  port: () => Promise<number>,
): Promise<LoopFigures> {
  const figures: LoopFigures = { done: 0, errors: [] };
  while (performance.now() < untilMs) {
    try {
      for (const test of TESTS) {
        await redisBenchmark({ test, pipeline: PIPELINE, port: await port(), requests });
        figures.done += requests;
      }
    } catch (error) {
      figures.errors.push(messageOf(error));
    }
  }
  return figures;
}

async function leaderPort(cluster: LocalCluster): Promise<number> {
  return (await cluster.leader()).port;
}
