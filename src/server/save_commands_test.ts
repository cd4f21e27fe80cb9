import { assert, assertEquals } from "@std/assert";
import { serve } from "../../tests/support/serve.ts";
import type { SnapshotTaker } from "../commands/local.ts";
import type { SnapshotReport } from "../node/snapshots/node_snapshots.ts";
import { ErrorReply, SimpleString } from "../resp/reply.ts";
import { persistenceFields } from "./snapshot_commands.ts";

const REPORT: SnapshotReport = {
  isTaking: false,
  lastMs: null,
  lastDurationMs: null,
  hasLastFailed: false,
  count: 0,
  logBytes: 12,
  index: 7,
  sizeBytes: 900,
  timeMs: 1_700_000_000_999,
  logFirstIndex: 5,
};

/** Takes a snapshot that never ends. */
function snapshots(): SnapshotTaker {
  let isTaking = false;
  return {
    report: () => ({ ...REPORT, isTaking }),
    take: () => {
      const couldBegin = !isTaking;
      isTaking = true;
      return couldBegin;
    },
  };
}

Deno.test("BGSAVE begins one snapshot at a time, and replies as Redis does", () => {
  const one = { snapshots: snapshots() };
  assert(serve(["BGSAVE", "NOW"], one) instanceof ErrorReply);
  assertEquals(serve(["BGSAVE"], one), new SimpleString("Background saving started"));
  assertEquals(
    serve(["bgsave", "schedule"], one),
    new ErrorReply("ERR Background save already in progress"),
  );
  assert(serve(["BGSAVE"], { snapshots: null }) instanceof ErrorReply);
});

Deno.test("LASTSAVE and INFO report the newest snapshot, older than this process or not", () => {
  assertEquals(serve(["LASTSAVE"], { snapshots: snapshots() }), 1_700_000_000);
  assert(serve(["LASTSAVE"], { snapshots: null }) instanceof ErrorReply);
  const fields = new Map(persistenceFields({ ...REPORT, lastMs: 1_800_000_000_500, count: 2 }));
  assertEquals(fields.get("rdb_last_save_time"), 1_800_000_000);
  const told = (changes: Partial<SnapshotReport>, name: string) =>
    new Map(persistenceFields({ ...REPORT, ...changes })).get(name);
  const values = (name: string, changes: Partial<SnapshotReport>) => [
    told({}, name),
    told(changes, name),
  ];
  assertEquals(values("rdb_bgsave_in_progress", { isTaking: true }), [0, 1]);
  assertEquals(values("rdb_last_bgsave_status", { hasLastFailed: true }), ["ok", "err"]);
  assertEquals(values("rdb_last_bgsave_time_sec", { lastDurationMs: 2_400 }), [-1, 2]);
  assertEquals(told({}, "rdb_last_save_time"), 1_700_000_000);
  assertEquals([fields.get("rdb_saves"), fields.get("snapshot_index")], [2, 7]);
  assertEquals(fields.get("log_first_index"), 5);
});
