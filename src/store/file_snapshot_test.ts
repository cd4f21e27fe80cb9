import { assert, assertEquals, assertThrows } from "@std/assert";
import { blobId, chunksOf, FILE_TIME_MS, FileMachine } from "../../tests/support/file_machine.ts";
import { randomInteger, seededRandom } from "../base/random.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { encodeFiles } from "./file_snapshot.ts";
import { SnapshotFormatError } from "./snapshot_items.ts";
import { StateLoader } from "./state_loader.ts";

const encoder = new TextEncoder();
const [A, B, C] = ["a", "b", "c"].map((digit) => digit.repeat(32)) as [string, string, string];

function machineOfAll(): FileMachine {
  const one = new FileMachine();
  one.addNodes("n2", "n1");
  one.file("NODE", "n3", "[::1]:7", "0.5", 9, 8);
  one.file("DRAIN", "n3");
  one.file("OUT", "n3");
  one.commit("f\xc3\xa9", A, "n1,n2", {
    options: ["TYPE", "a/b", "OWNER", "me", "TAGS", '{"a":1}'],
  });
  one.commit("d", B, "n1,n2");
  one.commit("d", C, "n1,n2");
  one.file("LOST", "n1", B);
  return one;
}

const T = FILE_TIME_MS;
const ITEMS: readonly (readonly unknown[])[] = [
  ["files", 3, 5, 3, 2, 1],
  ["filenode", "n1", "n1:7000", "1", 1_000_000, 500, 0, 0],
  ["filenode", "n2", "n2:7000", "1", 1_000_000, 500, 0, 0],
  ["filenode", "n3", "[::1]:7", "0.5", 9, 8, 1, 1],
  ["file", A, 10, A + A, "f\xc3\xa9", 1, 1, 3, T, T, "a/b", "me", '{"a":1}', "n1", "n2"],
  ["dead", B, 10, B + B, "n2"],
  ["file", C, 10, C + C, "d", 3, 2, 3, T, T, "", "", "{}", "n1", "n2"],
];

function load(...items: readonly (readonly unknown[])[]): StateMachine {
  const loader = new StateLoader();
  const all = [["state", 2, 1, 0, 0, 0, 0], ...items, ["end"]];
  loader.push(encoder.encode(JSON.stringify(all)));
  const machine = new StateMachine();
  machine.restore(loader, 2);
  return machine;
}

Deno.test("a state without files has the snapshot that it always had", () => {
  const one = new FileMachine();
  one.file("LIST");
  one.file("DELETE", "none");
  one.file("OUT", "none");
  const [chunk] = chunksOf(one.machine);
  const text = new TextDecoder().decode(chunk);
  assertEquals(text, '[["state",2,1700000000000,0,0,0,0],["end"]]');
});

Deno.test("files, nodes and dead contents have an item each", () => {
  const one = machineOfAll();
  const items = [...encodeFiles(one.machine.files.view())].map((item) => JSON.parse(item));
  assertEquals(items, ITEMS.map((item) => [...item]));
  const machine = load(...ITEMS);
  assertEquals([...encodeFiles(machine.files.view())].map((item) => JSON.parse(item)), items);
  assertEquals(machine.usedBytes, one.machine.usedBytes);
  assertEquals(machine.files.blobBytes, one.machine.files.blobBytes);
});

Deno.test("the counters of an index that is empty again are kept", () => {
  const one = new FileMachine();
  one.addNodes("n1");
  one.commit("f", A, "n1");
  one.file("DELETE", "f");
  one.file("LOST", "n1", A);
  one.file("FORGET", "n1");
  assertEquals([...encodeFiles(one.machine.files.view())], ['["files",2,2,0,0,0]']);
  const copy = one.restored();
  copy.addNodes("n1");
  assertEquals(copy.commit("f", A, "n1"), 3);
});

