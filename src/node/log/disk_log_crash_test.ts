import { assert, assertEquals } from "@std/assert";
import {
  type DiskFault,
  type DiskOperation,
  FaultDisk,
} from "../../../tests/support/fault_disk.ts";
import { contentOf, entriesOf } from "../../../tests/support/log_entries.ts";
import { type Append, statesOf } from "../../../tests/support/log_states.ts";
import { type Random, randomInteger, seededRandom } from "../../base/random.ts";
import type { HardState } from "../../raft/types.ts";
import { DiskLog } from "./disk_log.ts";

const at = (term: number, vote: string | null = null): HardState => ({ term, vote });

/** Elections, batches, conflicts within a segment and across segments, and many segments. */
const HISTORY: readonly Append[] = [
  { hardState: at(1, "n1"), entries: [] },
  { hardState: null, entries: entriesOf(1, 3, 1) },
  { hardState: null, entries: entriesOf(4, 4, 1, 700) },
  { hardState: null, entries: entriesOf(5, 6, 1) },
  { hardState: at(2), entries: entriesOf(6, 8, 2) },
  { hardState: at(4, "n3"), entries: [] },
  { hardState: null, entries: entriesOf(9, 12, 4, 300) },
  { hardState: at(5), entries: entriesOf(3, 5, 5, 200) },
  { hardState: null, entries: entriesOf(6, 6, 5) },
  { hardState: at(6, "n2"), entries: entriesOf(4, 9, 6, 900) },
  { hardState: null, entries: entriesOf(10, 11, 6) },
  { hardState: at(7), entries: entriesOf(11, 12, 7) },
];

const { states, complete: COMPLETE } = statesOf(HISTORY);
const STATES = states.map((state) => JSON.stringify(state));

function open(disk: FaultDisk, onFailure: (error: Error) => void): DiskLog {
  const options = {
    clusterId: "c1",
    nodeId: "n1",
    nonce: "nonce",
    create: true,
    segmentBytesMax: 1500,
  };
  return DiskLog.open(disk, { ...options, onFailure });
}

/** Plays the history with late syncs, until it ends or the disk fails. */
function play(fault: (operation: DiskOperation) => DiskFault | null) {
  const running: (() => void)[] = [];
  const disk = new FaultDisk({ fault, schedule: (run) => running.push(run) });
  let failure: Error | null = null;
  let acknowledged = 0;
  let begun = 0;
  try {
    const log = open(disk, (error) => failure = error);
    for (const [number, { hardState, entries }] of HISTORY.entries()) {
      begun = number + 1;
      log.append(hardState, entries, () => {
        assertEquals(acknowledged, number, "acknowledged out of order");
        acknowledged = number + 1;
      });
      if (failure !== null) break;
      if (number % 3 !== 1) running.shift()?.();
    }
    while (running.length > 0) running.shift()?.();
  } catch (error) {
    failure = error as Error;
  }
  return { disk, acknowledged, begun, failure };
}

/**
 * Opens the log and checks that it holds everything acknowledged, and nothing that was never
 * written.
 */
function assertRecovers(found: FaultDisk, acknowledged: number, begun: number, hint: string): void {
  const disk = found.afterCrash(null, { schedule: (run) => run() });
  const log = open(disk, (error) => {
    throw error;
  });
  const state = JSON.stringify(contentOf(log));
  const possible = STATES.slice(COMPLETE[acknowledged], (COMPLETE[begun] ?? 0) + 1);
  assert(possible.includes(state), `${hint}: ${state}`);

  // Records written after the place of the crash must stay readable, and so must all others.
  const term = log.hardState().term + 1;
  log.append(at(term), entriesOf(log.lastIndex() + 1, log.lastIndex() + 3, term, 400), () => {});
  const grown = contentOf(log);
  log.close();
  const again = open(disk.afterCrash(null), () => {});
  assertEquals(contentOf(again), grown, hint);
}

const OPERATION_COUNT = play(() => null).disk.operationCount;

/** What may be left of a write, from nothing to all of it. */
const parts = ({ sizeBytes }: DiskOperation, random: Random) => [
  0,
  1,
  7,
  8,
  randomInteger(random, sizeBytes + 1),
  Math.max(0, sizeBytes - 1),
  sizeBytes,
];

