import { assert, assertEquals } from "@std/assert";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { infoText, type ListenerCounts, NO_COUNTS, processSections } from "./info.ts";
import { Rates } from "./listener.ts";

const MIB = 2 ** 20;
/** What redis_exporter, RedisInsight and Datadog's agent read of a server without replicas. */
const READ_BY_DASHBOARDS = (
  "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds " +
  "uptime_in_days executable config_file connected_clients blocked_clients maxclients " +
  "used_memory used_memory_human used_memory_rss used_memory_dataset maxmemory maxmemory_policy " +
  "mem_fragmentation_ratio total_system_memory total_connections_received " +
  "total_commands_processed instantaneous_ops_per_sec total_net_input_bytes " +
  "total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps " +
  "rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses pubsub_channels"
).split(" ");

/** The fields that `INFO` tells of a process with these numbers. */
function fieldsWith(
  memory: { rss: number; heapTotal: number; heapUsed: number; external: number },
  counts = NO_COUNTS,
): Map<string, string> {
  const totals = { connections: 3, requests: 40, rejected: 1, inputBytes: 500, outputBytes: 600 };
  const listener: ListenerCounts = {
    totals,
    rates: new Rates(totals, 0),
    clock: { monotonicMs: () => 1_000 },
    address: { host: "127.0.0.1", port: 7001 },
    connections: { size: 2 },
    limits: { clientsMax: 10_000 },
  };
  const facts = { ...PROCESS_FACTS, memoryBytes: () => memory };
  const text = infoText(processSections(facts, listener, 2 * 86_400_000, counts, "cluster"), []);
  return new Map(
    text.split("\r\n").filter((line) => line.includes(":")).map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

Deno.test("used_memory includes memory outside of V8's heap", () => {
  const memory = { rss: 628 * MIB, heapTotal: 60 * MIB, heapUsed: 36 * MIB, external: 500 * MIB };
  const fields = fieldsWith(memory, { ...NO_COUNTS, dataBytes: 268 * MIB, maxmemory: 2 ** 31 });
  assertEquals(fields.get("used_memory"), String(536 * MIB));
  assertEquals(fields.get("used_memory_human"), "536.00M");
  assertEquals(fields.get("used_memory_rss"), String(628 * MIB));
  assertEquals(fields.get("used_memory_dataset_perc"), "50.00%");
  assertEquals([fields.get("maxmemory"), fields.get("maxmemory_human")], ["2147483648", "2.00G"]);
});

Deno.test("INFO has each field that dashboards read, as a number", () => {
  const memory = { rss: 1, heapTotal: 1, heapUsed: 1, external: 0 };
  const counts = { ...NO_COUNTS, blockedClients: 4, expiredKeys: 5, hits: 6, misses: 7 };
  const fields = fieldsWith(memory, counts);
  for (const name of READ_BY_DASHBOARDS) assert(fields.has(name), name);
  const numbers = "connected_clients blocked_clients expired_keys evicted_keys keyspace_hits " +
    "keyspace_misses total_net_input_bytes total_net_output_bytes uptime_in_days";
  assertEquals(
    numbers.split(" ").map((name) => fields.get(name)),
    ["2", "4", "5", "0", "6", "7", "500", "600", "2"],
  );
  assert(/^[0-9a-f]{40}$/.test(fields.get("run_id") ?? ""));
});
