import type { NodeSnapshots, SnapshotReport } from "../node/snapshots/node_snapshots.ts";
import { ErrorReply, type Reply, SimpleString } from "../resp/reply.ts";

const STARTED = new SimpleString("Background saving started");
const UNDER_WAY = new ErrorReply("ERR Background save already in progress");
const NO_SNAPSHOTS = new ErrorReply("ERR Snapshots are taken by nodes, ask one of them");

/** `BGSAVE [SCHEDULE]`, as Redis answers it. @param snapshots `null`: none are taken here */
export function bgsave(snapshots: NodeSnapshots | null, args: readonly string[]): Reply {
  const isKnown = args.length === 1 || (args.length === 2 && args[1]?.toUpperCase() === "SCHEDULE");
  if (!isKnown) return new ErrorReply("ERR syntax error");
  if (snapshots === null) return NO_SNAPSHOTS;
  return snapshots.take() ? STARTED : UNDER_WAY;
}

/** `LASTSAVE`: seconds of the Unix epoch; 0 when there is no snapshot yet. */
export function lastsave(snapshots: NodeSnapshots | null): Reply {
  return snapshots === null ? NO_SNAPSHOTS : secondsOf(snapshots.report());
}

/** The section of `INFO`: Redis's names where the meaning is Redis's. */
export function persistenceFields(report: SnapshotReport): [string, string | number][] {
  const { lastDurationMs } = report;
  return [
    ["loading", 0],
    ["rdb_bgsave_in_progress", report.isTaking ? 1 : 0],
    ["rdb_last_save_time", secondsOf(report)],
    ["rdb_last_bgsave_status", report.hasLastFailed ? "err" : "ok"],
    ["rdb_last_bgsave_time_sec", lastDurationMs === null ? -1 : Math.round(lastDurationMs / 1000)],
    ["rdb_saves", report.count],
    ["aof_enabled", 1],
    ["aof_last_write_status", "ok"],
    ["snapshot_index", report.index],
    ["snapshot_bytes", report.sizeBytes],
    ["snapshot_duration_ms", lastDurationMs ?? -1],
    ["log_bytes_since_snapshot", report.logBytes],
  ];
}

function secondsOf({ lastMs, timeMs }: SnapshotReport): number {
  return Math.floor((lastMs ?? timeMs) / 1000);
}
