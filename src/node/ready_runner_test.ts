import { assert, assertEquals } from "@std/assert";
import { configurationOf, contentOf, entriesOf } from "../../tests/support/log_entries.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { MemoryLog } from "../../tests/support/node/memory_log.ts";
import { metaOf } from "../../tests/support/snapshots.ts";
import { seededRandom } from "../base/random.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { lookup } from "../commands/table.ts";
import { Raft } from "../raft/mod.ts";
import type { Ready } from "../raft/types.ts";
import { Applier } from "./clients/applier.ts";
import { BatchPacer } from "./clients/batch_pacer.ts";
import { Proposals } from "./clients/proposals.ts";
import { ReadQueue } from "./clients/reads.ts";
import { Batch, type LogEntry, sizeOfBatch } from "./log/entry.ts";
import { configurationOf as coreConfigurationOf } from "./members/configuration.ts";
import { Members } from "./members/members.ts";
import { ReadyRunner } from "./ready_runner.ts";
import { TurnBudget } from "./ticker.ts";

/** A state with one key. */
function stateWith(key: string): StateMachine {
  const machine = new StateMachine();
  const set = lookup("SET");
  if (set === undefined) throw new Error("there is no SET");
  machine.execute(set, ["SET", key, "value"], 0);
  return machine;
}

/** The whole state of another machine, ready to replace this one's. */
function loaderOf(machine: StateMachine, from: StateMachine) {
  const loader = machine.newLoader();
  const view = from.beginSnapshot();
  for (let chunk = view.next(1 << 20); chunk !== null; chunk = view.next(1 << 20)) {
    loader.push(chunk);
  }
  return loader;
}

/** A runner on a log with the durable entries 1 and 2. Syncs end when the test says so. */
function fixture(stepsMax = Infinity) {
  const done: string[] = [];
  const syncs: (() => void)[] = [];
  const clock = new ManualClock();
  const pacer = () => new BatchPacer(clock, 4, () => {});
  const log = new MemoryLog({ sync: (ended) => syncs.push(() => ended(null)) });
  log.append(null, entriesOf(1, 2, 1), () => {});
  syncs.shift()?.();
  const machine = new StateMachine();
  const budget = new TurnBudget(clock, Infinity, stepsMax);
  const applier = new Applier({
    machine,
    proposals: new Proposals(pacer()),
    reads: new ReadQueue(pacer()),
    nowMs: () => 0,
    random: seededRandom(1),
    start: { index: 0, term: 0 },
    budget,
    onApplied: ({ index }) => done.push(`apply ${index}`),
  });
  const members = new Members({ index: 0, configuration: configurationOf(3) }, []);
  const writer = new ReadyRunner({
    raft: { advance: ({ sequence }) => done.push(`advance ${sequence}`), committedMax: 0 },
    log,
    members,
    applier,
    snapshots: {
      install: ({ index, term }) => {
        done.push(`install ${index}`);
        const snapshot = { ...metaOf(index, term), sizeBytes: 100, checksum: 1 };
        return { snapshot, loader: loaderOf(machine, stateWith("prune")) };
      },
      prune: () => done.push("prune"),
    },
    unappliedMax: 4,
    onAdvanced: () => {},
    schedule: () => {},
    onRefused: (why) => done.push(`refused: ${why.slice(0, 20)}`),
  });
  let sequence = 0;
  return {
    writer,
    log,
    machine,
    members,
    applier,
    budget,
    syncs,
    done: () => done.splice(0),
    endSync: () => syncs.shift()?.(),
    writeAndApply(change: Partial<Ready<Batch>>, mayApplyLater: boolean) {
      writer.writeAndApply({
        sequence: ++sequence,
        hardState: null,
        snapshot: null,
        entries: [],
        messages: [],
        snapshotsWanted: [],
        messagesAfterPersist: [],
        committed: [],
        reads: [],
        refusedReads: [],
        ...change,
      }, mayApplyLater);
    },
  };
}

Deno.test("if nobody waits, new entries are durable before committed ones are applied", () => {
  const { writer, log, done, writeAndApply, endSync } = fixture();
  writeAndApply({ entries: entriesOf(3, 4, 1), committed: entriesOf(1, 2, 1) }, true);
  assertEquals([log.lastIndex(), done(), writer.isBusy], [4, [], true]);
  endSync();
  assertEquals([done(), writer.isBusy], [["advance 1"], false]);
  writer.apply();
  writer.apply();
  assertEquals(done(), ["apply 1", "apply 2"]);
});

Deno.test("if somebody waits, or nothing is written, committed entries are applied at once", () => {
  const { log, done, writeAndApply } = fixture();
  writeAndApply({ committed: entriesOf(1, 1, 1) }, true);
  assertEquals(done(), ["advance 1", "apply 1"]);
  writeAndApply({ entries: entriesOf(3, 3, 1), committed: entriesOf(2, 2, 1) }, false);
  assertEquals([log.lastIndex(), done()], [3, ["apply 2"]]);
});

