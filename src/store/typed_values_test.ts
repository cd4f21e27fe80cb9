import { assert, assertEquals, assertThrows, fail } from "@std/assert";
import {
  ITEM_BYTES,
  itemsOf,
  type List,
  LIST_BYTES,
  listCopies,
  listType,
  type ListView,
} from "../../tests/support/store/list_value.ts";
import { isByteString, textOf } from "../base/byte_string.ts";
import { type Random, randomInteger, seededRandom } from "../base/random.ts";
import { DEADLINE_BYTES, type DeadlineMs } from "./deadlines.ts";
import { FileIndex } from "./file_index.ts";
import { KEY_OVERHEAD_BYTES, Keyspace } from "./keyspace.ts";
import { OnceSessions } from "./once_sessions.ts";
import { Settings } from "./settings.ts";
import { StateLoader } from "./state_loader.ts";
import { StateSnapshot } from "./state_snapshot.ts";
import { isOfType } from "./values/value.ts";

function listAt(keyspace: Keyspace, key: string): ListView {
  const { value = "" } = keyspace.find(key) ?? {};
  return isOfType(value, listType) ? value : fail(`${key} holds no list`);
}

function push(keyspace: Keyspace, key: string, ...items: readonly string[]): void {
  keyspace.edit(key, listType, (list) => items.forEach((item) => list.push(item)));
}

/** Number of copies that are made by this. */
function copiesOf(action: () => void): number {
  listCopies.count = 0;
  action();
  return listCopies.count;
}

Deno.test("an edit makes a list, changes it in place, and removes it with its last item", () => {
  const keyspace = new Keyspace();
  assertEquals(keyspace.edit("k", listType, (list) => list.pop()), undefined);
  assertEquals(keyspace.storedSize, 0);
  const copies = copiesOf(() => {
    push(keyspace, "k", "a", "b");
    push(keyspace, "k", "c");
    assertEquals(keyspace.edit("k", listType, (list) => list.pop()), "c");
  });
  assertEquals(copies, 0);
  assertEquals(itemsOf(listAt(keyspace, "k")), ["a", "b"]);
  keyspace.edit("k", listType, (list) => [list.pop(), list.pop()]);
  assertEquals([keyspace.has("k"), keyspace.storedSize, keyspace.usedBytes], [false, 0, 0]);
});

Deno.test("an edit keeps the deadline, and a list that is due is a new one without", () => {
  const keyspace = new Keyspace();
  for (let count = 0; count < 1_001; count++) {
    push(keyspace, `k${count}`, "old");
    keyspace.setDeadline(`k${count}`, 10);
  }
  push(keyspace, "k0", "new");
  assertEquals(keyspace.find("k0")?.deadlineMs, 10);
  keyspace.advanceTime(10);
  const [due = fail()] = Array.from({ length: 1_001 }, (_, count) => `k${count}`).sort().slice(-1);
  assertEquals(keyspace.storedSize, 1);
  keyspace.edit(due, listType, (list) => list.pop());
  assertEquals(keyspace.storedSize, 1, "an edit that makes nothing changes nothing");
  push(keyspace, due, "new");
  assertEquals(itemsOf(listAt(keyspace, due)), ["new"]);
  assertEquals(keyspace.find(due)?.deadlineMs, null);
  assertEquals(keyspace.usedBytes, KEY_OVERHEAD_BYTES + due.length + listAt(keyspace, due).bytes);
});

Deno.test("a copy shares the list until one of the two keys is edited", () => {
  for (const edited of ["one", "two"]) {
    const keyspace = new Keyspace();
    push(keyspace, "one", "a", "b");
    keyspace.setDeadline("one", 10);
    const copies = copiesOf(() => {
      keyspace.copy("one", "two");
      assert(listAt(keyspace, "one") === listAt(keyspace, "two"));
    });
    assertEquals(copies, 0);
    assertEquals(keyspace.find("two")?.deadlineMs, 10);
    assertEquals(copiesOf(() => push(keyspace, edited, "c")), 1);
    assertEquals(copiesOf(() => push(keyspace, edited, "d")), 0, "a list is copied once only");
    const other = edited === "one" ? "two" : "one";
    assertEquals(itemsOf(listAt(keyspace, other)), ["a", "b"]);
    assertEquals(itemsOf(listAt(keyspace, edited)), ["a", "b", "c", "d"]);
  }
});

Deno.test("a list that is renamed is edited in place, unless another key shares it", () => {
  const keyspace = new Keyspace();
  push(keyspace, "one", "a");
  keyspace.rename("one", "two");
  assertEquals(copiesOf(() => push(keyspace, "two", "b")), 0);
  keyspace.copy("two", "three");
  keyspace.rename("three", "four");
  keyspace.rename("two", "five");
  assertEquals(copiesOf(() => push(keyspace, "four", "c")), 1);
  assertEquals(itemsOf(listAt(keyspace, "five")), ["a", "b"]);
});

