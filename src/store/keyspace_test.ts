import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { EXPIRED_PER_STEP_MAX } from "./deadlines.ts";
import { Keyspace } from "./keyspace.ts";
import type { KeyImage, KeyspaceView } from "./keyspace_view.ts";
import type { Found } from "./values/value.ts";

/** All that a keyspace is: its keys in order of position, due ones as well. */
function stateOf(keyspace: Keyspace): KeyImage[] {
  const view = keyspace.beginView();
  const keys: KeyImage[] = [];
  for (let key = view.read(); key !== null; key = view.read()) keys.push(key);
  keyspace.endView(view);
  return keys;
}

/** Those that are not due, the last position first. */
function keysOf(keyspace: Keyspace): string[] {
  return keyspace.scan(0, keyspace.storedSize).keys;
}

function setUntil(keyspace: Keyspace, key: string, deadlineMs: number, value = ""): void {
  keyspace.set(key, value);
  keyspace.setDeadline(key, deadlineMs);
}

/** One random change. */
function change(keyspace: Keyspace, random: Random): void {
  const key = `k${randomInteger(random, 50)}`;
  const exists = keyspace.has(key);
  const choice = randomInteger(random, 10);
  if (choice < 4) keyspace.set(key, `v${randomInteger(random, 1000)}`);
  else if (choice < 6) keyspace.delete(key);
  else if (choice === 6) keyspace.advanceTime(keyspace.timeMs + randomInteger(random, 20));
  else if (exists && choice === 7) keyspace.clearDeadline(key);
  else if (exists) {
    keyspace.setDeadline(key, keyspace.timeMs + randomInteger(random, 200) - 10);
  }
}

/** What comes out of steps, all of them taken at once. */
function wholeOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

Deno.test("a keyspace behaves like a map with deadlines", () => {
  const random = seededRandom(1);
  const keyspace = new Keyspace();
  const model = new Map<string, Found>();
  for (let step = 0; step < 20_000; step++) {
    const number = randomInteger(random, 50);
    const key = number < 5 ? String(number).repeat(300) : `k${number}`;
    const value = String(step).padEnd([0, 0, 20, 90, 5000][randomInteger(random, 5)] ?? 0);
    const found = keyspace.find(key);
    const expected = model.get(key);
    assertEquals(found, expected);
    assertEquals(keyspace.has(key), expected !== undefined);
    switch (randomInteger(random, 5)) {
      case 0:
        keyspace.set(key, value);
        model.set(key, { value, deadlineMs: null });
        break;
      case 1:
        keyspace.update(key, value);
        model.set(key, { value, deadlineMs: expected?.deadlineMs ?? null });
        break;
      case 2: {
        if (expected === undefined) break;
        const deadlineMs = keyspace.timeMs + randomInteger(random, 100) - 5;
        keyspace.setDeadline(key, deadlineMs);
        model.set(key, { ...expected, deadlineMs });
        break;
      }
      case 3:
        assertEquals(keyspace.delete(key), model.delete(key));
        break;
      case 4:
        keyspace.advanceTime(keyspace.timeMs + randomInteger(random, 3));
    }
    for (const [modelKey, { deadlineMs }] of model) {
      if (deadlineMs !== null && deadlineMs <= keyspace.timeMs) model.delete(modelKey);
    }
    assertEquals(keyspace.size, model.size);
  }
  assertEquals(keysOf(keyspace).sort(), [...model.keys()].sort());
});

Deno.test("values of any length stay what they are, in a view as well", () => {
  const random = seededRandom(2);
  const keyspace = new Keyspace();
  const model = new Map<string, string>();
  let view: { readonly view: KeyspaceView; readonly expected: Map<string, string> } | null = null;
  for (let step = 0; step < 40_000; step++) {
    const key = `k${randomInteger(random, 300)}`;
    const letter = String.fromCharCode(randomInteger(random, 256));
    const choice = randomInteger(random, 10_000);
    if (choice === 0) {
      keyspace.clear();
      model.clear();
    } else if (choice < 3_000) {
      assertEquals(keyspace.delete(key), model.delete(key));
    } else {
      const value = letter.repeat(randomInteger(random, choice < 5_000 ? 6_000 : 100));
      keyspace.set(key, value);
      model.set(key, value);
    }
    if (view === null) {
      if (step % 50 === 0) view = { view: keyspace.beginView(), expected: new Map(model) };
    } else {
      const image = view.view.read();
      if (image !== null) {
        assertEquals(image.value, view.expected.get(image.key));
        view.expected.delete(image.key);
      } else {
        assertEquals(view.expected.size, 0);
        keyspace.endView(view.view);
        view = null;
      }
    }
    if (view === null && step % 500 === 0) {
      assertEquals(new Map(stateOf(keyspace).map(({ key, value }) => [key, value])), model);
    }
  }
});