Deno.test("on a slow disk no more waits than what came with one Ready", () => {
  const { log, done, writeAndApply } = fixture();
  writeAndApply({ entries: entriesOf(3, 3, 1), committed: entriesOf(1, 1, 1) }, true);
  writeAndApply({ entries: entriesOf(4, 4, 1), committed: entriesOf(2, 2, 1) }, true);
  assertEquals([log.lastIndex(), done()], [4, ["apply 1"]]);
  writeAndApply({ committed: entriesOf(3, 3, 1) }, true);
  assertEquals(done(), ["apply 2"]);
});

Deno.test("a Ready with nothing to write is finished with the write before it, without a sync", () => {
  const { writer, syncs, done, writeAndApply, endSync } = fixture();
  writeAndApply({ entries: entriesOf(3, 3, 1) }, true);
  assert(writer.undurableBytes > 20);
  writeAndApply({}, true);
  writeAndApply({ entries: entriesOf(4, 4, 1) }, true);
  writeAndApply({}, true);
  writeAndApply({}, true);
  assertEquals(done(), []);
  endSync();
  assertEquals(done(), ["advance 1", "advance 2"]);
  endSync();
  assertEquals([done(), syncs.length], [["advance 3", "advance 4", "advance 5"], 0]);
  assertEquals(writer.undurableBytes, 0);
  writeAndApply({}, true);
  assertEquals(done(), ["advance 6"]);
});

Deno.test("a snapshot and the entries after it are one durable write", () => {
  const { writer, log, machine, members, applier, syncs, done, writeAndApply, endSync } = fixture();
  writeAndApply({ committed: entriesOf(1, 1, 1) }, true);
  writeAndApply({ entries: entriesOf(3, 3, 1), committed: entriesOf(2, 2, 1) }, true);
  const configuration = coreConfigurationOf(configurationOf(3));
  writeAndApply({
    hardState: { term: 4, vote: null },
    snapshot: { index: 20, term: 3, configuration },
    entries: entriesOf(21, 22, 4),
  }, true);
  // Entries committed before go into the state that is about to be replaced.
  assertEquals(done(), ["advance 1", "apply 1", "apply 2", "install 20"]);
  assertEquals([log.firstIndex(), log.lastIndex(), log.hardState().term], [21, 22, 4]);
  assertEquals(members.newest.index, 20);
  endSync();
  assertEquals([done(), applier.last.index, writer.isBusy], [["advance 2"], 2, true]);
  while (syncs.length > 0) endSync();
  assertEquals(done(), ["prune", "advance 3"]);
  assertEquals([applier.last, writer.isBusy], [{ index: 20, term: 3 }, false]);
  assertEquals([machine.keyspace.size, contentOf(log).entries.length], [1, 2]);
  writeAndApply({ committed: entriesOf(21, 22, 4) }, true);
  assertEquals([done(), machine.keyspace.size], [["advance 4", "apply 21", "apply 22"], 3]);
});

Deno.test("a snapshot is installed when the entries after it are durable as well", () => {
  const { done, writeAndApply, endSync } = fixture();
  const configuration = coreConfigurationOf(configurationOf(3));
  writeAndApply(
    { snapshot: { index: 20, term: 3, configuration }, entries: entriesOf(21, 22, 4) },
    true,
  );
  endSync(); // of the snapshot's place in the log
  assertEquals(done(), ["install 20"]);
  endSync();
  assertEquals(done(), ["prune", "advance 1"]);
});

Deno.test("what is committed behind a snapshot is applied once the snapshot is installed", () => {
  const { writer, syncs, done, writeAndApply, endSync } = fixture();
  const committed = entriesOf(20, 21, 4); // entry 20 is in the snapshot
  const configuration = coreConfigurationOf(configurationOf(3));
  const snapshot = { index: 20, term: 3, configuration };
  writeAndApply({ snapshot, entries: entriesOf(21, 22, 4), committed }, false);
  writer.apply();
  assertEquals(done(), ["install 20"]);
  while (syncs.length > 0) endSync();
  assertEquals(done(), ["prune", "advance 1"]);
  writer.apply();
  assertEquals(done(), ["apply 21"]);
});

Deno.test("a change of members that comes with a snapshot, after it, is known", () => {
  const { members, writeAndApply } = fixture();
  const configuration = coreConfigurationOf(configurationOf(3));
  const changed = { index: 21, term: 4, data: new Batch(1, [], configurationOf(4)), sizeBytes: 1 };
  writeAndApply({ snapshot: { index: 20, term: 3, configuration }, entries: [changed] }, true);
  assertEquals(members.newest, { index: 21, configuration: configurationOf(4) });
});

