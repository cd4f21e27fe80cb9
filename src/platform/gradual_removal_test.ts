import { assert, assertEquals, assertThrows } from "@std/assert";
import { until } from "../../tests/support/until.ts";
import { GradualRemoval } from "./deno_disk.ts";

const MIB = 1024 * 1024;

/** Files in a directory of their own; what a removed one still takes is seen by an open file. */
async function withFiles(
  sizes: Readonly<Record<string, number>>,
  run: (path: (name: string) => string, bytesOf: (name: string) => number) => Promise<void> | void,
): Promise<void> {
  const root = Deno.makeTempDirSync();
  const path = (name: string) => `${root}/${name}`;
  const files = new Map<string, Deno.FsFile>();
  try {
    for (const [name, bytes] of Object.entries(sizes)) {
      Deno.writeFileSync(path(name), new Uint8Array(bytes));
      files.set(name, Deno.openSync(path(name)));
    }
    await run(path, (name) => files.get(name)?.statSync().size ?? NaN);
  } finally {
    for (const file of files.values()) file.close();
    Deno.removeSync(root, { recursive: true });
  }
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
}

Deno.test("a removed name is gone at once, and what many bytes take bit by bit", () =>
  withFiles({ a: 13 * MIB, b: 9 * MIB, small: 10 }, async (path, bytesOf) => {
    const removal = new GradualRemoval();
    for (const name of ["a", "b", "small"]) removal.remove(path(name));
    assertEquals(names(path("")), []);
    assertEquals([bytesOf("a"), bytesOf("b"), bytesOf("small")], [13 * MIB, 9 * MIB, 10]);
    const seen = new Set<number>();
    await until("both are small", () => {
      seen.add(bytesOf("a"));
      return bytesOf("b") === MIB;
    });
    assertEquals(bytesOf("a"), MIB);
    assert([...seen].every((bytes) => bytes % (4 * MIB) === MIB), `${[...seen]}`);
    removal.stop();
  }));

Deno.test("what has another name keeps its content", () =>
  withFiles({ a: 9 * MIB, b: 9 * MIB }, async (path, bytesOf) => {
    const removal = new GradualRemoval();
    Deno.linkSync(path("a"), path("a of a copy"));
    for (const name of ["a", "b"]) removal.remove(path(name));
    await until("what has none is small", () => bytesOf("b") === MIB);
    assertEquals([names(path("")), bytesOf("a")], [["a of a copy"], 9 * MIB]);
    removal.stop();
  }));

Deno.test("after the end nothing is shrunk any more", () =>
  withFiles({ a: 9 * MIB, b: 9 * MIB }, async (path, bytesOf) => {
    const stopped = new GradualRemoval();
    const other = new GradualRemoval();
    stopped.remove(path("a"));
    stopped.stop();
    other.remove(path("b"));
    await until("the other goes on", () => bytesOf("b") === MIB);
    assertEquals(bytesOf("a"), 9 * MIB);
    other.stop();
  }));

Deno.test("what is not there cannot be removed", () =>
  withFiles({}, (path) => {
    assertThrows(() => new GradualRemoval().remove(path("none")), Deno.errors.NotFound);
  }));
