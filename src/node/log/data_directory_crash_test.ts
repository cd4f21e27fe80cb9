import { assert, assertEquals } from "@std/assert";
import {
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import {
  configurationEntryOf,
  describeEntry,
  entryOf,
} from "../../../tests/support/log_entries.ts";
import {
  contentOfNewest,
  expectedContent,
  snapshotElsewhere,
  takeSnapshot,
} from "../../../tests/support/snapshots.ts";
import { type Random, randomInteger, seededRandom } from "../../base/random.ts";
import type { HardState } from "../../raft/types.ts";
import { type DataDirectory, openDataDirectory } from "./data_directory.ts";
import type { LogEntry } from "./entry.ts";

/** The steps of a node's life that change its directory. */
type Step =
  | {
    readonly kind: "append";
    readonly hardState: HardState | null;
    readonly entries: readonly LogEntry[];
  }
  /** Takes a snapshot, after which the entries in it are removed. */
  | { readonly kind: "snapshot"; readonly index: number; readonly term: number }
  /** Another node's snapshot replaces the log. `index` and `term` are those of its last entry. */
  | { readonly kind: "install"; readonly terms: readonly number[] };

const at = (term: number, vote: string | null = null): HardState => ({ term, vote });

const entryAt = (index: number, term: number): LogEntry =>
  index % 7 === 0 ? configurationEntryOf(index, term, 3) : entryOf(index, term, index * 97 % 500);

function append(hardState: HardState | null, from: number, to: number, term = 0): Step {
  const entries = Array.from({ length: to - from + 1 }, (_, i) => entryAt(from + i, term));
  return { kind: "append", hardState, entries };
}

const snapshot = (index: number, term: number): Step => ({ kind: "snapshot", index, term });

/** Terms of entries 1, 2, …, as pairs of a term and its number of entries. */
const terms = (...runs: readonly (readonly [number, number])[]) =>
  runs.flatMap(([term, count]) => Array.from({ length: count }, () => term));

const LIFE: readonly Step[] = [
  append(at(1, "n1"), 1, 6, 1),
  append(null, 7, 10, 1),
  snapshot(8, 1),
  append(at(2), 11, 14, 2),
  snapshot(13, 2),
  append(null, 15, 16, 2),
  // A tail that is cut off, and a snapshot of its replacement, perhaps before that is synced.
  append(at(3), 16, 18, 3),
  snapshot(17, 3),
  append(at(5), 1, 0),
  { kind: "install", terms: terms([1, 10], [2, 5], [3, 3], [5, 12]) },
  append(null, 31, 33, 5),
  append(at(6, "n1"), 34, 40, 6),
  append(at(7), 1, 0),
  { kind: "install", terms: terms([1, 10], [2, 5], [3, 3], [5, 15], [7, 3]) },
  append(null, 37, 39, 7),
  snapshot(37, 7),
  snapshot(39, 7),
  append(at(8, "n2"), 40, 46, 8),
];

/** A log, including the entries that a snapshot covers. */
interface State {
  readonly hardState: HardState;
  /** Of entries 1, 2, … */
  readonly terms: readonly number[];
}

/** Every state that a crash may leave, in order, and where each step is complete. */
function statesOf(life: readonly Step[]): { states: State[]; complete: number[] } {
  let state: State = { hardState: at(0), terms: [] };
  const states = [state];
  const complete: number[] = [];
  const note = (change: Partial<State>) => states.push(state = { ...state, ...change });
  for (const step of life) {
    if (step.kind === "append") {
      if (step.hardState !== null) note({ hardState: step.hardState });
      for (const { index, term } of step.entries) {
        note({ terms: state.terms.slice(0, index - 1) });
        note({ terms: [...state.terms, term] });
      }
    } else if (step.kind === "install") note({ terms: step.terms });
    complete.push(states.length - 1);
  }
  return { states, complete };
}

const { states: STATES, complete: COMPLETE } = statesOf(LIFE);

function open(disk: FaultDisk, onFailure: (error: Error) => void): DataDirectory {
  return openDataDirectory(disk, {
    nodeId: "n1",
    nonce: "nonce",
    clusterId: "c1",
    members: new Map([["n1", "127.0.0.1:17001"]]),
    segmentBytesMax: 1200,
    onFailure,
  });
}

interface Life {
  readonly disk: FaultDisk;
  /** Number of steps that are certainly durable. */
  acknowledged: number;
  begun: number;
  failure: Error | null;
  /** Snapshots that the disk refused. */
  lostSnapshots: number;
  /** A snapshot is being written. */
  isTaking: boolean;
}

/** Runs to the end, or until the disk fails. Syncs end late. */
function live(fault: (operation: DiskOperation) => DiskFault | null): Life {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ fault, schedule: (run) => running.push(run) });
  const life: Life = {
    disk,
    acknowledged: 0,
    begun: 0,
    failure: null,
    lostSnapshots: 0,
    isTaking: false,
  };
  const drain = () => {
    for (let run = running.shift(); run !== undefined; run = running.shift()) run();
  };
  try {
    const directory = open(disk, (error) => life.failure ??= error);
    for (const [number, step] of LIFE.entries()) {
      if (life.failure !== null) break; // a node whose log has failed begins nothing more
      life.begun = number + 1;
      const acknowledge = () => life.acknowledged = number + 1;
      while (!take(directory, step, acknowledge, life, drain)) life.lostSnapshots++;
      // Snapshots swallow every error: is the process dead?
      disk.list("");
      if (number % 3 === 1) drain();
      else running.shift()?.();
      if (life.failure !== null) break; // a node whose log failed takes no snapshot
    }
    drain();
    disk.list("");
  } catch (error) {
    life.failure ??= error as Error;
  }
  return life;
}

