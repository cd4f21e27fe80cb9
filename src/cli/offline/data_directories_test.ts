import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { UserError } from "../../base/errors.ts";
import { readIdentity } from "../../node/log/data_directory.ts";
import { DenoDisk } from "../../platform/deno_disk.ts";
import { EmptyPlace, Exchange } from "./data_directories.ts";

/** Stands for the content of a data directory. Only the names matter here. */
function makeContent(path: string, content: string): void {
  for (const name of ["log", "snapshots"]) {
    Deno.mkdirSync(`${path}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${path}/${name}/file`, content);
  }
  Deno.writeTextFileSync(`${path}/identity.json`, content);
  Deno.writeTextFileSync(`${path}/lock`, content);
}

function contentOf(path: string): string[] {
  return ["log/file", "snapshots/file", "identity.json"]
    .map((name) => Deno.readTextFileSync(`${path}/${name}`));
}

const NEW = ["new", "new", "new"];
const OLD = ["old", "old", "old"];

class Died extends Error {}

/** Runs until the process has moved the given number of names. @returns whether it died */
function dyingAfter(moves: number, run: () => void): boolean {
  const rename = Deno.renameSync;
  let left = moves;
  Deno.renameSync = (from, to) => {
    if (left-- === 0) throw new Died();
    rename(from, to);
  };
  try {
    run();
    return false;
  } catch (error) {
    if (error instanceof UserError && error.cause instanceof Died) return true;
    throw error;
  } finally {
    Deno.renameSync = rename;
  }
}

Deno.test("a recovery that dies between any two moves has changed nothing, or can be finished", async () => {
  let deaths = 0;
  for (let isOver = false; !isOver; deaths++) {
    await withTemporaryDirectory((path) => {
      Deno.mkdirSync(`${path}/lost+found`);
      Deno.mkdirSync(`${path}/files`);
      Deno.mkdirSync(`${path}/before-recovery-2020-01-01T00-00-00.000Z`);
      makeContent(path, "old");
      const exchange = new Exchange(path);
      Deno.mkdirSync(exchange.staging);
      makeContent(exchange.staging, "new");
      isOver = !dyingAfter(deaths, () => {
        exchange.setAside();
        exchange.install();
      });
      const next = new Exchange(path);
      if (deaths === 0) {
        assertEquals([next.isInterrupted, contentOf(path)], [false, OLD]);
        return Promise.resolve();
      }
      assertEquals(next.isInterrupted, !isOver && !isWhole(path));
      if (next.isInterrupted) {
        const refusal = assertThrows(() => readIdentity(DenoDisk.openForReading(path)), UserError);
        assertStringIncludes(refusal.message, "was interrupted; run the same command again");
        next.setAside();
        next.install();
      }
      assertEquals(contentOf(path), NEW);
      const kept = [...Deno.readDirSync(path)].map(({ name }) => name)
        .filter((name) => name.startsWith("before-recovery-")).sort();
      assertEquals(kept.length, 2);
      assertEquals(contentOf(`${path}/${kept[1]}`), OLD);
      assert(Deno.statSync(`${path}/lost+found`).isDirectory);
      assert(Deno.statSync(`${path}/files`).isDirectory);
      return Promise.resolve();
    });
  }
  assertEquals(deaths, 8); // three moves out, one rename, three moves in; and once to the end
});

function isWhole(path: string): boolean {
  try {
    return Deno.readTextFileSync(`${path}/identity.json`) === "new";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("a restore that dies between any two moves can be repeated", async () => {
  for (let moves = 0; moves < 4; moves++) {
    await withTemporaryDirectory(async (path) => {
      Deno.mkdirSync(`${path}/lost+found`);
      const exchange = new Exchange(path);
      Deno.mkdirSync(exchange.staging);
      makeContent(exchange.staging, "half");
      assert(dyingAfter(moves, () => exchange.install()));
      const refusal = assertThrows(() => readIdentity(DenoDisk.openForReading(path)), UserError);
      assertStringIncludes(refusal.message, "was interrupted; run the same command again");
      const place = await EmptyPlace.take(path);
      await place.fill((staging) => {
        Deno.mkdirSync(staging);
        makeContent(staging, "new");
        return Promise.resolve();
      });
      place.leave();
      assertEquals(contentOf(path), NEW);
      const names = [...Deno.readDirSync(path)].map(({ name }) => name).sort();
      assertEquals(names, ["identity.json", "lock", "log", "lost+found", "snapshots"]);
    });
  }
});

Deno.test("a directory that could not be filled is left as it was", async () => {
  await withTemporaryDirectory(async (above) => {
    Deno.mkdirSync(`${above}/empty`);
    for (const [name, left] of [["missing", null], ["empty", []]] as const) {
      const place = await EmptyPlace.take(`${above}/${name}`);
      let message = "";
      await place.fill(() => Promise.reject(new UserError("no"))).catch((error) => {
        message = error.message;
      });
      place.leave();
      assertEquals(message, "no");
      const names = [...Deno.readDirSync(above)].map(({ name }) => name);
      assertEquals(names.includes(name), left !== null);
      if (left !== null) assertEquals([...Deno.readDirSync(`${above}/${name}`)], []);
    }
  });
});
