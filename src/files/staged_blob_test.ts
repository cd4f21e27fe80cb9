import { assertEquals } from "@std/assert";
import {
  codeOf,
  content,
  drain,
  filesOf,
  ID,
  MIB,
  OTHER,
  PATH,
  put,
  withPlace,
} from "../../tests/support/blob_place.ts";
import { fileBytes } from "./blob_format.ts";
import type { FileErrorCode } from "./file_error.ts";

Deno.test("a small blob costs one write, one sync, one rename and one sync of its folder", async () => {
  await withPlace(async ({ faulty, open }) => {
    const store = await open();
    faulty.calls.length = 0;
    await put(store, content(10_240), ID, 1_000);
    const staged = `staging/${ID}`;
    assertEquals(faulty.calls, [
      `create ${staged}`,
      `write ${staged}`,
      `sync ${staged}`,
      `rename ${PATH}`,
      "syncDirectory blobs/01",
    ]);
    await store.close();
  });
});

Deno.test("the reserve and what others have announced are left free", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open({ reserveBytes: 1_000_000 });
    faulty.freeBytes = 1_000_000 + fileBytes(300_000) + fileBytes(100_000);
    const writer = await store.create(ID, 300_000);
    assertEquals(await codeOf(() => store.create(OTHER, 100_001)), "insufficient-storage");
    assertEquals((await store.space()).freeBytes, fileBytes(100_000));
    const other = await store.create(OTHER, 100_000);
    await other.abort();
    await writer.write(content(300_000));
    await writer.finish("0".repeat(64));
    faulty.freeBytes = 1_000_000 + fileBytes(100_000); // as the disk would say now
    await (await store.create(OTHER, 100_000)).abort();
    faulty.freeBytes = 1_000_000;
    assertEquals(await codeOf(() => store.create(OTHER, null)), "insufficient-storage");
    assertEquals(await codeOf(() => store.create(OTHER, 0)), "insufficient-storage");
    assertEquals(filesOf(dir), [PATH]);
    await store.close();
  });
});

Deno.test("a blob of unknown size stops growing before the reserve is used up", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open({ reserveBytes: 1_000 });
    const writer = await store.create(ID, null);
    const piece = new Uint8Array(MIB);
    for (let i = 0; i < 32; i++) await writer.write(piece);
    faulty.freeBytes = 1_000;
    const code = await codeOf(async () => {
      for (let i = 0; i < 8; i++) await writer.write(piece);
    });
    assertEquals([code, filesOf(dir)], ["insufficient-storage", []]);
    await store.close();
  });
});

Deno.test("whatever fails while a blob is written leaves nothing, and is told", async () => {
  const faults: [string, string, FileErrorCode][] = [
    ["create", "ENOSPC", "insufficient-storage"],
    ["create", "EACCES", "unavailable"],
    ["write", "ENOSPC", "insufficient-storage"],
    ["write", "EDQUOT", "insufficient-storage"],
    ["write", "EIO", "unavailable"],
    ["syncEarly", "EIO", "unavailable"],
    ["sync", "EIO", "unavailable"],
    ["sync", "ENOSPC", "insufficient-storage"],
    ["rename", "EIO", "unavailable"],
    ["syncDirectory", "EIO", "unavailable"],
  ];
  for (const [call, code, expected] of faults) {
    await withPlace(async ({ dir, faulty, open }) => {
      const store = await open();
      let count = 0;
      faulty.fault = (at) => at === call && ++count === 1 ? code : null;
      const piece = new Uint8Array(MIB);
      const failed = await codeOf(async () => {
        const writer = await store.create(ID, 40 * MIB);
        for (let i = 0; i < 40; i++) await writer.write(piece);
        const finishing = writer.finish("0".repeat(64));
        await finishing.catch(() => {});
        // A sync that has failed says nothing when it is called again.
        assertEquals(await codeOf(() => writer.finish("0".repeat(64))), expected);
        await finishing;
      });
      assertEquals([failed, store.has(ID), filesOf(dir)], [expected, false, []], call);
      assertEquals(count, 1, call);
      await put(store, content(100)); // the id is free again
      await store.close();
    });
  }
});

Deno.test("a sync that failed is final, even when nobody has written since", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    faulty.fault = (call) => call === "sync" ? "EIO" : null;
    const writer = await store.create(ID, 3);
    await writer.write(new Uint8Array(3));
    assertEquals(await codeOf(() => writer.finish("0".repeat(64))), "unavailable");
    faulty.fault = () => null;
    assertEquals(await codeOf(() => writer.finish("0".repeat(64))), "unavailable");
    assertEquals(await codeOf(() => writer.write(new Uint8Array(1))), "unavailable");
    await writer.abort();
    assertEquals(filesOf(dir), []);
    await store.close();
  });
});

Deno.test("a blob that was given up leaves nothing, also in the middle of a write", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    const writer = await store.create(ID, null);
    let writing: Promise<void> | void;
    while ((writing = writer.write(new Uint8Array(MIB))) === undefined);
    const outcome = codeOf(() => writing);
    await writer.abort();
    await writer.abort();
    assertEquals([await outcome.catch(() => "written"), filesOf(dir)], ["written", []]);
    assertEquals(await codeOf(() => writer.finish("0".repeat(64))), "aborted");
    const left = await store.create(ID, null);
    await left.write(new Uint8Array(10));
    await store.close();
    assertEquals(filesOf(dir), []);
  });
});

Deno.test("more or fewer bytes than announced are refused", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    const more = await store.create(ID, 10);
    await more.write(new Uint8Array(10));
    assertEquals(await codeOf(() => more.write(new Uint8Array(1))), "bad-request");
    const fewer = await store.create(ID, 10);
    await fewer.write(new Uint8Array(9));
    assertEquals(await codeOf(() => fewer.finish("0".repeat(64))), "bad-request");
    assertEquals(filesOf(dir), []);
    await store.close();
  });
});

Deno.test("a process that dies between rename and sync leaves a whole blob or none", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    const bytes = content(100_000);
    const { promise: isRenamed, resolve } = Promise.withResolvers<void>();
    const never = Promise.withResolvers<string | null>();
    faulty.fault = (call) => {
      if (call !== "syncDirectory") return null;
      resolve();
      return never.promise;
    };
    const writer = await store.create(ID, bytes.length);
    await writer.write(bytes);
    const finishing = writer.finish("0".repeat(64));
    await isRenamed;
    assertEquals(store.has(ID), false); // not before it is durable
    faulty.fault = () => null;
    // With the rename on disk: a whole blob.
    const after = await open();
    assertEquals(await drain(after.read(ID, 0, bytes.length)), [bytes, null]);
    // Without it: nothing.
    Deno.renameSync(`${dir}/${PATH}`, `${dir}/staging/${ID}`);
    const before = await open();
    assertEquals([before.has(ID), filesOf(dir)], [false, []]);
    never.resolve("EIO");
    assertEquals(await codeOf(() => finishing), "unavailable");
    for (const each of [before, after, store]) await each.close();
  });
});
