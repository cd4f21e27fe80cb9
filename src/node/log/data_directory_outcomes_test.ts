import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  DiskCrash,
  type DiskOperation,
  type FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { EVERYTHING_KEPT, EVERYTHING_LOST } from "../../../tests/support/power_loss.ts";
import {
  combinationsOf,
  imageOf,
  type Outcome,
  outcomesOf,
} from "../../../tests/support/power_loss_outcomes.ts";
import {
  type Fault,
  type Played,
  type RecordedRun,
  SYNCS_AT_ONCE,
} from "../../../tests/support/recorded_run.ts";
import { RECORDED_RUNS } from "../../../tests/support/recorded_runs.ts";

const RUNS = Object.entries(RECORDED_RUNS);

/** All operations of a run without failures. */
function operationsOf(run: RecordedRun): DiskOperation[] {
  const operations: DiskOperation[] = [];
  const { failure } = run.play((operation) => {
    operations.push(operation);
    return null;
  });
  assertEquals(failure, null);
  return operations;
}

/** The run up to the death of its process: before an operation, or after a part of it. */
const dieIn = (run: RecordedRun, number: number, bytesWritten = 0): Played =>
  run.play((operation) => operation.number === number ? { kind: "crash", bytesWritten } : null);

/** Each point between two operations at which the process may die, including the end of the run. */
function* pointsOf(run: RecordedRun): Generator<{ played: Played; hint: string }> {
  for (const { number, kind, path } of operationsOf(run)) {
    yield { played: dieIn(run, number), hint: `before operation ${number}, ${kind} ${path}` };
  }
  yield { played: run.play(() => null), hint: "at the end" };
}

/** Disks that were judged already, per run. */
const seenByRun = new Map<RecordedRun, Set<string>>();

function seenOf(run: RecordedRun): Set<string> {
  const seen = seenByRun.get(run) ?? new Set();
  seenByRun.set(run, seen);
  return seen;
}

/**
 * The disks of all outcomes that were not judged before with the same acknowledged and started
 * steps.
 */
function* newDisks(
  played: Played,
  outcomes: Iterable<Outcome>,
  seen: Set<string>,
): Generator<{ disk: FaultDisk; name: string }> {
  const { acknowledged, begun } = played;
  for (const { name, loss } of outcomes) {
    const disk = played.disk.afterCrash(loss, SYNCS_AT_ONCE);
    const image = `${acknowledged} ${begun} ${imageOf(disk)}`;
    if (seen.has(image)) continue;
    seen.add(image);
    yield { disk, name };
  }
}

Deno.test("the runs contain every kind of operation", () => {
  const kinds = new Set<string>();
  let segments = 0;
  for (const [, run] of RUNS) {
    for (const { kind, path } of operationsOf(run)) {
      kinds.add(kind);
      if (kind === "rename" && path === "log/new") segments++;
    }
  }
  const expected = ["create", "makeDirectory", "rename", "sync", "syncDirectory", "syncNow"];
  assertEquals([...kinds].filter((kind) => kind !== "remove").sort(), [...expected, "write"]);
  assert(segments >= 20, `${segments} segments`);
});

for (const [title, run] of RUNS) {
  Deno.test(`every outcome of a loss of power at every point: ${title}`, () => {
    const seen = seenOf(run);
    for (const { played, hint } of pointsOf(run)) {
      for (const { disk, name } of newDisks(played, outcomesOf(played.disk), seen)) {
        run.assertRecovers(disk, played, () => `power lost ${hint}: ${name}`);
      }
    }
    assert(seen.size > 500, `${seen.size} different disks`);
  });
}

/** Writes up to this size are cut at each byte, longer ones at selected places. */
const EACH_BYTE_MAX = 250;

/** The parts of a write that may be done when it fails or the process dies. */
function partsOf({ kind, sizeBytes }: DiskOperation, isEach: boolean): number[] {
  if (kind !== "write") return [0];
  if (isEach && sizeBytes <= EACH_BYTE_MAX) {
    return Array.from({ length: sizeBytes + 1 }, (_, part) => part);
  }
  const parts = [0, 1, 4, 7, 8, 9, sizeBytes >> 1, sizeBytes - 1, sizeBytes];
  return [...new Set(parts)].filter((part) => part >= 0 && part <= sizeBytes);
}

Deno.test("a process that dies at any byte of any write loses nothing acknowledged", () => {
  let count = 0;
  for (const [title, run] of RUNS) {
    for (const operation of operationsOf(run)) {
      for (const part of partsOf(operation, true)) {
        const played = dieIn(run, operation.number, part);
        const disk = played.disk.afterCrash(null, SYNCS_AT_ONCE);
        const { number, kind, path } = operation;
        const hint = () => `${title}: died in operation ${number}, ${kind} ${path}, byte ${part}`;
        run.assertRecovers(disk, played, hint);
        count++;
      }
    }
  }
  assert(count > 5000, `${count} deaths`);
});