Deno.test("a snapshot contains the files of its beginning, whatever happens meanwhile", () => {
  const random = seededRandom(3);
  const one = new FileMachine();
  one.addNodes("n1", "n2", "n3");
  let blobs = 0;
  const change = () => {
    const name = `f${randomInteger(random, 300)}`;
    const blob = blobId(randomInteger(random, blobs + 1));
    const chance = random();
    if (chance < 0.5) one.commit(name, blobId(++blobs), "n1,n2");
    else if (chance < 0.6) one.file("DELETE", name);
    else if (chance < 0.8) one.file("HELD", "n3", blob);
    else if (chance < 0.99) one.file("LOST", "n1", blob);
    else one.file(random() < 0.5 ? "OUT" : "DRAIN", "n3");
  };
  for (let step = 0; step < 1_500; step++) change();
  for (let round = 0; round < 5; round++) {
    const before = chunksOf(one.machine, 2_000);
    assert(before.length > 20, `${before.length}`);
    const snapshot = one.machine.beginSnapshot();
    const chunks: Uint8Array[] = [];
    for (let chunk = snapshot.next(2_000); chunk !== null; chunk = snapshot.next(2_000)) {
      chunks.push(chunk);
      for (let step = 0; step < 30; step++) change();
    }
    assertEquals(chunks, before);
  }
  assertEquals(chunksOf(one.restored().machine), chunksOf(one.machine));
});

Deno.test("items that are wrong, missing, out of order or there twice are refused", () => {
  const [files, n1, n2, n3, f, dead, d] = ITEMS;
  assert(files && n1 && n2 && n3 && f && dead && d);
  const withNode = (...node: unknown[]) => [files, ["filenode", ...node], n2, n3, f, dead, d];
  const withFile = (at: number, value: unknown) => [files, n1, n2, n3, f, dead, d.with(at, value)];
  const withDead = (at: number, value: unknown) => [files, n1, n2, n3, f, dead.with(at, value), d];
  const swapped = (at: number) => [
    ...ITEMS.slice(0, at),
    ...ITEMS.slice(at, at + 2).toReversed(),
    ...ITEMS.slice(at + 2),
  ];
  const wrong: readonly (readonly (readonly unknown[])[])[] = [
    ...ITEMS.map((_, at) => ITEMS.toSpliced(at, 1)),
    ...ITEMS.slice(1).map((_, at) => swapped(at)),
    ...ITEMS.map((item, at) => ITEMS.toSpliced(at, 0, item)),
    [["files", 0, 0, 0, 0, 0]],
    [["files", 1, 1, 129, 0, 0]],
    withNode("n1", "nowhere", "1", 1, 1, 0, 0),
    withNode("n/1", "h:1", "1", 1, 1, 0, 0),
    withNode("n1", "h:1", 1, 1, 1, 0, 0),
    withNode("n1", "h:1", "1.0", 1, 1, 0, 0),
    withNode("n1", "h:1", "65", 1, 1, 0, 0),
    withNode("n1", "h:1", "1", -1, 1, 0, 0),
    withNode("n1", "h:1", "1", 1, 1, 2, 0),
    withNode("n1", "h:1", "1", 1, 1, 0),
    ...["", "a\n", "\xff", "f\xc3\xa9", 1].map((name) => withFile(4, name)),
    ...[0, 4, 1, "2"].map((version) => withFile(5, version)),
    ...[0, 4, "2"].map((createdVersion) => withFile(6, createdVersion)),
    ...["x", A, B].map((blob) => withFile(1, blob)),
    ...[-1, 0.5, Number.MAX_SAFE_INTEGER].map((size) => withFile(2, size)),
    ...["x", C].map((sha256) => withFile(3, sha256)),
    ...[0, 17].map((copies) => withFile(7, copies)),
    withFile(8, T + 1),
    withFile(9, -1),
    withFile(10, "\n"),
    withFile(11, "\0"),
    withFile(12, "[]"),
    ...["n2", "n9", 1].map((holder) => withFile(13, holder)),
    withFile(14, "n1"),
    ...["x", A, C].map((blob) => withDead(1, blob)),
    withDead(2, -1),
    withDead(3, "x"),
    withDead(4, "n9"),
    [files, n1, n2, n3, f, dead.slice(0, -1), d],
    [...ITEMS, ["session", "1-1", 1, 1, 0, 0, 0]],
    [...ITEMS, ["reply", 1, "_\r\n"]],
    [...ITEMS, ["key", "a", "b"]],
  ];
  for (const items of wrong) {
    assertThrows(
      () => load(...items),
      SnapshotFormatError,
      "Cannot load a chunk",
      JSON.stringify(items),
    );
  }
  assertEquals(load(...ITEMS).files.size, 2);
});
