import { assertEquals } from "@std/assert";
import { entriesOf } from "../../tests/support/log_entries.ts";
import type { Raft } from "../raft/mod.ts";
import type { Ready } from "../raft/types.ts";
import type { Applier } from "./applier.ts";
import type { Batch, LogEntry } from "./entry.ts";
import type { LogStore } from "./log_store.ts";
import type { Members } from "./members.ts";
import { ReadyWriter } from "./ready_writer.ts";

const NO_ENTRIES: readonly LogEntry[] = [];

/** A writer whose parts only say what they are asked to do. */
function fixture() {
  const done: string[] = [];
  const durable: (() => void)[] = [];
  const indexes = (entries: readonly LogEntry[]) => entries.map(({ index }) => index).join();
  const writer = new ReadyWriter({
    raft: { advance: () => done.push("advance") } as unknown as Raft<Batch>,
    log: {
      append: (_state: null, entries: readonly LogEntry[], written: () => void) => {
        done.push(`write ${indexes(entries)}`);
        durable.push(written);
      },
    } as unknown as LogStore,
    members: { appended: () => {} } as unknown as Members,
    applier: { apply: ({ index }: LogEntry) => done.push(`apply ${index}`) } as unknown as Applier,
    snapshots: null,
    advanced: () => {},
    schedule: () => done.push("schedule"),
  });
  return {
    writer,
    durable,
    done: () => done.splice(0),
    carryOut(
      { entries = NO_ENTRIES, committed = NO_ENTRIES }: Partial<Ready<Batch>>,
      mayApplyLater: boolean,
    ) {
      const ready = { hardState: null, snapshot: null, entries, committed };
      writer.carryOut(ready as unknown as Ready<Batch>, mayApplyLater);
    },
  };
}

Deno.test("where nobody waits, what is new is durable before what is committed is applied", () => {
  const { writer, durable, done, carryOut } = fixture();
  carryOut({ entries: entriesOf(3, 4, 1), committed: entriesOf(1, 2, 1) }, true);
  assertEquals([done(), writer.isBusy], [["write 3,4"], true]);
  durable.shift()?.();
  assertEquals([done(), writer.isBusy], [["advance", "schedule"], false]);
  writer.apply();
  writer.apply();
  assertEquals(done(), ["apply 1", "apply 2"]);
});

Deno.test("where somebody waits, or nothing is written, it is applied at once", () => {
  const { done, carryOut } = fixture();
  carryOut({ committed: entriesOf(1, 1, 1) }, true);
  assertEquals(done(), ["advance", "apply 1"]);
  carryOut({ entries: entriesOf(3, 3, 1), committed: entriesOf(2, 2, 1) }, false);
  assertEquals(done(), ["write 3", "apply 2"]);
});

Deno.test("on a slow disk no more waits than what came with one Ready", () => {
  const { done, carryOut } = fixture();
  carryOut({ entries: entriesOf(3, 3, 1), committed: entriesOf(1, 1, 1) }, true);
  carryOut({ entries: entriesOf(4, 4, 1), committed: entriesOf(2, 2, 1) }, true);
  assertEquals(done(), ["write 3", "write 4", "apply 1"]);
  carryOut({ committed: entriesOf(3, 3, 1) }, true);
  assertEquals(done(), ["write ", "apply 2"]);
});

Deno.test("after the end nothing is applied or said to be durable", () => {
  const { writer, durable, done, carryOut } = fixture();
  carryOut({ entries: entriesOf(2, 2, 1), committed: entriesOf(1, 1, 1) }, true);
  done();
  writer.stop();
  durable.shift()?.();
  writer.apply();
  assertEquals(done(), []);
});
