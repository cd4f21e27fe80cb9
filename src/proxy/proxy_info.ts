import { infoText } from "../server/info_text.ts";
import type { RespListener } from "../server/listener.ts";
import { type ProcessFacts, processSections } from "../server/process_info.ts";
import type { NodeStatus, ProxyStatus } from "./proxy_view.ts";

export interface ProxyInfoSources {
  readonly status: ProxyStatus;
  readonly facts: ProcessFacts;
  readonly nowMs: number;
  readonly listener: RespListener;
}

type Fields = readonly (readonly [string, string | number])[];

/** `INFO` of a proxy: Redis's sections where they fit, then the proxy's view of the cluster. */
export function proxyInfo(sources: ProxyInfoSources, wanted: readonly string[]): string {
  const { status, facts, nowMs, listener } = sources;
  return infoText([
    ...processSections(facts, listener, nowMs),
    { name: "replication", fields: replicationFields(status) },
    { name: "proxy", fields: proxyFields(status) },
    { name: "nodes", fields: status.nodes.map(nodeField) },
  ], wanted);
}

/** To its clients the proxy is a master without replicas: it takes reads and writes alike. */
function replicationFields({ leader }: ProxyStatus): Fields {
  return [
    ["role", "master"],
    ["connected_slaves", 0],
    ["master_repl_offset", leader?.commitIndex ?? 0],
  ];
}

function proxyFields({ leader, term, inFlight, waiting, holds, nodes }: ProxyStatus): Fields {
  return [
    ["leader_id", leader?.id ?? ""],
    ["leader_address", leader?.address ?? ""],
    ["term", term],
    ["nodes_known", nodes.length],
    ["nodes_answering", nodes.filter(({ isResponsive }) => isResponsive).length],
    ["requests_in_flight", inFlight],
    ["requests_waiting", waiting.requests],
    ["bytes_waiting", waiting.bytes],
    ["requests_held", holds.heldNow],
    ["holds_total", holds.count],
    ["holds_ms_total", Math.round(holds.totalMs)],
    ["holds_ms_longest", Math.round(holds.longestMs)],
    ["holds_refused_total", holds.refused],
  ];
}

function nodeField(node: NodeStatus, number: number): readonly [string, string] {
  const fields: Fields = [
    ["id", node.id],
    ["address", node.address],
    ["role", node.role],
    ["term", node.term],
    ["answers", node.isResponsive ? 1 : 0],
    ["serving", node.isServing ? 1 : 0],
    ["commit_index", node.commitIndex],
    ["applied_index", node.appliedIndex],
    ["in_flight", node.inFlight],
    ["latency_ms", node.latencyMs.toFixed(3)],
  ];
  return [`node${number}`, fields.map(([name, value]) => `${name}=${value}`).join(",")];
}