Deno.test("a list is copied once for a view that is open, and not after its end", () => {
  const keyspace = new Keyspace();
  push(keyspace, "old", "a");
  push(keyspace, "untouched", "a");
  const view = keyspace.beginView();
  push(keyspace, "new", "a");
  assertEquals(copiesOf(() => push(keyspace, "new", "b")), 0, "the view does not see it");
  assertEquals(copiesOf(() => push(keyspace, "old", "b")), 1);
  assertEquals(copiesOf(() => push(keyspace, "old", "c")), 0);
  const image = view.read();
  const value = image?.value ?? fail();
  assert(isOfType(value, listType));
  assertEquals(itemsOf(value), ["a"]);
  keyspace.rename("untouched", "renamed");
  assertEquals(copiesOf(() => push(keyspace, "renamed", "b")), 1, "a view is to read it");
  keyspace.endView(view);
  push(keyspace, "second", "a");
  const next = keyspace.beginView();
  keyspace.endView(next);
  assertEquals(copiesOf(() => push(keyspace, "second", "b")), 0, "nobody holds it any more");
});

Deno.test("a list that a view has handed out does not change while it is read", () => {
  const keyspace = new Keyspace();
  push(keyspace, "k", "a", "b");
  const view = keyspace.beginView();
  const value = view.read()?.value ?? fail();
  assert(isOfType(value, listType));
  push(keyspace, "k", "c");
  assertEquals(itemsOf(value), ["a", "b"]);
});

Deno.test("what an edit has done before it throws stays, whether the list was copied or not", () => {
  const states = [false, true].map((isShared) => {
    const keyspace = new Keyspace();
    push(keyspace, "k", "a");
    if (isShared) keyspace.beginView();
    for (const key of ["k", "new"]) {
      assertThrows(
        () =>
          keyspace.edit(key, listType, (list) => {
            list.push("b");
            throw new RangeError("half-way");
          }),
        RangeError,
        "half-way",
      );
    }
    return [
      ...["k", "new"].map((key) => itemsOf(listAt(keyspace, key))),
      keyspace.usedBytes,
    ];
  });
  assertEquals(states[0], states[1]);
  assertEquals(states[0]?.slice(0, 2), [["a", "b"], ["b"]]);
  assertEquals(states[0]?.[2], 2 * KEY_OVERHEAD_BYTES + 4 + 2 * LIST_BYTES + 3 * (ITEM_BYTES + 1));
});

Deno.test("an edit of another type, or one that touches its key, is a bug", () => {
  const keyspace = new Keyspace();
  for (const value of ["short", "long".repeat(5_000), new Uint8Array(70_000)]) {
    keyspace.set("k", value);
    assertThrows(() => push(keyspace, "k", "a"), Error, "it is of another type");
  }
  keyspace.delete("k");
  push(keyspace, "k", "a");
  assertThrows(
    () => keyspace.edit("k", listType, () => keyspace.delete("k")),
    Error,
    "its key was touched meanwhile",
  );
});

Deno.test("what was read cannot be changed, nor stored, for the compiler", () => {
  const keyspace = new Keyspace();
  push(keyspace, "k", "a");
  const list = listAt(keyspace, "k");
  const neverCalled = () => {
    // @ts-expect-error: a list that was read has no `push`
    list.push("b");
    // @ts-expect-error: a list that was read is not stored as one that nobody else holds
    keyspace.restoreValue("other", listType, list, null);
    // @ts-expect-error: nor by `set`, which takes strings
    keyspace.set("other", list);
    // @ts-expect-error: nor is it taken for a string
    textOf(keyspace.find("k")?.value ?? "");
  };
  assertEquals(typeof neverCalled, "function");
});

/** What a key should have; the items of lists are never shared between two models. */
interface Expected {
  readonly value: string | readonly string[];
  readonly deadlineMs: DeadlineMs | null;
}

type Model = ReadonlyMap<string, Expected>;

function bytesOf(model: Model): number {
  let bytes = 0;
  for (const [key, { value, deadlineMs }] of model) {
    bytes += KEY_OVERHEAD_BYTES + key.length;
    if (typeof value === "string") bytes += value.length;
    else {
      bytes += LIST_BYTES;
      for (const item of value) bytes += ITEM_BYTES + item.length;
    }
    if (deadlineMs !== null) bytes += DEADLINE_BYTES + key.length;
  }
  return bytes;
}

function contentOf(keyspace: Keyspace): Model {
  const content = new Map<string, Expected>();
  for (const key of keyspace.scan(0, keyspace.storedSize).keys) {
    const { value, deadlineMs } = keyspace.find(key) ?? fail();
    const plain = isByteString(value) ? textOf(value) : itemsOf(listAt(keyspace, key)).map(textOf);
    content.set(key, { value: plain, deadlineMs });
  }
  return content;
}

function randomItem(random: Random): string {
  const chance = random();
  const letter = String.fromCharCode(randomInteger(random, 256));
  if (chance < 0.01) return letter.repeat(8_100 + randomInteger(random, 200));
  if (chance < 0.015) return letter.repeat(32_767 + randomInteger(random, 40_000));
  return letter.repeat(randomInteger(random, 40));
}

