import { assert, assertEquals, assertThrows, fail } from "@std/assert";
import { RandomHistory } from "../../tests/support/random_history.ts";
import { latin1 } from "../base/bytes.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { encodeReply } from "../resp/encode.ts";
import { SnapshotFormatError } from "../store/snapshot_items.ts";
import { StateLoader } from "../store/state_loader.ts";
import type { StateSnapshot } from "../store/state_snapshot.ts";
import { StateMachine } from "./state_machine.ts";
import { lookup } from "./table.ts";

/** All that a state machine is, told without the help of its snapshots. */
function describe(machine: StateMachine): string[] {
  const { keyspace, sessions } = machine;
  const lines = [
    `time ${machine.timeMs} used ${machine.usedBytes} next ${machine.nextDeadlineMs()}`,
    `keys ${keyspace.size} ${keyspace.volatileSize} ${keyspace.expiredCount}`,
    `sessions ${sessions.size} ${sessions.openedCount}`,
  ];
  for (const [index, key] of keyspace.scan(0, Infinity).keys.entries()) {
    const { value, deadlineMs } = keyspace.find(key) ?? fail();
    lines.push(`${index}: ${key}=${value} until ${deadlineMs} ${typeof deadlineMs}`);
  }
  const view = sessions.beginView();
  for (let session = view.read(); session !== null; session = view.read()) {
    const { key, ttlMs, deadlineMs, floor, highest, replies } = session;
    const kept = replies.map(([serial, reply]) => `${serial}: ${encodeReply(reply, 3)}`);
    lines.push(`session ${key} ${ttlMs} ${deadlineMs} ${floor} ${highest}`, ...kept);
  }
  sessions.endView(view);
  const { version, layout, byName, byVersion, bySize, blobs } = machine.files.view();
  lines.push(`files ${version} ${layout.revision} ${JSON.stringify(layout.nodes)}`);
  lines.push(`used ${machine.files.usedBytes} ${machine.files.blobBytes}`);
  for (const { id } of layout.nodes) {
    lines.push(`${id}: ${JSON.stringify(machine.files.heldBy(id))}`);
  }
  for (const tree of [byName, byVersion, bySize, blobs]) {
    for (const one of tree.values()) lines.push(JSON.stringify(one));
  }
  lines.push(JSON.stringify(machine.users.view()), `${machine.users.usedBytes}`);
  const totals = machine.files.totals(1);
  let step = totals.next();
  while (step.done !== true) step = totals.next();
  lines.push(JSON.stringify(step.value));
  return lines;
}

function textsOf(snapshot: StateSnapshot, bytesMax = 4096): string[] {
  const texts: string[] = [];
  for (let chunk = snapshot.next(bytesMax); chunk !== null; chunk = snapshot.next(bytesMax)) {
    texts.push(latin1(chunk, 0, chunk.length));
  }
  return texts;
}

