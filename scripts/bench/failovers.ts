import { measureFailover } from "./failover.ts";
import { median } from "./median.ts";
import { startCluster } from "./peers.ts";
import type { Resources } from "./resources.ts";
import type { Settings } from "./settings.ts";

/** How long a client of the proxy waits when the leader is killed, many times. */
export async function measureFailovers(
  resources: Resources,
  { failovers: count }: Settings,
): Promise<void> {
  const cluster = await startCluster(resources);
  const gaps: number[] = [];
  const errors = new Map<string, number>();
  for (let at = 0; at < count; at++) {
    const failover = await measureFailover(cluster);
    gaps.push(Math.round(failover.gapMs));
    for (const error of failover.errors) errors.set(error, (errors.get(error) ?? 0) + 1);
  }
  if (count === 0) return;
  gaps.sort((a, b) => a - b);
  console.log(`\nWithout service after kill -9 of the leader, through the proxy, ${count} times:`);
  console.log(`median ${Math.round(median(gaps))} ms, all ${gaps.join(", ")} ms`);
  for (const [error, times] of errors) console.log(`told the client ${times} times: ${error}`);
}