/** One random change of keyspace and model. */
function change(keyspace: Keyspace, model: Map<string, Expected>, random: Random): void {
  const key = `k${randomInteger(random, 12)}`;
  const other = `k${randomInteger(random, 12)}`;
  const expected = model.get(key);
  const chance = random();
  if (chance < 0.5) {
    if (typeof expected?.value === "string") return;
    const items = [...expected?.value ?? []];
    const apply = (list: Pick<List, "push" | "pop" | "set" | "length"> | null) => {
      const edits = seededRandom(randomInteger(random, 2 ** 30));
      for (let left = 1 + randomInteger(edits, 5); left > 0; left--) {
        const item = randomItem(edits);
        const kind = randomInteger(edits, items.length < 30 ? 6 : 12);
        if (items.length > 0 && kind >= 4) {
          items.pop();
          list?.pop();
        } else if (items.length > 0 && kind === 3) {
          const at = randomInteger(edits, items.length);
          items[at] = item;
          list?.set(at, item);
        } else {
          items.push(item);
          list?.push(item);
        }
      }
    };
    keyspace.edit(key, listType, apply);
    if (items.length === 0) model.delete(key);
    else model.set(key, { value: items, deadlineMs: expected?.deadlineMs ?? null });
  } else if (chance < 0.62) {
    if (expected === undefined || key === other) return;
    keyspace.copy(key, other);
    model.set(other, structuredClone(expected));
  } else if (chance < 0.72) {
    if (expected === undefined) return;
    keyspace.rename(key, other);
    model.delete(key);
    model.set(other, expected);
  } else if (chance < 0.8) {
    assertEquals(keyspace.delete(key), model.delete(key));
  } else if (chance < 0.86) {
    const value = randomItem(random);
    keyspace.set(key, value);
    model.set(key, { value, deadlineMs: null });
  } else if (chance < 0.92) {
    if (expected === undefined) return;
    const deadlineMs = keyspace.timeMs + 1 + randomInteger(random, 40);
    keyspace.setDeadline(key, deadlineMs);
    model.set(key, { ...expected, deadlineMs });
  } else if (chance < 0.997) {
    keyspace.advanceTime(keyspace.timeMs + randomInteger(random, 3));
    for (const [one, { deadlineMs }] of model) {
      if (deadlineMs !== null && deadlineMs <= keyspace.timeMs) model.delete(one);
    }
  } else {
    keyspace.clear();
    model.clear();
  }
}

function chunksOf(keyspace: Keyspace, bytesMax: number): Uint8Array[] {
  const snapshot = new StateSnapshot(keyspace, new OnceSessions(), new Settings(), new FileIndex());
  const chunks = [];
  for (let chunk = snapshot.next(bytesMax); chunk !== null; chunk = snapshot.next(bytesMax)) {
    chunks.push(chunk);
  }
  return chunks;
}

function loaded(chunks: readonly Uint8Array[]): Keyspace {
  const loader = new StateLoader(undefined, [listType]);
  for (const chunk of chunks) loader.push(chunk);
  return loader.take().keyspace;
}

Deno.test("a snapshot in slices holds lists as they were at its beginning", () => {
  let changed = 0;
  for (let seed = 0; seed < 150; seed++) {
    const random = seededRandom(seed);
    const keyspace = new Keyspace();
    const model = new Map<string, Expected>();
    for (let round = 0; round < 3; round++) {
      for (let left = randomInteger(random, 150); left > 0; left--) {
        change(keyspace, model, random);
      }
      assertEquals(contentOf(keyspace), model, `seed ${seed}`);
      const before = structuredClone(model);
      const bytesMax = 50 + randomInteger(random, 400);
      const expectedChunks = chunksOf(keyspace, bytesMax);

      const snapshot = new StateSnapshot(
        keyspace,
        new OnceSessions(),
        new Settings(),
        new FileIndex(),
      );
      const chunks: Uint8Array[] = [];
      for (let chunk = snapshot.next(bytesMax); chunk !== null; chunk = snapshot.next(bytesMax)) {
        chunks.push(chunk);
        for (let left = randomInteger(random, 4); left > 0; left--) {
          change(keyspace, model, random);
          assertEquals(keyspace.usedBytes, bytesOf(model), `seed ${seed}`);
        }
      }
      assertEquals(chunks, expectedChunks, `seed ${seed}`);
      const copy = loaded(chunks);
      assertEquals(contentOf(copy), before, `seed ${seed}`);
      assertEquals(copy.usedBytes, bytesOf(before), `seed ${seed}`);
      assertEquals(chunksOf(copy, bytesMax), chunks, `seed ${seed}`);
      assertEquals(contentOf(keyspace), model, `seed ${seed}`);
      if (JSON.stringify([...before]) !== JSON.stringify([...model])) changed++;

      const beforeMore = structuredClone(before);
      for (let left = 50; left > 0; left--) change(copy, beforeMore, random);
      assertEquals(contentOf(copy), beforeMore, `seed ${seed}`);
      assertEquals(copy.usedBytes, bytesOf(beforeMore), `seed ${seed}`);
    }
  }
  assert(changed > 300, `only ${changed} snapshots saw a change`);
});