/** @returns `false` when the disk did not take an incoming snapshot, which the node cannot do without */
function take(
  { log, snapshots }: DataDirectory,
  step: Step,
  acknowledge: () => void,
  life: Life,
  drain: () => void,
): boolean {
  if (step.kind === "append") log.append(step.hardState, step.entries, acknowledge);
  else if (step.kind === "snapshot") {
    const { index, term } = step;
    if (life.isTaking) drain(); // one at a time
    life.isTaking = true;
    takeSnapshot(snapshots, index, term, (stored) => {
      life.isTaking = false;
      if (stored === null) life.lostSnapshots++;
      else {
        snapshots.prune();
        log.compact(index);
      }
    });
  } else {
    const index = step.terms.length;
    const term = step.terms.at(-1) ?? 0;
    const { snapshot, bytes } = snapshotElsewhere(index, term);
    let isInstalled = false;
    for (let offset = 0; offset < bytes.length; offset += 100) {
      snapshots.receive(snapshot)?.write(bytes.subarray(offset, offset + 100), offset);
    }
    const incoming = snapshots.receive(snapshot);
    if (incoming?.offset === bytes.length) {
      incoming.finish((stored) => {
        if (stored === null) return;
        isInstalled = true;
        log.reset(index, term, null, acknowledge);
        snapshots.prune();
      });
    }
    drain();
    life.disk.list("");
    return isInstalled;
  }
  return true;
}

function isState(directory: DataDirectory, { hardState, terms }: State): boolean {
  const { log, snapshots } = directory;
  const covered = snapshots.newest();
  const own = log.hardState();
  if (own.term !== hardState.term || own.vote !== hardState.vote) return false;
  if (log.lastIndex() !== terms.length) return false;
  for (let index = log.firstIndex() - 1; index <= log.lastIndex(); index++) {
    if (log.term(index) !== (terms[index - 1] ?? 0)) return false;
  }
  return covered === null ||
    (covered.index <= terms.length && covered.term === terms[covered.index - 1]);
}