function restored(texts: readonly string[]): StateMachine {
  const loader = new StateLoader();
  for (const text of texts) loader.push(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  const machine = new StateMachine();
  machine.restore(loader, 1);
  return machine;
}

function machineAfter(history: RandomHistory, steps: number): StateMachine {
  const machine = new StateMachine();
  for (let step = 0; step < steps; step++) history.step([machine]);
  return machine;
}

Deno.test("a snapshot contains the state of its beginning, whatever happens meanwhile", () => {
  let changed = 0;
  for (let seed = 0; seed < 40; seed++) {
    const random = seededRandom(seed);
    const history = new RandomHistory(random);
    const machine = machineAfter(history, randomInteger(random, 600));
    const before = describe(machine);
    const texts = textsOf(machine.beginSnapshot());

    const snapshot = machine.beginSnapshot();
    const chunks: Uint8Array[] = [];
    const bytesMax = 100 + randomInteger(random, 4000);
    for (let chunk = snapshot.next(bytesMax); chunk !== null; chunk = snapshot.next(bytesMax)) {
      chunks.push(chunk);
      for (let left = randomInteger(random, 12); left > 0; left--) history.step([machine]);
    }
    if (describe(machine).join() !== before.join()) changed++;
    const copy = restored(chunks.map((chunk) => latin1(chunk, 0, chunk.length)));
    assertEquals(describe(copy), before, `seed ${seed}`);
    assertEquals(textsOf(copy.beginSnapshot()), texts, `seed ${seed}`);
  }
  assert(changed > 35, `only ${changed} histories changed anything`);
});

Deno.test("a restored state behaves like the original", () => {
  for (let seed = 100; seed < 130; seed++) {
    const random = seededRandom(seed);
    const history = new RandomHistory(random);
    const machine = machineAfter(history, 500);
    const copy = restored(textsOf(machine.beginSnapshot()));
    for (let step = 0; step < 500; step++) {
      const [expected, actual] = history.step([machine, copy]);
      assertEquals(actual, expected, `seed ${seed}`);
      assertEquals(copy.usedBytes, machine.usedBytes);
    }
    assertEquals(describe(copy), describe(machine), `seed ${seed}`);
    assertEquals(textsOf(copy.beginSnapshot()), textsOf(machine.beginSnapshot()));
  }
});

Deno.test("chunks are no larger than requested, unless an item is", () => {
  const machine = machineAfter(new RandomHistory(seededRandom(7)), 500);
  for (const text of textsOf(machine.beginSnapshot(), 64 * 1024)) {
    assert(text.length <= 64 * 1024, `${text.length}`);
  }
});

Deno.test("expired keys that wait for their removal keep their positions", () => {
  const machine = new StateMachine();
  const set = lookup("set");
  assert(set !== undefined);
  for (let key = 0; key < 2500; key++) {
    machine.execute(set, ["SET", `k${key}`, "v", "PXAT", String(10 + (key % 3))], 0);
  }
  machine.advanceTime(11);
  const copy = restored(textsOf(machine.beginSnapshot()));
  assertEquals(describe(copy), describe(machine));
  assertEquals([copy.keyspace.storedSize, copy.keyspace.size], [1500, 833]);
  for (const one of [machine, copy]) one.advanceTime(11);
  assertEquals(describe(copy), describe(machine));
});

Deno.test("an unfinished snapshot can be abandoned, and another one begun", () => {
  const history = new RandomHistory(seededRandom(8));
  const machine = machineAfter(history, 300);
  const abandoned = machine.beginSnapshot();
  abandoned.next(500);
  abandoned.end();
  abandoned.end();
  assertEquals(abandoned.next(500), null);
  for (let step = 0; step < 100; step++) history.step([machine]);
  const snapshot = machine.beginSnapshot();
  abandoned.end();
  const before = textsOf(snapshot);
  assertEquals(textsOf(machine.beginSnapshot()), before);
});

Deno.test("a state that replaces another does not disturb the other's snapshot", () => {
  const history = new RandomHistory(seededRandom(9));
  const machine = machineAfter(history, 300);
  const texts = textsOf(machine.beginSnapshot(), 500);
  const snapshot = machine.beginSnapshot();
  const loader = new StateLoader();
  for (const text of texts) loader.push(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  machine.restore(loader, 1);
  for (let step = 0; step < 100; step++) history.step([machine]);
  assertEquals(textsOf(snapshot, 500), texts);
});

Deno.test("half a snapshot is not restored, and none is restored twice", () => {
  const machine = machineAfter(new RandomHistory(seededRandom(10)), 300);
  const before = describe(machine);
  const texts = textsOf(machine.beginSnapshot(), 500);
  const loader = new StateLoader();
  for (const text of texts.slice(0, -1)) {
    loader.push(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  }
  assertThrows(() => machine.restore(loader, 1), SnapshotFormatError, "current state is loading");
  assertEquals(describe(machine), before);
  loader.push(Uint8Array.from(texts.at(-1) ?? "", (char) => char.charCodeAt(0)));
  assert(loader.isComplete);
  machine.restore(loader, 1);
  assertEquals(describe(machine), before);
  assertThrows(() => machine.restore(loader, 1), SnapshotFormatError, "current state is taken");
});
