import { REDIS_VERSION, REGENT_VERSION } from "../base/version.ts";
import { replicationFields } from "../commands/cluster_view.ts";
import type { StateMachine } from "../commands/state_machine.ts";
import type { StateReport } from "../node/members/report.ts";
import type { Node } from "../node/node.ts";
import type { ProcessFacts } from "../platform/process.ts";
import { clientAddressText, nodeView } from "./cluster_commands.ts";
import type { FaultTools } from "./fault_commands.ts";
import type { RespListener } from "./listener.ts";
import { persistenceFields } from "./snapshot_commands.ts";

/** One `# Section` of `INFO`. */
export interface InfoSection {
  /** In lower case, as clients ask for it; printed with a capital. */
  readonly name: string;
  readonly fields: readonly (readonly [name: string, value: string | number])[];
}

/**
 * The text of `INFO` in Redis's form.
 *
 * @param wanted the sections requested; none, `default`, `all` or `everything` means all sections
 */
export function infoText(sections: readonly InfoSection[], wanted: readonly string[]): string {
  const names = new Set(wanted.map((name) => name.toLowerCase()));
  const isAll = ["default", "all", "everything"].some((name) => names.has(name));
  return sections
    .filter(({ name }) => names.size === 0 || isAll || names.has(name))
    .map(({ name, fields }) => {
      const title = `# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n`;
      return title + fields.map(([field, value]) => `${field}:${value}\r\n`).join("");
    })
    .join("\r\n");
}

/**
 * A node redirects writes to the leader, as a member of a Redis Cluster does. A proxy serves all
 * requests itself, though it answers `CLUSTER` to clients that expect it.
 */
export type ServerMode = "cluster" | "standalone";

/** Counts that a node and a proxy obtain in different ways. */
export interface OwnCounts {
  /** Number of requests that wait for other nodes (`WAIT`). */
  readonly blockedClients: number;
  readonly expiredKeys: number;
  readonly hits: number;
  readonly misses: number;
  /** Estimated bytes of the state; 0 where there is none. */
  readonly dataBytes: number;
  /** Bound of the state's bytes above which writes are refused; 0 while it is unknown. */
  readonly maxmemory: number;
  /** Bytes of short keys and values outside V8's heap. */
  readonly arenaBytes: number;
}

export const NO_COUNTS: OwnCounts = {
  blockedClients: 0,
  expiredKeys: 0,
  hits: 0,
  misses: 0,
  dataBytes: 0,
  maxmemory: 0,
  arenaBytes: 0,
};

/** What `INFO` reports of a listener. */
export interface ListenerCounts extends Pick<RespListener, "address" | "rates" | "totals"> {
  readonly clock: Pick<RespListener["clock"], "monotonicMs">;
  readonly connections: { readonly size: number };
  readonly limits: Pick<RespListener["limits"], "clientsMax">;
}

/** The sections of `INFO` that a node and a proxy share. */
export function processSections(
  facts: ProcessFacts,
  listener: ListenerCounts,
  nowMs: number,
  counts: OwnCounts,
  mode: ServerMode,
): readonly InfoSection[] {
  const upSeconds = Math.floor((nowMs - facts.startedMs) / 1000);
  const rates = listener.rates.get(listener.clock.monotonicMs());
  const { totals } = listener;
  return [
    {
      name: "server",
      fields: [
        ["redis_version", REDIS_VERSION],
        ["regent_version", REGENT_VERSION],
        ["redis_mode", mode],
        ["os", facts.os],
        ["arch_bits", 64],
        ["monotonic_clock", "performance.now"],
        ["multiplexing_api", "tokio"],
        ["process_id", facts.processId],
        ["process_supervised", "no"],
        ["run_id", facts.runId],
        ["tcp_port", listener.address.port],
        ["server_time_usec", nowMs * 1000],
        ["uptime_in_seconds", upSeconds],
        ["uptime_in_days", Math.floor(upSeconds / 86_400)],
        ["executable", facts.executable],
        ["config_file", ""],
        ["io_threads_active", 0],
      ],
    },
    {
      name: "clients",
      fields: [
        ["connected_clients", listener.connections.size],
        ["maxclients", listener.limits.clientsMax],
        ["blocked_clients", counts.blockedClients],
        ["tracking_clients", 0],
      ],
    },
    { name: "memory", fields: memoryFields(facts, counts) },
    {
      name: "stats",
      fields: [
        ["total_connections_received", totals.connections],
        ["total_commands_processed", totals.requests],
        ["instantaneous_ops_per_sec", Math.round(rates.requests)],
        ["total_net_input_bytes", totals.inputBytes],
        ["total_net_output_bytes", totals.outputBytes],
        ["instantaneous_input_kbps", (rates.inputBytes / 1024).toFixed(2)],
        ["instantaneous_output_kbps", (rates.outputBytes / 1024).toFixed(2)],
        ["rejected_connections", totals.rejected],
        ["expired_keys", counts.expiredKeys],
        ["evicted_keys", 0],
        ["keyspace_hits", counts.hits],
        ["keyspace_misses", counts.misses],
        ["pubsub_channels", 0],
        ["pubsub_patterns", 0],
        ["latest_fork_usec", 0],
      ],
    },
    // On a proxy too: it answers CLUSTER, and redis-cli --cluster checks this field.
    { name: "cluster", fields: [["cluster_enabled", 1]] },
  ];
}

/**
 * `used_memory` is what the process uses, on V8's heap and outside; `dataset` is the state's share.
 */
