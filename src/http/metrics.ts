import { REGENT_VERSION } from "../base/version.ts";
import type { Api } from "./api.ts";

export interface MetricsOptions {
  /** What this process answers to `INFO`; `null` if it does not answer. */
  readonly info: () => Promise<string | null>;
  /** Number of connections for HTTP. */
  readonly connections: () => number;
}

/** Adds the operation that Prometheus scrapes. */
export function addMetrics(
  api: Api,
  { info, connections, heldBytes }: MetricsOptions & { readonly heldBytes: () => number },
): void {
  api.add("get", "/metrics", METRICS, async () => {
    const text = metricsText(await info(), [
      ["http_connections", "Connections for HTTP.", connections()],
      ["http_held_bytes", "Bytes of requests and answers over HTTP in memory.", heldBytes()],
    ]);
    return new Response(text, { headers: { "content-type": CONTENT_TYPE } });
  });
}

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const METRICS = {
  operationId: "getMetrics",
  summary: "Numbers about this process, in Prometheus's text format",
  responses: {
    "200": {
      description: "The numbers; most are missing, and regent_up is 0, if it does not answer.",
      content: { "text/plain": { schema: { type: "string" } } },
    },
  },
};

type Gauge = readonly [name: string, help: string, value: number];

const ROLES: readonly string[] = ["leader", "follower", "candidate", "learner"];

/** Fields of `INFO`. A node has those of its log, and a proxy those of what it holds. */
const GAUGES: readonly (readonly [field: string, name: string, help: string])[] = [
  ["uptime_in_seconds", "uptime_seconds", "Time since the start."],
  ["connected_clients", "clients", "Redis clients that are connected."],
  ["used_memory_rss", "memory_resident_bytes", "Memory of the process, given by the system."],
  ["used_memory", "memory_used_bytes", "Memory in use by the thread that serves Redis clients."],
  ["used_memory_dataset", "memory_data_bytes", "Estimated memory of the keys and values."],
  ["maxmemory", "memory_data_max_bytes", "Limit of memory_data_bytes; 0 if it is unknown."],
  ["term", "term", "The Raft term."],
  ["commit_index", "commit_index", "Index of the last entry known to be committed."],
  ["applied_index", "applied_index", "Index of the last entry that was applied."],
  ["serving", "serving", "1 while the node serves."],
  ["nodes_answering", "nodes_answering", "Nodes that answer the proxy."],
  ["requests_held", "requests_held", "Requests that the proxy holds."],
];

/** Fields of `INFO` that only grow, until `CONFIG RESETSTAT`. */
const COUNTERS: typeof GAUGES = [
  ["total_connections_received", "connections_total", "Connections of Redis clients."],
  ["rejected_connections", "connections_refused_total", "Redis clients that were refused."],
  ["total_commands_processed", "commands_total", "Commands of Redis clients."],
  ["total_net_input_bytes", "input_bytes_total", "Bytes that Redis clients sent."],
  ["total_net_output_bytes", "output_bytes_total", "Bytes that were sent to Redis clients."],
];

/**
 * Numbers in Prometheus's text format.
 *
 * @param info the text of `INFO`; `null` if the process does not answer
 */
export function metricsText(info: string | null, others: readonly Gauge[]): string {
  const lines: string[] = [];
  const add = (type: string, name: string, help: string, ...samples: readonly string[]) => {
    lines.push(`# HELP regent_${name} ${help}`, `# TYPE regent_${name} ${type}`);
    for (const sample of samples) lines.push(`regent_${name}${sample}`);
  };
  add("gauge", "build_info", "The version.", `{version="${REGENT_VERSION}"} 1`);
  add("gauge", "up", "1 if the process answers Redis clients.", ` ${info === null ? 0 : 1}`);
  const fields = fieldsOf(info ?? "");
  const role = fields.get("raft_role");
  if (role !== undefined) {
    const samples = ROLES.map((one) => `{role="${one}"} ${one === role ? 1 : 0}`);
    add("gauge", "role", "1 for the role of the node.", ...samples);
  }
  const leader = fields.get("leader_id");
  if (leader !== undefined) {
    add("gauge", "leader_known", "1 while a leader is known.", ` ${leader === "" ? 0 : 1}`);
  }
  if (info !== null) {
    const [, keys = "0"] = /^keys=(\d+)/.exec(fields.get("db0") ?? "") ?? [];
    add("gauge", "keys", "Keys, with those expired and not removed yet.", ` ${keys}`);
  }
  for (const [type, rows] of [["gauge", GAUGES], ["counter", COUNTERS]] as const) {
    for (const [field, name, help] of rows) {
      const value = fields.get(field) ?? "";
      if (/^\d+$/.test(value)) add(type, name, help, ` ${value}`);
    }
  }
  for (const [name, help, value] of others) add("gauge", name, help, ` ${value}`);
  return `${lines.join("\n")}\n`;
}

/** The fields of all sections. */
function fieldsOf(info: string): ReadonlyMap<string, string> {
  return new Map(
    info.split("\r\n").filter((line) => line.includes(":")).map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