Deno.test("after the end nothing is applied, installed or reported as durable", () => {
  const { writer, syncs, done, writeAndApply, endSync } = fixture();
  writeAndApply({ entries: entriesOf(3, 3, 1), committed: entriesOf(1, 1, 1) }, true);
  const configuration = coreConfigurationOf(configurationOf(3));
  writeAndApply({ snapshot: { index: 20, term: 3, configuration } }, true);
  done();
  writer.stop();
  while (syncs.length > 0) endSync();
  writer.apply();
  assertEquals(done(), []);
});

Deno.test("entries that this build cannot execute are not applied, nor those after them", () => {
  const { writer, done, writeAndApply } = fixture();
  const raise = { index: 2, term: 1, data: new Batch(1, [], null, 9), sizeBytes: 0 };
  writeAndApply({ committed: [...entriesOf(1, 1, 1), raise, ...entriesOf(3, 3, 1)] }, false);
  assertEquals(done(), ["advance 1", "apply 1", "refused: Cannot apply entry 2"]);
  writer.apply();
  assertEquals(done(), []);
});

Deno.test("entries committed while a long entry is applied are applied after it, in order", () => {
  const { writer, machine, applier, budget, done, writeAndApply } = fixture(1);
  const [first] = entriesOf(1, 1, 1);
  assert(first !== undefined);
  const keys = Array.from({ length: 1_000 }, (_, number) => [`many${number}`, "v"]).flat();
  writeAndApply({ committed: [{ ...first, data: new Batch(1, [["MSET", ...keys]]) }] }, false);
  assertEquals([done(), applier.isBusy], [["advance 1"], true]);
  writeAndApply({ committed: entriesOf(2, 3, 1) }, false);
  writeAndApply({}, false);
  writeAndApply({ committed: entriesOf(4, 4, 1) }, false);
  assertEquals(done(), ["advance 2", "advance 3", "advance 4"]);
  for (let turns = 0; applier.last.index < 4; turns++) {
    assert(turns < 100, "it ends");
    budget.begin(0);
    applier.continueWork();
    writer.apply();
  }
  assertEquals(done(), ["apply 1", "apply 2", "apply 3", "apply 4"]);
  assertEquals([machine.keyspace.size, applier.last.index], [1_003, 4]);
});

/** A node with a log of its own that is committed and applied in turns, of 100 steps each. */
function replay(entries: readonly LogEntry[], unappliedMax: number) {
  const log = new MemoryLog();
  log.append({ term: 1, vote: null }, entries, () => {});
  const raft = new Raft<Batch>({
    id: "n1",
    configurations: [{ index: 0, configuration: { voters: ["n1"], learners: [] } }],
    configurationOf: () => null,
    hardState: log.hardState(),
    log,
    random: seededRandom(1),
    electionTicks: 10,
    heartbeatTicks: 2,
    sizeOf: sizeOfBatch,
  });
  const clock = new ManualClock();
  const pacer = () => new BatchPacer(clock, 4, () => {});
  const budget = new TurnBudget(clock, Infinity, 100);
  const applier = new Applier({
    machine: new StateMachine(),
    proposals: new Proposals(pacer()),
    reads: new ReadQueue(pacer()),
    nowMs: () => 0,
    random: seededRandom(1),
    start: { index: 0, term: 0 },
    budget,
  });
  let isScheduled = true;
  const runner = new ReadyRunner({
    raft,
    log,
    members: new Members({ index: 0, configuration: configurationOf(1) }, []),
    applier,
    snapshots: null,
    unappliedMax,
    onAdvanced: () => {},
    schedule: () => isScheduled = true,
    onRefused: () => {},
  });
  raft.campaign();
  let unappliedCount = 0;
  while (isScheduled || applier.hasWork || !budget.isLeft) {
    isScheduled = false;
    budget.begin(0);
    while (raft.hasReady()) runner.writeAndApply(raft.ready(), false);
    applier.continueWork();
    runner.apply();
    unappliedCount = Math.max(unappliedCount, raft.status().appliedIndex - applier.last.index);
  }
  return { applied: applier.last.index, unappliedCount };
}

Deno.test("committed entries stay in the log while too many wait to be applied", () => {
  for (const unappliedMax of [1, 30, 70]) {
    const { applied, unappliedCount } = replay(entriesOf(1, 1_000, 1), unappliedMax);
    assertEquals(applied, 1_001);
    assert(unappliedCount <= unappliedMax + 1, `${unappliedCount}`); // one is in progress
  }
});

Deno.test("committed entries stay in the log while too many bytes wait to be applied", () => {
  const entries = entriesOf(1, 200, 1, 256 * 1024);
  const { applied, unappliedCount } = replay(entries, Infinity);
  assertEquals(applied, 201);
  assert(unappliedCount <= 32, `${unappliedCount}`); // 8 MiB
});
