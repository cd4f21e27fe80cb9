import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FaultDisk } from "../../../tests/support/fault_disk.ts";
import { contentOf, entriesOf } from "../../../tests/support/log_entries.ts";
import { SYNCS_AT_ONCE } from "../../../tests/support/recorded_run.ts";
import { UserError } from "../../base/errors.ts";
import { type DataDirectoryOptions, openDataDirectory } from "./data_directory.ts";

const OPTIONS: DataDirectoryOptions = {
  nodeId: "n1",
  nonce: "nonce",
  clusterId: "c1",
  members: new Map([["n1", "127.0.0.1:17001"], ["n2", "127.0.0.1:17002"]]),
  segmentBytesMax: 1000,
  onFailure: (error) => {
    throw error;
  },
};

/** Full segments, one that a conflict started, and a restart, all of it acknowledged. */
function used(): FaultDisk {
  const disk = new FaultDisk(SYNCS_AT_ONCE);
  let acknowledged = 0;
  const done = () => acknowledged++;
  const first = openDataDirectory(disk, OPTIONS).log;
  first.append({ term: 1, vote: "n1" }, entriesOf(1, 3, 1, 60), done);
  first.append(null, entriesOf(4, 5, 1, 150), done);
  first.append({ term: 2, vote: "n2" }, entriesOf(4, 6, 2), done);
  first.close();
  const second = openDataDirectory(disk, OPTIONS).log;
  second.append({ term: 3, vote: null }, entriesOf(3, 4, 3), done);
  second.append({ term: 3, vote: "n2" }, [], done);
  second.append(null, entriesOf(4, 5, 3), done);
  second.close();
  assertEquals(acknowledged, 6);
  return disk;
}

/** Everything in the directory. */
function stateOf(disk: FaultDisk): string {
  const { identity, log } = openDataDirectory(disk, OPTIONS);
  const state = { ...identity, members: [...identity.members], content: contentOf(log) };
  log.close();
  return JSON.stringify(state);
}

const DISK = used();
const STATE = stateOf(DISK.afterCrash(null, SYNCS_AT_ONCE));
/** The prepared file of the next segment means nothing. */
const FILES = [...DISK.everything()].flatMap(([path, file]) =>
  file === null || path === "log/new" ? [] : [{ path, bytes: file.content() }]
);

/**
 * Opens the directory with one file replaced, or removed by `null`: it says what it said, or is
 * refused in words that name the file. Returns the refusal.
 */
function openDamaged(path: string, bytes: Uint8Array | null, hint: () => string): string | null {
  const disk = DISK.afterCrash(null, SYNCS_AT_ONCE);
  if (bytes === null) disk.remove(path);
  else disk.plant(path, bytes);
  let state: string;
  try {
    state = stateOf(disk);
  } catch (error) {
    if (!(error instanceof UserError)) throw new Error(`${hint()}: ${error}`);
    if (bytes !== null) assertStringIncludes(error.message, `data/n1/${path}`, hint());
    return error.message;
  }
  if (state !== STATE) assertEquals(state, STATE, hint());
  return null;
}

/** The name of a file that does not exist. */
function missingText(path: string): string {
  if (path === "identity.json") return "it holds a log but no identity.json";
  if (path === "log/synced") return 'the file "synced" is missing';
  return `data/n1/log: segment ${Number(path.split(/[/-]/)[1])} is missing`;
}

const isSegment = (path: string) => path.endsWith(".log");
/** The end of the written bytes, without trailing zeros. */
const usedBytes = (bytes: Uint8Array) => bytes.findLastIndex((byte) => byte !== 0) + 1;

Deno.test("the directory has an identity, several segments and a mark", () => {
  assertEquals(FILES.map(({ path }) => path).filter((path) => !isSegment(path)).sort(), [
    "identity.json",
    "log/synced",
  ]);
  assert(FILES.filter(({ path }) => isSegment(path)).length >= 4);
});

Deno.test("a prepared segment means nothing, whatever it contains", () => {
  const bytes = DISK.afterCrash(null).read("log/new");
  assert(bytes !== null, "one was prepared");
  const segment = FILES.find(({ path }) => isSegment(path))?.bytes ?? bytes;
  for (const content of [null, bytes.slice(0, 1), new Uint8Array(0), segment]) {
    assertEquals(openDamaged("log/new", content, () => `log/new: ${content?.length}`), null);
  }
});

Deno.test("each flipped byte of each file is reported with its name, or changes nothing", () => {
  const changes: readonly ((byte: number) => number)[] = [
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((bit) => (byte: number) => byte ^ (1 << bit)),
    (byte) => byte ^ 0xff,
    () => 0,
    () => 0x7b,
    () => 0x22,
  ];
  for (const { path, bytes } of FILES) {
    const end = usedBytes(bytes);
    for (let at = 0; at < bytes.length && at < end + 16; at++) {
      for (const change of changes) {
        const damaged = bytes.slice();
        damaged[at] = change(bytes[at] ?? 0);
        if (damaged[at] === bytes[at]) continue;
        const hint = () => `${path}: byte ${at} is ${damaged[at]}`;
        const refusal = openDamaged(path, damaged, hint);
        if (isSegment(path) && at < end) assert(refusal !== null, hint());
        if (path === "log/synced") assertEquals(refusal, null, hint());
      }
    }
  }
});

Deno.test("each file cut at each byte is reported with its name, or changes nothing", () => {
  for (const { path, bytes } of FILES) {
    for (let length = 0; length < bytes.length; length++) {
      const hint = () => `${path} cut to ${length}`;
      const refusal = openDamaged(path, bytes.slice(0, length), hint);
      if (isSegment(path)) assertEquals(refusal !== null, length < usedBytes(bytes), hint());
    }
  }
});

Deno.test("a file with zeros or foreign bytes from any offset on is refused or changes nothing", () => {
  for (const { path, bytes } of FILES) {
    const end = usedBytes(bytes);
    for (let at = 0; at < end; at++) {
      for (const fill of [0, 0xff]) {
        const hint = () => `${path} filled from ${at}`;
        const refusal = openDamaged(path, bytes.slice().fill(fill, at), hint);
        if (isSegment(path)) assert(refusal !== null, hint());
      }
    }
  }
});

Deno.test("each file that is missing, or has another's name, is refused", () => {
  for (const { path } of FILES) {
    const refusal = openDamaged(path, null, () => `without ${path}`) ?? "";
    assertStringIncludes(refusal, missingText(path), `without ${path}`);
    for (const { path: other, bytes } of FILES) {
      if (other === path) continue;
      const hint = () => `${other} at the place of ${path}`;
      const refusal = openDamaged(path, bytes, hint);
      assert(refusal !== null || path === "log/synced", hint());
    }
  }
});
