import { assertEquals, assertLess } from "@std/assert";
import type { Reply } from "../../src/resp/reply.ts";
import { Load, type LoadOptions } from "./load.ts";
import { ask, type LocalCluster, type Member, roleOf } from "./local_cluster.ts";
import { until } from "./until.ts";

const KEYS_PER_REQUEST = 500;
/** Far above the usual gap of a failover. */
const GAP_MS_MAX = 5_000;

/** Runs a load during a test; the clients are gone at the end in any case. */
export async function underLoad(
  options: LoadOptions,
  test: (load: Load) => Promise<void>,
): Promise<Load> {
  const load = await Load.start(options);
  try {
    await test(load);
    await load.stop();
  } finally {
    await load.abort();
  }
  return load;
}

export function assertNoErrors(load: Load): void {
  assertEquals(load.errors, []);
  assertEquals(load.violations, []);
}

/** Asserts that clients were never without service for long. */
export function assertShortGaps(load: Load): void {
  assertLess(load.longestOwnGapMs, GAP_MS_MAX, load.describe());
}

/**
 * Each running member and proxy must return what was acknowledged, and nothing that was refused.
 */
export async function assertHistoryIn(cluster: LocalCluster, load: Load): Promise<void> {
  for (const member of [...cluster.proxies, ...cluster.nodes]) {
    if (!member.process.isRunning) continue;
    const violations: string[] = [];
    const { keys } = load.writes;
    const values = await readAll(member, keys);
    keys.forEach((key, at) => {
      const violation = load.writes.violationOf(key, values[at] ?? null);
      if (violation !== null) violations.push(`${member.name}: ${violation}`);
    });
    for (const register of load.registers) {
      const [value] = await readAll(member, [register.key]);
      const violation = register.violationOf(value ?? null, register.floor);
      if (violation !== null) violations.push(`${member.name}: ${violation}`);
    }
    assertEquals(violations, []);
  }
}

/** Waits until this node has applied everything that the leader had committed when it was asked. */
export async function untilCaughtUp(cluster: LocalCluster, node: Member): Promise<void> {
  const describe = () => cluster.said();
  let commitIndex = Infinity;
  await until("the leader reports its commit index", async () => {
    commitIndex = (await roleOf(await cluster.leader()))?.commitIndex ?? Infinity;
    return commitIndex < Infinity;
  }, { describe });
  await until(`${node.name} has applied entry ${commitIndex}`, async () => {
    return ((await roleOf(node))?.appliedIndex ?? 0) >= commitIndex;
  }, { describe });
}

async function readAll(member: Member, keys: readonly string[]): Promise<(string | null)[]> {
  const values: (string | null)[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_REQUEST) {
    const wanted = keys.slice(at, at + KEYS_PER_REQUEST);
    let reply: Reply | null = null;
    await until(`${member.name} answers MGET`, async () => {
      reply = await ask(member, ["MGET", ...wanted]);
      return Array.isArray(reply);
    }, { describe: () => JSON.stringify(reply) });
    for (const value of reply ?? []) values.push(value as string | null);
  }
  return values;
}
