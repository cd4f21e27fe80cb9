import type { StateMachine } from "../commands/state_machine.ts";
import type { Node } from "../node/node.ts";
import type { StateReport } from "../node/state_report.ts";
import type { Reply } from "../resp/reply.ts";
import type { FaultTools } from "./fault_commands.ts";
import { type InfoSection, infoText } from "./info_text.ts";
import type { RespListener } from "./listener.ts";
import { type ProcessFacts, processSections } from "./process_info.ts";
import { persistenceFields } from "./save_commands.ts";
import { clientAddressText } from "./state_watchers.ts";

export interface NodeInfoSources {
  readonly node: Node;
  readonly machine: StateMachine;
  readonly facts: ProcessFacts;
  readonly clock: { nowMs(): number };
  /** @default failures on purpose are not allowed */
  readonly faultTools?: FaultTools;
  /** The listener is there once the first client is. */
  readonly listener: () => RespListener;
}

/** `INFO` of a node, in Redis's sections and names where they fit, and a section of its own. */
export function nodeInfo(sources: NodeInfoSources, wanted: readonly string[]): string {
  const report = sources.node.report();
  return infoText([
    ...processSections(sources.facts, sources.listener(), sources.clock.nowMs()),
    ...persistenceSections(sources.node),
    { name: "replication", fields: replicationFields(report) },
    { name: "raft", fields: raftFields(report) },
    ...faultSections(sources.faultTools ?? null),
    { name: "keyspace", fields: keyspaceFields(sources.machine) },
  ], wanted);
}

function persistenceSections({ snapshots }: Node): InfoSection[] {
  if (snapshots === null) return [];
  return [{ name: "persistence", fields: persistenceFields(snapshots.report()) }];
}

function replicationFields(report: StateReport): [string, string | number][] {
  if (report.role !== "leader") {
    return [
      ["role", "slave"],
      ["master_host", report.leaderAddress?.host ?? ""],
      ["master_port", report.leaderAddress?.port ?? 0],
      ["master_link_status", report.isServing ? "up" : "down"],
      ["slave_repl_offset", report.appliedIndex],
      ["slave_read_only", 1],
      ["connected_slaves", 0],
    ];
  }
  const followers = report.members.filter(({ id, isConnected }) => id !== report.id && isConnected);
  return [
    ["role", "master"],
    ["connected_slaves", followers.length],
    ...followers.map(({ clientAddress, matchIndex }, number): [string, string] => [
      `slave${number}`,
      `ip=${clientAddress?.host ?? ""},port=${clientAddress?.port ?? 0},state=online,` +
      `offset=${matchIndex ?? 0},lag=${report.lastIndex - (matchIndex ?? 0)}`,
    ]),
    ["master_repl_offset", report.lastIndex],
  ];
}

function raftFields(report: StateReport): [string, string | number][] {
  return [
    ["id", report.id],
    ["raft_role", report.role],
    ["term", report.term],
    ["leader_id", report.leaderId ?? ""],
    ["leader_address", clientAddressText(report.leaderAddress)],
    ["last_index", report.lastIndex],
    ["commit_index", report.commitIndex],
    ["applied_index", report.appliedIndex],
    ["serving", report.isServing ? 1 : 0],
    ["members", report.members.map(({ id }) => id).join(",")],
  ];
}

function faultSections(tools: FaultTools | null): InfoSection[] {
  if (tools === null) return [];
  const texts = tools.faults.texts();
  const fields = texts.map((text, number): [string, string] => [`fault${number}`, text]);
  return [{ name: "faults", fields: [["faults", texts.length], ...fields] }];
}

function keyspaceFields(machine: StateMachine): [string, string][] {
  const { size, volatileSize } = machine.keyspace;
  return size === 0 ? [] : [["db0", `keys=${size},expires=${volatileSize},avg_ttl=0`]];
}

/** `ROLE` in Redis's own shape. */
export function redisRole(report: StateReport): Reply {
  if (report.role !== "leader") {
    const { host, port } = report.leaderAddress ?? { host: "", port: 0 };
    const state = report.isServing ? "connected" : "connect";
    return ["slave", host, port, state, report.appliedIndex];
  }
  const followers = report.members.filter(({ id, isConnected }) => id !== report.id && isConnected);
  return [
    "master",
    report.lastIndex,
    followers.map(({ clientAddress, matchIndex }): Reply => [
      clientAddress?.host ?? "",
      String(clientAddress?.port ?? 0),
      String(matchIndex ?? 0),
    ]),
  ];
}
