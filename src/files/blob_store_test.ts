import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
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
import { sha256Of, summaryOf } from "../../tests/support/files/content_sums.ts";
import { joinBytes } from "../base/bytes.ts";
import { UserError } from "../base/errors.ts";
import { fileBytes, FOOTER_BYTES } from "./blob_format.ts";
import type { BlobStore } from "./blob_store.ts";
import { BlobCorrupt } from "./file_error.ts";

/** The sum of a content that nobody looks at. */
const NO_SHA256 = "0".repeat(64);

Deno.test("contents of all sizes about the edges come back, also after a restart", async () => {
  const sizes = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 3 * MIB + 70_000];
  await withPlace(async ({ dir, open }) => {
    for (const announces of [true, false]) {
      for (const [i, size] of sizes.entries()) {
        const store = await open();
        const bytes = content(size, i);
        const writer = await store.create(ID, announces ? size : null);
        for (let at = 0; at < size; at += 99_999) await writer.write(bytes.slice(at, at + 99_999));
        assertEquals(store.has(ID), false);
        assertEquals(await writer.finish(sha256Of(bytes)), summaryOf(bytes));
        assertEquals(filesOf(dir), [PATH]);
        assertEquals(Deno.statSync(`${dir}/${PATH}`).size, fileBytes(size));
        await store.close();
        const again = await open();
        assertEquals([...again.ids()], [ID]);
        assertEquals(again.sizeOf(ID), size);
        assertEquals(await drain(again.read(ID, 0, size)), [bytes, null]);
        assertEquals(await again.verify(ID), true);
        await again.remove(ID);
        assertEquals([again.has(ID), again.sizeOf(ID), filesOf(dir)], [false, null, []]);
        await again.close();
      }
    }
  });
});

Deno.test("ranges give exactly their bytes", async () => {
  await withPlace(async ({ open }) => {
    const store = await open();
    const bytes = content(2 * MIB + 5);
    await put(store, bytes);
    const edges = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 5];
    for (const from of edges) {
      for (const to of edges.filter((edge) => edge >= from)) {
        assertEquals(await drain(store.read(ID, from, to)), [bytes.subarray(from, to), null]);
      }
    }
    for (const [from, to] of [[-1, 1], [1, 0], [0, 2 * MIB + 6], [0.5, 1], [NaN, 1]] as const) {
      assertEquals(await codeOf(() => drainOrThrow(store, from, to)), "bad-request");
    }
    assertEquals(await codeOf(() => store.read(OTHER, 0, 1).next()), "not-found");
    await store.close();
  });
});

async function drainOrThrow(store: BlobStore, from: number, to: number): Promise<void> {
  for await (const _ of store.read(ID, from, to));
}

Deno.test("a large blob is read across pages of the table, and synced as it grows", async () => {
  await withPlace(async ({ faulty, open }) => {
    const store = await open();
    const size = 257 * MIB;
    const piece = content(MIB);
    const writer = await store.create(ID, null);
    const hash = createHash("sha256");
    for (let i = 0; i < 257; i++) {
      hash.update(piece);
      await writer.write(piece);
    }
    await writer.finish(hash.digest("hex"));
    assertEquals(faulty.calls.filter((call) => call.startsWith("syncEarly")).length, 63);
    assertEquals(await drain(store.read(ID, 256 * MIB - 7, 256 * MIB + 7)), [
      joinBytes([piece.slice(-7), piece.slice(0, 7)]),
      null,
    ]);
    assertEquals(await store.verify(ID), true);
    await store.remove(ID);
    await store.close();
    assertEquals(size, 257 * MIB);
  });
});