/** Checks that everything the node would read is whole and was written. */
function assertReadable({ log, snapshots }: DataDirectory, hint: string): void {
  const covered = snapshots.newest();
  assert(log.firstIndex() - 1 <= (covered?.index ?? 0), `${hint}: a gap behind the snapshot`);
  if (covered !== null) {
    assertEquals(contentOfNewest(snapshots), expectedContent(covered.index, covered.term), hint);
  }
  if (log.lastIndex() < log.firstIndex()) return;
  const entries = log.entries(log.firstIndex(), log.lastIndex(), Infinity);
  const expected = entries.map(({ index, term }) => entryAt(index, term));
  assertEquals(entries.map(describeEntry), expected.map(describeEntry), hint);
  const configured = entries.filter(({ data }) => (data?.configuration ?? null) !== null);
  assertEquals(
    log.configurations().map(({ index }) => index),
    configured.map((e) => e.index),
    hint,
  );
}

/** Opens the directory and checks that it holds everything acknowledged, and nothing else. */
function assertRecovers(found: FaultDisk, { acknowledged, begun }: Life, hint: string): void {
  const disk = found.afterCrash(null, { schedule: (run) => run() });
  const directory = open(disk, fail);
  const { log, snapshots } = directory;
  const from = acknowledged === 0 ? 0 : COMPLETE[acknowledged - 1] ?? 0;
  const to = begun === 0 ? 0 : COMPLETE[begun - 1] ?? 0;
  const isLegal = STATES.slice(from, to + 1).some((state) => isState(directory, state));
  assert(isLegal, `${hint}: ${log.firstIndex()} to ${log.lastIndex()} ${describe(directory)}`);
  assertReadable(directory, hint);

  // The next power failure must not lose what this start found and relied on.
  const survivor = disk.afterCrash(seededRandom(acknowledged));

  // The node goes on: what the crash brought back is removed, and the next start finds the same.
  const term = log.hardState().term + 1;
  const next = log.lastIndex() + 1;
  log.append(at(term), [entryAt(next, term), entryAt(next + 1, term)], () => {});
  const covered = snapshots.newest();
  if (covered !== null) {
    snapshots.prune();
    log.compact(covered.index);
    assertEquals(disk.list("snapshots").length, 1, hint);
  }
  const grown = describe(directory);
  log.close();
  snapshots.close();
  const again = open(disk.afterCrash(null), fail);
  assertEquals(describe(again), grown, hint);
  assertReadable(again, hint);
  const afterPowerLoss = open(survivor, fail);
  assert(afterPowerLoss.log.lastIndex() >= next - 1, `${hint}: lost after the start`);
  assertReadable(afterPowerLoss, hint);
}

function describe({ log, snapshots }: DataDirectory): string {
  const terms = [];
  for (let i = log.firstIndex() - 1; i <= log.lastIndex(); i++) terms.push(log.term(i));
  const covered = snapshots.newest();
  return JSON.stringify([log.hardState(), log.firstIndex(), terms, covered?.index, covered?.term]);
}

function fail(error: Error): never {
  throw error;
}

const WHOLE = live(() => null);
const OPERATION_COUNT = WHOLE.disk.operationCount;

function crashAt(number: number, bytesWritten: number): Life {
  return live((operation) =>
    operation.number === number
      ? { kind: "crash", bytesWritten: Math.min(bytesWritten, operation.sizeBytes) }
      : null
  );
}

const powerLossOrNot = (random: Random) => randomInteger(random, 2) === 0 ? null : random;

Deno.test("the recorded life contains every step and kind of operation", () => {
  const kinds = new Set<string>();
  const { acknowledged, failure, lostSnapshots, disk } = live(({ kind, path }) => {
    kinds.add(`${kind} ${path.replace(/[-\d]+/, "").replace(/[-\d]+/, "")}`);
    return null;
  });
  assertEquals([acknowledged, failure, lostSnapshots], [LIFE.length, null, 0]);
  for (const kind of ["remove log/.log", "remove snapshots/.snapshot", "rename snapshots/new"]) {
    assert(kinds.has(kind), `${kind} is none of ${[...kinds].join(", ")}`);
  }
  assert(kinds.has("rename snapshots/incoming") && kinds.has("syncDirectory snapshots"));
  assertEquals(disk.list("snapshots").length, 1);
  const directory = open(disk, fail);
  assertEquals(directory.snapshots.newest()?.index, 39);
  assert(directory.log.firstIndex() > 30);
});

