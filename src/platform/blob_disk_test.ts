import { assertEquals, assertRejects } from "@std/assert";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { UserError } from "../base/errors.ts";
import { DenoBlobDisk } from "./blob_disk.ts";

Deno.test("what is written is read, at any place, and synced beside writes", async () => {
  await withTemporaryDirectory(async (dir) => {
    const disk = await DenoBlobDisk.open(`${dir}/new`);
    await disk.makeDirectory("a/b");
    const file = await disk.create("a/b/c");
    const piece = new Uint8Array(1_000_000).map((_, i) => i % 251);
    await file.write(piece);
    const syncing = file.syncEarly();
    await file.write(piece);
    await syncing;
    await file.sync();
    file.close();
    await disk.rename("a/b/c", "a/d");
    await disk.syncDirectory("a");
    assertEquals([disk.sizeOf("a/d"), disk.sizeOf("a/b/c"), disk.sizeOf("a")], [
      2_000_000,
      null,
      null,
    ]);
    const opened = await disk.open("a/d");
    assertEquals(await opened.sizeBytes(), 2_000_000);
    const into = new Uint8Array(10);
    for (const at of [0, 10, 999_995, 1_999_990, 5]) {
      await opened.read(into, at);
      assertEquals(into, Uint8Array.from({ length: 10 }, (_, i) => ((at + i) % 1_000_000) % 251));
    }
    await assertRejects(() => opened.read(into, 1_999_995), Error, "ends 5 bytes early");
    opened.close();
    disk.remove("a/d");
    assertEquals(await disk.list("a"), [{ name: "b", kind: "directory" }]);
    disk.close();
  });
});

Deno.test("a file that exists is not overwritten, and a link not followed", async () => {
  await withTemporaryDirectory(async (dir) => {
    const disk = await DenoBlobDisk.open(dir);
    Deno.writeTextFileSync(`${dir}/a`, "a");
    Deno.symlinkSync(`${dir}/a`, `${dir}/link`);
    Deno.symlinkSync(`${dir}/none`, `${dir}/dangling`);
    for (const path of ["a", "link", "dangling"]) {
      const error = await assertRejects(() => disk.create(path), Error);
      assertEquals((error as Error & { code?: string }).code, "EEXIST");
    }
    await assertRejects(() => disk.open("link"), Error, "is not a file");
    const error = await assertRejects(() => disk.open("none"), Error);
    assertEquals((error as Error & { code?: string }).code, "ENOENT");
    assertEquals([disk.sizeOf("link"), Deno.readTextFileSync(`${dir}/a`)], [null, "a"]);
    const kinds = (await disk.list("")).map(({ name, kind }) => `${name} ${kind}`).sort();
    assertEquals(kinds, ["a file", "dangling other", "link other"]);
    disk.close();
  });
});

Deno.test("the errors of the system keep their codes", async () => {
  const disk = await DenoBlobDisk.open("/dev");
  // `create` refuses what exists, so the full device is written through another handle.
  using full = Deno.openSync("/dev/full", { write: true });
  const error = await assertRejects(() => full.write(new Uint8Array(1)), Error);
  assertEquals((error as Error & { code?: string }).code, "ENOSPC");
  disk.close();
});

Deno.test("the space of the disk is told", async () => {
  await withTemporaryDirectory(async (dir) => {
    const disk = await DenoBlobDisk.open(dir);
    const { capacityBytes, freeBytes } = disk.space();
    assertEquals([freeBytes > 0, freeBytes <= capacityBytes], [true, true]);
    disk.close();
    Deno.writeTextFileSync(`${dir}/file`, "");
    await assertRejects(() => DenoBlobDisk.open(`${dir}/file/x`), UserError, "Cannot use");
  });
});