Deno.test("a flipped bit is never given out, wherever it is, and the blob goes to quarantine", async () => {
  const size = 200_000;
  const bytes = content(size);
  const places: [string, number, number][] = [
    ["first chunk", 0, 0],
    ["last byte of a chunk", 65_535, 0],
    ["second chunk", 65_536, 65_536],
    ["last byte", size - 1, 196_608],
    ["first checksum", size, 0],
    ["last checksum", size + 3 * 4, 196_608],
    ["magic", size + 16, 0],
    ["digest", size + 16 + 30, 0],
    ["last byte of the footer", size + 16 + FOOTER_BYTES - 1, 0],
  ];
  for (const [name, at, good] of places) {
    for (const how of ["read", "verify"]) {
      await withPlace(async ({ dir, faulty, open }) => {
        const store = await open();
        await put(store, bytes);
        flip(`${dir}/${PATH}`, at);
        if (how === "verify") assertEquals(await store.verify(ID), false, name);
        else {
          const [got, error] = await drain(store.read(ID, 0, size));
          assertEquals(error instanceof BlobCorrupt, true, name);
          assertEquals(got, bytes.subarray(0, good), name);
        }
        assertEquals([store.has(ID), filesOf(dir)], [false, [`quarantine/${ID}`]], name);
        assertEquals(faulty.openFiles, 0);
        await store.close();
        const again = await open();
        assertEquals(again.has(ID), false);
        await put(again, bytes); // a good copy may come back
        assertEquals(await drain(again.read(ID, 0, size)), [bytes, null]);
        await again.close();
      });
    }
  }
});

function flip(path: string, at: number): void {
  const bytes = Deno.readFileSync(path);
  bytes[at]! ^= 0x10;
  Deno.writeFileSync(path, bytes);
}

Deno.test("damage outside of a range does not hinder it", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    const bytes = content(200_000);
    await put(store, bytes);
    flip(`${dir}/${PATH}`, 70_000);
    assertEquals(await drain(store.read(ID, 0, 65_536)), [bytes.subarray(0, 65_536), null]);
    assertEquals(await drain(store.read(ID, 131_072, 131_080)), [
      bytes.subarray(131_072, 131_080),
      null,
    ]);
    await store.close();
  });
});

Deno.test("files that are cut, grown, empty or another blob's are corrupt", async () => {
  const bytes = content(100_000);
  const spoil: ((path: string) => void)[] = [
    (path) => Deno.truncateSync(path, fileBytes(100_000) - 1),
    (path) => Deno.truncateSync(path, 50_000),
    (path) => Deno.truncateSync(path, 0),
    (path) => Deno.writeFileSync(path, new Uint8Array(5), { append: true }),
    (path) => Deno.copyFileSync(path.replace(PATH, `blobs/fe/${OTHER}`), path),
  ];
  for (const how of spoil) {
    await withPlace(async ({ dir, open }) => {
      const store = await open();
      await put(store, bytes);
      await put(store, content(100_000, 2), OTHER);
      await store.close();
      how(`${dir}/${PATH}`);
      const again = await open();
      assertEquals(again.has(ID), true); // nobody has looked
      const [got, error] = await drain(again.read(ID, 0, 1));
      assertEquals([got.length, error instanceof BlobCorrupt], [0, true]);
      assertEquals([again.has(ID), again.has(OTHER)], [false, true]);
      await again.close();
    });
  }
});

Deno.test("a reader that finds damage late leaves the copy alone that was repaired meanwhile", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    const lost: string[] = [];
    store.onLost = (id) => void lost.push(id);
    const bytes = content(4 * MIB);
    await put(store, bytes);
    flip(`${dir}/${PATH}`, bytes.length - 1);
    const late = store.read(ID, 0, bytes.length);
    await late.next();
    assertEquals(await store.verify(ID), false);
    await put(store, bytes);
    assert((await drain(late))[1] instanceof BlobCorrupt);
    assertEquals([store.has(ID), await store.verify(ID)], [true, true]);
    assertEquals([lost, filesOf(dir)], [[ID], [PATH, `quarantine/${ID}`]]);
    await store.close();
  });
});

Deno.test("a blob waits to be written again until its damaged file is in quarantine", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    await put(store, content(100));
    flip(`${dir}/${PATH}`, 0);
    const moving = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<null>();
    faulty.fault = (call) => {
      if (call !== "rename") return null;
      moving.resolve();
      return gate.promise;
    };
    const verified = store.verify(ID);
    await moving.promise;
    assertEquals(await codeOf(() => store.create(ID, 100)), "busy");
    gate.resolve(null);
    assertEquals(await verified, false);
    await put(store, content(100));
    assertEquals([await store.verify(ID), filesOf(dir)], [true, [PATH, `quarantine/${ID}`]]);
    await store.close();
  });
});