Deno.test("a failed operation ends the run, and a restart finds everything acknowledged", () => {
  const error = new Error("input/output error");
  let count = 0;
  for (const [title, run] of RUNS) {
    for (const operation of operationsOf(run)) {
      for (const bytesWritten of partsOf(operation, false)) {
        const { number, kind, path } = operation;
        const played = run.play((operation) =>
          operation.number === number ? { kind: "error", error, bytesWritten } : null
        );
        const hint = () => `${title}: operation ${number}, ${kind} ${path}, failed`;
        // A failed sync whose end the run does not wait for is not known yet, and a segment that
        // cannot be prepared ahead of time is made when it is needed.
        const isSync = kind === "sync" || kind === "syncDirectory";
        assert(played.failure === error || isSync || path === "log/new", hint());
        run.assertRecovers(played.disk.afterCrash(null, SYNCS_AT_ONCE), played, hint);
        const lost = played.disk.afterCrash(EVERYTHING_LOST, SYNCS_AT_ONCE);
        run.assertRecovers(lost, played, () => `${hint()}, then the power`);
        count++;
      }
    }
  }
  assert(count > 1000, `${count} failures`);
});

Deno.test("a disk that is full at any write makes starts fail until there is space", () => {
  const error = new Error("no space left on device");
  const needsRoom = ["write", "create", "makeDirectory"];
  for (const [title, run] of RUNS) {
    for (const first of operationsOf(run)) {
      if (!needsRoom.includes(first.kind)) continue;
      for (const part of partsOf(first, false)) {
        const full: Fault = ({ number, kind }) =>
          number < first.number || !needsRoom.includes(kind)
            ? null
            : { kind: "error", error, bytesWritten: number === first.number ? part : 0 };
        const played = run.play(full);
        const hint = () => `${title}: full at operation ${first.number}, byte ${part}`;
        // As long as the segment has room, the next one need not be prepared.
        assert(played.failure === error || first.path === "log/new", hint());
        let { disk } = played;
        for (let start = 0; start < 2; start++) {
          disk = disk.afterCrash(null, {
            ...SYNCS_AT_ONCE,
            fault: ({ kind }) => needsRoom.includes(kind) ? { kind: "error", error } : null,
          });
          const refusal = assertThrows(() => run.openAndClose(disk), Error, "", hint());
          assertEquals(refusal, error, hint());
        }
        run.assertRecovers(disk.afterCrash(null, SYNCS_AT_ONCE), played, hint);
        const lost = disk.afterCrash(EVERYTHING_LOST, SYNCS_AT_ONCE);
        run.assertRecovers(lost, played, () => `${hint()}, then the power`);
      }
    }
  }
});

/** The disks that a crash in each operation of a start may leave. The start finds `found`. */
function* crashesOfStart(run: RecordedRun, found: (fault: Fault) => FaultDisk, played: Played) {
  const operations: DiskOperation[] = [];
  run.openAndClose(found((operation) => (operations.push(operation), null)));
  for (const { number, kind, path, sizeBytes } of operations) {
    for (const bytesWritten of new Set([0, sizeBytes >> 1])) {
      const name =
        `died in operation ${number} of the start, ${kind} ${path}, byte ${bytesWritten}`;
      const disk = found((operation) =>
        operation.number === number ? { kind: "crash", bytesWritten } : null
      );
      assertThrows(() => run.openAndClose(disk), DiskCrash);
      yield { name, disk: disk.afterCrash(null, SYNCS_AT_ONCE) };
      if (bytesWritten > 0) continue;
      const isNew = newDisks({ ...played, disk }, combinationsOf(disk), seenOf(run));
      for (const { name: outcome, disk } of isNew) yield { name: `${name}, ${outcome}`, disk };
    }
  }
}

Deno.test("every outcome of a second crash, in the start after the first", () => {
  let count = 0;
  for (const [title, run] of RUNS) {
    for (const { number, kind, path, sizeBytes } of operationsOf(run)) {
      for (const part of new Set([0, sizeBytes >> 1])) {
        const played = dieIn(run, number, part);
        const losses = part === 0 ? [null, EVERYTHING_LOST, EVERYTHING_KEPT] : [EVERYTHING_KEPT];
        for (const loss of losses) {
          const found = (fault: Fault) => played.disk.afterCrash(loss, { ...SYNCS_AT_ONCE, fault });
          for (const { name, disk } of crashesOfStart(run, found, played)) {
            const hint = () => `${title}: died in operation ${number}, ${kind} ${path}; ${name}`;
            run.assertRecovers(disk, played, hint);
            count++;
          }
        }
      }
    }
  }
  assert(count > 10_000, `${count} second crashes`);
});