function memoryFields(
  facts: ProcessFacts,
  { dataBytes, maxmemory, arenaBytes }: OwnCounts,
): InfoSection["fields"] {
  const { rss, heapTotal, heapUsed, external } = facts.memoryBytes();
  const used = heapUsed + external;
  const percent = used === 0 ? 0 : Math.min(100, dataBytes * 100 / used);
  return [
    ["used_memory", used],
    ["used_memory_human", human(used)],
    ["used_memory_rss", rss],
    ["used_memory_rss_human", human(rss)],
    ["used_memory_dataset", dataBytes],
    ["used_memory_dataset_perc", `${percent.toFixed(2)}%`],
    ["used_memory_heap", heapUsed],
    ["used_memory_heap_total", heapTotal],
    ["used_memory_heap_limit", facts.heapLimitBytes],
    ["used_memory_external", external],
    ["used_memory_arena", arenaBytes],
    ["total_system_memory", facts.systemMemoryBytes],
    ["total_system_memory_human", human(facts.systemMemoryBytes)],
    ["maxmemory", maxmemory],
    ["maxmemory_human", human(maxmemory)],
    ["maxmemory_policy", "noeviction"],
    ["mem_fragmentation_ratio", used === 0 ? "0.00" : (rss / used).toFixed(2)],
    ["mem_allocator", "v8"],
  ];
}

/** A size as Redis prints it for people. */
function human(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  const power = bytes < 1 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes}B` : `${(bytes / 2 ** (10 * power)).toFixed(2)}${units[power]}`;
}

/**
 * What a node's counts were at the last `CONFIG RESETSTAT`, if they cannot be set to zero: the
 * number of expired keys is a part of the replicated state.
 */
export interface CountsBefore {
  readonly expiredKeys: number;
  /** Number of snapshots taken. */
  readonly saves: number;
}

export const NO_COUNTS_BEFORE: CountsBefore = { expiredKeys: 0, saves: 0 };

export interface NodeInfoSources {
  readonly node: Node;
  readonly machine: StateMachine;
  readonly facts: ProcessFacts;
  readonly clock: { nowMs(): number };
  /** @default faults are not allowed */
  readonly faultTools?: FaultTools;
  /** To be called only once there is a client. */
  readonly listener: () => ListenerCounts;
  /** @default NO_COUNTS_BEFORE */
  readonly countsBefore?: CountsBefore;
}

/** `INFO` of a node, in Redis's sections and names where they fit, and a section of its own. */
export function nodeInfo(sources: NodeInfoSources, wanted: readonly string[]): string {
  const report = sources.node.report();
  const { countsBefore = NO_COUNTS_BEFORE } = sources;
  // As in Redis, expired keys count until they are removed: leaving them out would take too long.
  const { storedSize, volatileSize } = sources.machine.keyspace;
  return infoText([
    ...processSections(
      sources.facts,
      sources.listener(),
      sources.clock.nowMs(),
      countsOf(sources, countsBefore),
      "cluster",
    ),
    ...persistenceSections(sources.node, countsBefore),
    { name: "replication", fields: replicationFields(nodeView(report)) },
    { name: "raft", fields: raftFields(report) },
    ...faultSections(sources.faultTools ?? null),
    { name: "keyspace", fields: keyspaceFields(storedSize, volatileSize) },
  ], wanted);
}

function countsOf({ node, machine }: NodeInfoSources, before: CountsBefore): OwnCounts {
  const { keyspace } = machine;
  return {
    blockedClients: node.waitingCount,
    expiredKeys: keyspace.expiredCount - before.expiredKeys,
    ...keyspace.lookUps,
    dataBytes: machine.usedBytes,
    maxmemory: machine.memoryBytesMax,
    arenaBytes: keyspace.arenaBytes,
  };
}

function persistenceSections({ snapshots }: Node, { saves }: CountsBefore): InfoSection[] {
  if (snapshots === null) return [];
  const report = snapshots.report();
  const fields = persistenceFields({ ...report, count: report.count - saves });
  return [{ name: "persistence", fields }];
}

function raftFields(report: StateReport): [string, string | number][] {
  return [
    ["id", report.id],
    ["raft_role", report.role],
    ["protocol_version", report.protocolVersion],
    ["machine_version", report.machineVersion],
    ["machine_version_max", report.machineVersionMax],
    ["term", report.term],
    ["leader_id", report.leaderId ?? ""],
    ["leader_address", clientAddressText(report.leaderAddress)],
    ["last_index", report.lastIndex],
    ["commit_index", report.commitIndex],
    ["applied_index", report.appliedIndex],
    ["serving", report.isServing ? 1 : 0],
    ["catching_up", report.isCatchingUp ? 1 : 0],
    ["clock_offset_ms", report.time.clockOffsetMs ?? ""],
    ["log_time_ms", report.time.logTimeMs],
    ["log_time_ahead_ms", report.time.logTimeAheadMs ?? ""],
    ["members", report.members.map(({ id }) => id).join(",")],
  ];
}

function faultSections(tools: FaultTools | null): InfoSection[] {
  if (tools === null) return [];
  const texts = tools.faults.texts();
  const fields = texts.map((text, number): [string, string] => [`fault${number}`, text]);
  return [{ name: "faults", fields: [["faults", texts.length], ...fields] }];
}

/** The section `keyspace`, which is empty without keys. */
export function keyspaceFields(keys: number, expires: number): [string, string][] {
  return keys === 0 ? [] : [["db0", `keys=${keys},expires=${expires},avg_ttl=0`]];
}