Deno.test("short values that come and go leave no room behind that is lost", () => {
  const keyspace = new Keyspace();
  for (let times = 0; times < 50; times++) {
    for (let key = 0; key < 1_000; key++) keyspace.set(`${times} ${key}`, "v".repeat(key % 90));
    for (let key = 0; key < 1_000; key++) keyspace.delete(`${times} ${key}`);
  }
  assert(keyspace.arenaBytes < 2 ** 19, `${keyspace.arenaBytes}`);
  keyspace.clear();
  assertEquals(keyspace.arenaBytes, 0);
});

Deno.test("equal calls give equal states, positions included", () => {
  const [one, other] = [new Keyspace(), new Keyspace()];
  const [random, sameRandom] = [seededRandom(2), seededRandom(2)];
  for (let step = 0; step < 5000; step++) {
    change(one, random);
    change(other, sameRandom);
  }
  assertEquals(stateOf(one), stateOf(other));
});

Deno.test("reads change nothing", () => {
  const [read, untouched] = [new Keyspace(), new Keyspace()];
  const [random, sameRandom] = [seededRandom(3), seededRandom(3)];
  for (let step = 0; step < 3000; step++) {
    change(read, random);
    change(untouched, sameRandom);
    read.find(`k${step % 50}`);
    read.scan(step % 7, 3);
    wholeOf(read.keyNearInSteps(step));
  }
  assertEquals(stateOf(read), stateOf(untouched));
});

Deno.test("a scan meets every key that exists all the while", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = seededRandom(seed);
    const keyspace = new Keyspace();
    for (let key = 0; key < 60; key++) keyspace.set(`old${key}`, "");
    const met = new Set<string>();
    let cursor = 0;
    do {
      const step = keyspace.scan(cursor, 1 + randomInteger(random, 7));
      for (const key of step.keys) met.add(key);
      cursor = step.cursor;
      for (let left = randomInteger(random, 4); left > 0; left--) {
        keyspace.delete(`old${randomInteger(random, 40)}`);
        keyspace.set(`new${randomInteger(random, 20)}`, "");
        keyspace.delete(`new${randomInteger(random, 20)}`);
      }
    } while (cursor !== 0);
    for (let key = 40; key < 60; key++) assert(met.has(`old${key}`), `seed ${seed}: old${key}`);
  }
});

Deno.test("a scan looks at as many keys as it is told", () => {
  const keyspace = new Keyspace();
  for (let key = 0; key < 10; key++) keyspace.set(`k${key}`, "");
  const first = keyspace.scan(0, 4);
  assertEquals(first.keys, ["k9", "k8", "k7", "k6"]);
  assertEquals(first.cursor, 6);
  assertEquals(keyspace.scan(6, 6).cursor, 0);
  assertEquals(keyspace.scan(99, 1).keys, ["k9"]);
});

Deno.test("a key ends when the log's time reaches its deadline, and not before", () => {
  const keyspace = new Keyspace();
  keyspace.advanceTime(1000);
  setUntil(keyspace, "k", 1500, "v");
  assertEquals(keyspace.nextDeadlineMs(), 1500);
  keyspace.advanceTime(1499);
  assertEquals(keyspace.find("k")?.value, "v");
  keyspace.advanceTime(1500);
  assertEquals(keyspace.find("k"), undefined);
  assertEquals(keyspace.expiredCount, 1);
  assertEquals(keyspace.nextDeadlineMs(), null);
});

Deno.test("time never goes back", () => {
  const keyspace = new Keyspace();
  keyspace.advanceTime(1000);
  keyspace.advanceTime(10);
  assertEquals(keyspace.timeMs, 1000);
});

Deno.test("a deadline that has come removes the key at once", () => {
  const keyspace = new Keyspace();
  keyspace.advanceTime(1000);
  setUntil(keyspace, "k", 1000, "v");
  assertEquals(keyspace.storedSize, 0);
});

