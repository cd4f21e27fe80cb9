import { textOf } from "../../src/base/byte_string.ts";
import { Batch, type LogEntry, sizeOfBatch } from "../../src/node/log/entry.ts";
import type { LogStore } from "../../src/node/log/log_store.ts";
import type { ClusterConfiguration } from "../../src/node/members/configuration.ts";
import type { HardState } from "../../src/raft/types.ts";

/** An entry with one SET of this many bytes. The content contains index and term. */
export function entryOf(index: number, term: number, valueBytes = 8): LogEntry {
  const value = `${index}.${term}.`.padEnd(valueBytes, "x");
  const data = new Batch(1_700_000_000_000 + index, [["SET", `key${index}`, value]]);
  return { index, term, data, sizeBytes: sizeOfBatch(data) };
}

/** An entry with a configuration of N members, which makes it unique. */
export function configurationEntryOf(index: number, term: number, memberCount: number): LogEntry {
  const data = new Batch(1_700_000_000_000 + index, [], configurationOf(memberCount));
  return { index, term, data, sizeBytes: sizeOfBatch(data) };
}

export function configurationOf(memberCount: number): ClusterConfiguration {
  const members = Array.from({ length: memberCount }, (_, at) => ({
    id: `n${at + 1}`,
    raftAddress: { host: "127.0.0.1", port: 17001 + at },
    isLearner: at > 2,
  }));
  return { members, removed: [] };
}

/** Consecutive entries of one term. */
export function entriesOf(from: number, to: number, term: number, valueBytes = 8): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i, term, valueBytes));
}

/** The whole content of a log, in a form that can be compared. */
export interface LogContent {
  readonly hardState: HardState;
  readonly entries: readonly string[];
}

export function contentOf(log: LogStore): LogContent {
  const entries = log.lastIndex() < log.firstIndex()
    ? []
    : log.entries(log.firstIndex(), log.lastIndex(), Infinity);
  return { hardState: log.hardState(), entries: entries.map(describeEntry) };
}

export function describeEntry({ index, term, data }: LogEntry): string {
  return JSON.stringify([
    index,
    term,
    data?.timeMs ?? null,
    data?.commands.map((command) => command.map(textOf)) ?? null,
    data?.configuration ?? null,
  ]);
}
