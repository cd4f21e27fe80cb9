import type { InfoSection } from "./info_text.ts";
import type { RespListener } from "./listener.ts";
import { REDIS_VERSION, REGENT_VERSION } from "./version.ts";

/** What the process tells about itself. */
export interface ProcessFacts {
  readonly processId: number;
  readonly startedMs: number;
  memoryBytes(): { readonly rss: number; readonly heapUsed: number };
}

/** The sections of `INFO` that node and proxy have alike. */
export function processSections(
  facts: ProcessFacts,
  listener: RespListener,
  nowMs: number,
): readonly InfoSection[] {
  const upSeconds = Math.floor((nowMs - facts.startedMs) / 1000);
  const memory = facts.memoryBytes();
  return [
    {
      name: "server",
      fields: [
        ["redis_version", REDIS_VERSION],
        ["regent_version", REGENT_VERSION],
        ["redis_mode", "cluster"],
        ["process_id", facts.processId],
        ["tcp_port", listener.address.port],
        ["uptime_in_seconds", upSeconds],
        ["uptime_in_days", Math.floor(upSeconds / 86_400)],
      ],
    },
    {
      name: "clients",
      fields: [
        ["connected_clients", listener.connections.size],
        ["maxclients", listener.limits.clientsMax],
      ],
    },
    { name: "memory", fields: [["used_memory", memory.heapUsed], ["used_memory_rss", memory.rss]] },
    {
      name: "stats",
      fields: [
        ["total_connections_received", listener.totals.connections],
        ["total_commands_processed", listener.totals.requests],
        ["rejected_connections", listener.totals.rejected],
      ],
    },
    { name: "cluster", fields: [["cluster_enabled", 1]] },
  ];
}
