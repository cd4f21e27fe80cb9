import { assert, assertEquals, assertThrows } from "@std/assert";
import { until } from "../../../tests/support/until.ts";
import { GradualRemoval } from "./gradual_removal.ts";

const MIB = 1024 * 1024;

/** Files in a directory of their own; what a removed file still takes is seen by its other name. */
async function withFiles(
  sizes: Readonly<Record<string, number>>,
  run: (path: (name: string) => string, bytesOf: (name: string) => number) => Promise<void> | void,
): Promise<void> {
  const root = Deno.makeTempDirSync();
  const path = (name: string) => `${root}/${name}`;
  try {
    for (const [name, bytes] of Object.entries(sizes)) {
      Deno.writeFileSync(path(name), new Uint8Array(bytes));
      Deno.linkSync(path(name), path(`${name} again`));
    }
    await run(path, (name) => Deno.statSync(path(`${name} again`)).size);
  } finally {
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
    assertEquals(names(path("")), ["a again", "b again", "small again"]);
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