Deno.test("a place that cannot be read counts as damage, but a lack of descriptors does not", async () => {
  await withPlace(async ({ faulty, open }) => {
    const store = await open();
    await put(store, content(100_000));
    for (const call of ["open", "read"]) {
      faulty.fault = (at) => at === call ? "EMFILE" : null;
      assertEquals(await codeOf(() => drainOrThrow(store, 0, 1)), "unavailable");
    }
    assertEquals(store.has(ID), true);
    faulty.fault = (call) => call === "read" ? "EIO" : null;
    assertEquals(await codeOf(() => drainOrThrow(store, 0, 1)), "checksum-mismatch");
    assertEquals(store.has(ID), false);
    await store.close();
  });
});

Deno.test("a blob that was taken away is not found, and not listed any more", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    await put(store, content(100));
    Deno.removeSync(`${dir}/${PATH}`);
    assertEquals(store.sizeOf(ID), null);
    assertEquals(await codeOf(() => drainOrThrow(store, 0, 1)), "not-found");
    assertEquals(store.has(ID), false);
    await store.close();
  });
});

Deno.test("folders that are taken away from a running store are made again", async () => {
  const lost: string[] = [];
  await withPlace(async ({ dir, open }) => {
    const ids = Array.from({ length: 4 }, (_, at) => `${10 + at}`.padEnd(32, "a"));
    const ways: ((store: BlobStore) => Promise<unknown>)[] = [
      (store) => put(store, content(10), OTHER),
      (store) => drain(store.read(ID, 0, 1)),
      async (store) => {
        await store.remove(ID); // one that is gone: no matter
        await put(store, content(10), OTHER);
      },
    ];
    for (const way of ways) {
      for (const what of ["blobs", "staging", "quarantine", "."]) {
        const store = await open();
        store.onLost = (id) => void lost.push(id);
        for (const id of [ID, ...ids]) await put(store, content(10), id);
        for (const { name } of what === "." ? [...Deno.readDirSync(dir)] : [{ name: what }]) {
          Deno.removeSync(`${dir}/${name}`, { recursive: true });
        }
        await way(store);
        if (what === "blobs" || what === ".") {
          assertEquals(lost.splice(0).filter((id) => id !== ID).sort(), ids);
          assertEquals([...store.ids()].filter((id) => id !== OTHER), []);
        }
        if (!store.has(OTHER)) await put(store, content(10), OTHER);
        assertEquals((await drain(store.read(OTHER, 0, 10)))[0], content(10));
        flip(`${dir}/blobs/fe/${OTHER}`, 0);
        await drain(store.read(OTHER, 0, 10));
        assertEquals(filesOf(`${dir}/quarantine`), [OTHER]);
        lost.length = 0;
        for (const id of [ID, ...ids]) await store.remove(id);
        await store.close();
      }
    }
  });
});

Deno.test("a blob whose file vanished while it was written is refused, and may come again", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    const writer = await store.create(ID, 100);
    await writer.write(content(100));
    for (const { name } of [...Deno.readDirSync(dir)]) {
      Deno.removeSync(`${dir}/${name}`, { recursive: true });
    }
    assertEquals(await codeOf(() => writer.finish(NO_SHA256)), "unavailable");
    await put(store, content(100));
    assertEquals(await store.verify(ID), true);
    await store.close();
  });
});

Deno.test("readers finish while the blob is removed, and its space goes when they have", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    const bytes = content(6 * MIB); // large enough to be freed in steps
    await put(store, bytes);
    const readers = [store.read(ID, 0, bytes.length), store.read(ID, 0, bytes.length)];
    const firsts = (await Promise.all(readers.map((reader) => reader.next())))
      .map(({ value }) => value?.slice() ?? new Uint8Array(0));
    await store.remove(ID);
    assertEquals([store.has(ID), filesOf(dir)], [false, [`staging/${ID}.removed`]]);
    for (const [i, reader] of readers.entries()) {
      const [rest, error] = await drain(reader);
      assertEquals(error, null);
      assertEquals(joinBytes([firsts[i] ?? new Uint8Array(0), rest]), bytes);
    }
    assertEquals([filesOf(dir), faulty.openFiles], [[], 0]);
    await store.close();
  });
});