Deno.test("a process that dies in any operation restarts with everything acknowledged", () => {
  const random = seededRandom(1);
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    for (const bytesWritten of [0, 1, randomInteger(random, 300), 1e6]) {
      const life = crashAt(number, bytesWritten);
      const hint = `died in operation ${number} after ${bytesWritten} bytes`;
      assertRecovers(life.disk.afterCrash(null), life, hint);
    }
  }
});

Deno.test("a loss of power in any operation loses nothing acknowledged", () => {
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    const life = crashAt(number, number * 131 % 300);
    for (let seed = 1; seed <= 8; seed++) {
      const hint = `lost power in operation ${number}, seed ${seed}`;
      assertRecovers(life.disk.afterCrash(seededRandom(number * 1000 + seed)), life, hint);
    }
  }
});

Deno.test("crash after crash, during the start too, loses nothing acknowledged", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = seededRandom(seed);
    const life = crashAt(1 + randomInteger(random, OPERATION_COUNT), randomInteger(random, 300));
    let { disk } = life;
    for (let crash = 0; crash < 3; crash++) {
      const number = 1 + randomInteger(random, 14);
      disk = disk.afterCrash(powerLossOrNot(random), {
        schedule: (run) => run(),
        fault: (operation) =>
          operation.number === number ? { kind: "crash", bytesWritten: 0 } : null,
      });
      try {
        const { log, snapshots } = open(disk, fail);
        const covered = snapshots.newest();
        snapshots.prune();
        if (covered !== null) log.compact(covered.index);
      } catch (error) {
        assertEquals((error as Error).name, "DiskCrash", `seed ${seed}: ${error}`);
      }
    }
    assertRecovers(disk.afterCrash(powerLossOrNot(random)), life, `seed ${seed}`);
  }
});

Deno.test("a directory from before snapshots existed keeps its first one", () => {
  const disk = new FaultDisk({ schedule: (run) => run() });
  const { log } = open(disk, fail);
  for (let index = 1; index <= 20; index++) log.append(null, [entryAt(index, 1)], () => {});
  log.close();
  const old = new FaultDisk({ schedule: (run) => run() });
  for (const path of ["identity.json", ...disk.list("log").map((name) => `log/${name}`)]) {
    old.plant(path, disk.read(path) ?? new Uint8Array(0));
  }
  old.makeDirectory("log");
  old.syncDirectoryNow("");
  const directory = open(old, fail);
  takeSnapshot(directory.snapshots, 20, 1, () => directory.log.compact(20));
  for (let seed = 1; seed <= 20; seed++) {
    const again = open(old.afterCrash(seededRandom(seed)), fail);
    assertEquals([again.snapshots.newest()?.index, again.log.lastIndex()], [20, 20]);
  }
});

Deno.test("a disk error in a snapshot costs the snapshot, in the log it ends the node", () => {
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    let failed: DiskOperation | null = null;
    const life = live((operation) => {
      if (operation.number !== number) return null;
      failed = operation;
      const error = new Error("no space left on device");
      return { kind: "error", error, bytesWritten: Math.floor(operation.sizeBytes / 2) };
    });
    const { path = "", kind = "" } = (failed ?? {}) as Partial<DiskOperation>;
    const hint = `${kind} ${path} (operation ${number}) failed`;
    const isOfSnapshot = path.startsWith("snapshots") && life.begun > 0;
    // Old files that stay only take space.
    // A segment may be created later if it could not be prepared ahead of time.
    const isEarly = path === "log/new" && life.failure === null;
    const isHarmless = life.begun > 0 && (kind === "remove" || isEarly);
    if (isHarmless) assertEquals([life.failure, life.acknowledged], [null, LIFE.length], hint);
    else if (!isOfSnapshot) assert(life.failure?.message.includes("no space"), hint);
    else {
      assertEquals([life.failure, life.acknowledged], [null, LIFE.length], hint);
      assert(life.lostSnapshots === (kind === "remove" ? 0 : 1), `${hint}: ${life.lostSnapshots}`);
    }
    assertRecovers(life.disk.afterCrash(null), life, hint);
    assertRecovers(life.disk.afterCrash(seededRandom(number)), life, `${hint}, then the power`);
  }
});