function crashAt(number: number, bytesWritten: number) {
  return play((operation) =>
    operation.number === number
      ? { kind: "crash", bytesWritten: Math.min(bytesWritten, operation.sizeBytes) }
      : null
  );
}

Deno.test("the history contains every kind of operation", () => {
  const kinds = new Map<string, number>();
  const { acknowledged, failure } = play(({ kind }) => {
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    return null;
  });
  assertEquals([acknowledged, failure], [HISTORY.length, null]);
  assert((kinds.get("rename") ?? 0) >= 5 && (kinds.get("sync") ?? 0) >= 5, `${[...kinds]}`);
});

Deno.test("a process that dies in any operation loses nothing acknowledged", () => {
  const random = seededRandom(1);
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    let written = [0];
    play((operation) => {
      if (operation.number === number) written = parts(operation, random);
      return null;
    });
    for (const bytesWritten of written) {
      const { disk, acknowledged, begun } = crashAt(number, bytesWritten);
      const hint = `died in operation ${number} after ${bytesWritten} bytes`;
      assertRecovers(disk.afterCrash(null), acknowledged, begun, hint);
    }
  }
});

Deno.test("a loss of power in any operation loses nothing acknowledged", () => {
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    for (let seed = 1; seed <= 25; seed++) {
      const random = seededRandom(number * 1000 + seed);
      const { disk, acknowledged, begun } = crashAt(number, randomInteger(random, 1000));
      const hint = `lost power in operation ${number}, seed ${seed}`;
      assertRecovers(disk.afterCrash(random), acknowledged, begun, hint);
    }
  }
});

Deno.test("crash after crash, in recovery too, loses nothing acknowledged", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const random = seededRandom(seed);
    const first = crashAt(1 + randomInteger(random, OPERATION_COUNT), randomInteger(random, 1000));
    let { disk } = first;
    for (let crash = 0; crash < 3; crash++) {
      const number = 1 + randomInteger(random, 12);
      disk = disk.afterCrash(randomInteger(random, 2) === 0 ? null : random, {
        fault: (operation) =>
          operation.number === number ? { kind: "crash", bytesWritten: 0 } : null,
      });
      try {
        open(disk, () => {}).close();
      } catch (error) {
        assertEquals((error as Error).name, "DiskCrash", `seed ${seed}: ${error}`);
      }
    }
    const powerLoss = randomInteger(random, 2) === 0 ? null : random;
    assertRecovers(disk.afterCrash(powerLoss), first.acknowledged, first.begun, `seed ${seed}`);
  }
});

Deno.test("a failed operation is final, and everything acknowledged is there", () => {
  const random = seededRandom(7);
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    const { disk, acknowledged, begun, failure } = play((operation) =>
      operation.number === number
        ? {
          kind: "error",
          error: new Error("no space left on device"),
          bytesWritten: randomInteger(random, operation.sizeBytes + 1),
        }
        : null
    );
    assert(failure?.message.includes("no space left"), `operation ${number}: ${failure}`);
    const hint = `operation ${number} failed`;
    assertRecovers(disk.afterCrash(null), acknowledged, begun, hint);
    assertRecovers(disk.afterCrash(random), acknowledged, begun, `${hint}, then the power`);
  }
});

Deno.test("a failed sync is not trusted after a restart until it is repeated in full", () => {
  for (let number = 1; number <= OPERATION_COUNT; number++) {
    let kind = "";
    const { disk } = play((operation) => {
      if (operation.number !== number) return null;
      kind = operation.kind;
      return { kind: "error", error: new Error("input/output error") };
    });
    if (kind !== "sync" && kind !== "syncNow") continue;
    // The kernel marks dropped pages as clean. The next process may rely on what it reads.
    const restarted = disk.afterCrash(null);
    const log = open(restarted, () => {});
    const content = contentOf(log);
    for (let seed = 1; seed <= 5; seed++) {
      const afterPowerLoss = open(restarted.afterCrash(seededRandom(seed)), () => {});
      assertEquals(contentOf(afterPowerLoss), content, `operation ${number}, seed ${seed}`);
    }
  }
});