Deno.test("many readers that stand still hold little, and few read large pieces again", async () => {
  await withPlace(async ({ faulty, open }) => {
    const store = await open();
    const bytes = content(4 * MIB);
    await put(store, bytes);
    const readers = Array.from({ length: 250 }, () => store.read(ID, 0, bytes.length));
    let held = 0;
    faulty.onRead = (length) => held += length;
    for (const reader of readers) await reader.next();
    assert(held < 80 * MIB, `${held}`); // what was read, and not only what was given out
    const [last] = readers.splice(-1);
    for (const reader of readers) await reader.return();
    assertEquals((await last?.next())?.value?.length, MIB);
    await last?.return();
    const slow = Array.from({ length: 20 }, () => store.read(ID, 0, bytes.length));
    for (const reader of slow) await reader.next();
    assertEquals(await drain(store.read(ID, 5, bytes.length)), [bytes.subarray(5), null]);
    for (const reader of slow) await reader.return();
    await store.close();
  });
});

Deno.test("a reader that stops early closes its file", async () => {
  await withPlace(async ({ faulty, open }) => {
    const store = await open();
    await put(store, content(5 * MIB));
    for await (const _ of store.read(ID, 0, 5 * MIB)) break;
    assertEquals(faulty.openFiles, 0);
    await store.close();
  });
});

Deno.test("an id is written once, and only ids are names", async () => {
  await withPlace(async ({ open }) => {
    const store = await open();
    const writer = await store.create(ID, 0);
    assertEquals(await codeOf(() => store.create(ID, 0)), "busy");
    await writer.finish(NO_SHA256);
    assertEquals(await codeOf(() => store.create(ID, 0)), "precondition-failed");
    for (const id of ["", "../../../etc/passwd", ID.toUpperCase(), `${ID}0`]) {
      assertEquals(await codeOf(() => store.create(id, 0)), "bad-request");
      assertEquals(await codeOf(() => store.read(id, 0, 0).next()), "not-found");
      await store.remove(id);
    }
    for (const size of [-1, 0.5, NaN, 2 ** 53]) {
      assertEquals(await codeOf(() => store.create(OTHER, size)), "bad-request");
    }
    await store.close();
  });
});

Deno.test("symbolic links and strange names are left alone", async () => {
  await withPlace(async ({ dir, open }) => {
    const store = await open();
    await put(store, content(10), OTHER);
    await store.close();
    const secret = `${dir}/secret`;
    Deno.copyFileSync(`${dir}/blobs/fe/${OTHER}`, secret);
    Deno.symlinkSync(secret, `${dir}/${PATH}`);
    Deno.symlinkSync(secret, `${dir}/staging/link`);
    Deno.writeTextFileSync(`${dir}/blobs/01/readme`, "");
    Deno.writeTextFileSync(`${dir}/blobs/01/${OTHER}`, ""); // in another's folder
    Deno.mkdirSync(`${dir}/blobs/02/02${"0".repeat(30)}`);
    const again = await open();
    assertEquals([...again.ids()], [OTHER]);
    assertEquals(Deno.statSync(secret).isFile, true);
    // A link that comes later is not followed either.
    Deno.removeSync(`${dir}/blobs/fe/${OTHER}`);
    Deno.symlinkSync(secret, `${dir}/blobs/fe/${OTHER}`);
    assertEquals(again.sizeOf(OTHER), null);
    assertEquals((await drain(again.read(OTHER, 0, 10)))[1] instanceof BlobCorrupt, true);
    await again.close();
    Deno.removeSync(`${dir}/blobs/03`);
    Deno.symlinkSync(dir, `${dir}/blobs/03`);
    await assertRejects(() => open(), UserError, "it is not a directory");
  });
});

Deno.test("the scrub goes at the pace that it is given", async () => {
  await withPlace(async ({ open }) => {
    const store = await open();
    await put(store, content(3 * MIB + 1));
    const pieces: number[] = [];
    assertEquals(await store.verify(ID, (bytes) => void pieces.push(bytes)), true);
    assertEquals(pieces, [MIB, MIB, MIB, 1]);
    assertEquals(await codeOf(() => store.verify(OTHER)), "not-found");
    await store.close();
  });
});