Deno.test("of a storm of due keys each step removes a part, and the rest counts as absent", () => {
  const keyspace = new Keyspace();
  const count = 4 * EXPIRED_PER_STEP_MAX + 5;
  for (let key = 0; key < count; key++) setUntil(keyspace, `k${key}`, 10);
  keyspace.set("stays", "");
  keyspace.advanceTime(10);
  assertEquals(keyspace.storedSize, count + 1 - EXPIRED_PER_STEP_MAX);
  assertEquals(keyspace.size, 1);
  assertEquals(wholeOf(keyspace.countInSteps()), 1);
  assertEquals(keyspace.nextDeadlineMs(), 10);
  assertEquals(keysOf(keyspace), ["stays"]);
  for (let key = 0; key < count; key++) assertEquals(keyspace.find(`k${key}`), undefined);
  for (let position = 0; position < 20; position++) {
    assertEquals(wholeOf(keyspace.keyNearInSteps(position * 97)), "stays");
  }
  const stepsMin = Math.floor((keyspace.storedSize - 1) / 1024);
  const counting = [...keyspace.countInSteps()].length;
  const looking = Array.from(
    { length: keyspace.storedSize },
    (_, position) => [...keyspace.keyNearInSteps(position)].length,
  );
  assert(stepsMin >= 2 && counting >= stepsMin, `${counting} steps to count`);
  assertEquals(Math.max(...looking), stepsMin, "of a search that passes by all others");
  const view = keyspace.beginKeyView();
  assert(view !== null);
  const seen: (string | null)[] = [];
  for (let name = view.read(); name !== null; name = view.read()) seen.push(name.key);
  keyspace.endView(view);
  assertEquals(seen.length, keyspace.storedSize);
  assertEquals(seen.filter((key) => key !== null), ["stays"]);

  const due = keyspace.volatileSize;
  const [left] = Array.from({ length: count }, (_, key) => `k${key}`).sort().slice(-1);
  assertEquals(keyspace.delete(left ?? ""), false, "a due key did not exist");
  assertEquals(keyspace.volatileSize, due - 1, "but it is gone now");
  for (let step = 0; step < 4; step++) keyspace.advanceTime(10);
  assertEquals(keyspace.storedSize, 1);
});

Deno.test("setting a due key gives it a new life without a deadline", () => {
  const keyspace = new Keyspace();
  for (let key = 0; key <= EXPIRED_PER_STEP_MAX; key++) {
    setUntil(keyspace, `k${String(key).padStart(5, "0")}`, 10);
  }
  keyspace.advanceTime(10);
  const last = `k${String(EXPIRED_PER_STEP_MAX).padStart(5, "0")}`;
  assertEquals(keyspace.find(last), undefined);
  keyspace.set(last, "new");
  keyspace.advanceTime(20);
  assertEquals(keyspace.find(last)?.value, "new");
});

Deno.test("a deadline that is set again and again leaves nothing behind", () => {
  const keyspace = new Keyspace();
  keyspace.set("k", "");
  for (let deadlineMs = 1; deadlineMs < 1000; deadlineMs++) keyspace.setDeadline("k", deadlineMs);
  assertEquals(keyspace.volatileSize, 1);
  keyspace.set("k", "");
  assertEquals(keyspace.volatileSize, 0);
});

Deno.test("names such as __proto__ are keys like any other", () => {
  const keyspace = new Keyspace();
  for (const key of ["__proto__", "constructor", "toString", ""]) {
    assertEquals(keyspace.find(key), undefined);
    keyspace.set(key, "1");
    keyspace.setDeadline(key, 10);
    assertEquals(keyspace.find(key), { value: "1", deadlineMs: 10 });
    keyspace.set(key, "2");
    assertEquals(keyspace.find(key), { value: "2", deadlineMs: null });
    assert(keyspace.delete(key));
    assertEquals(keyspace.find(key), undefined);
  }
});

Deno.test("a key that is not there has no deadline to change", () => {
  const keyspace = new Keyspace();
  assertThrows(() => keyspace.setDeadline("k", 10), Error, "it is not there");
  assertThrows(() => keyspace.clearDeadline("k"), Error, "it is not there");
});

Deno.test("what is used goes back to nothing when everything is gone", () => {
  const keyspace = new Keyspace();
  const random = seededRandom(5);
  for (let step = 0; step < 2000; step++) change(keyspace, random);
  assert(keyspace.usedBytes > 0);
  for (let key = 0; key < 50; key++) keyspace.delete(`k${key}`);
  assertEquals(keyspace.usedBytes, 0);
  setUntil(keyspace, "k", 10 ** 15, "v");
  keyspace.clear();
  assertEquals([keyspace.usedBytes, keyspace.size, keyspace.volatileSize], [0, 0, 0]);
  assertEquals(wholeOf(keyspace.keyNearInSteps(0)), null);
});
