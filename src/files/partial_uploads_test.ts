import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { ID, withPlace } from "../../tests/support/blob_place.ts";
import { SmallDisk } from "../../tests/support/files/small_disk.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { withTemporaryDirectory } from "../../tests/support/temporary_directory.ts";
import { until } from "../../tests/support/until.ts";
import { silentLogger } from "../base/logger.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError, type FileErrorCode } from "./file_error.ts";
import { PartialUploads, type PartialUploadsOptions } from "./partial_uploads.ts";

const SONG = { name: "song", size: 10, type: "audio/mpeg", metadata: "filename c29uZw==" };
const HOUR_MS = 3_600_000;

interface Bench {
  readonly directory: string;
  readonly clock: ManualClock;
  open(options?: Partial<PartialUploadsOptions>): Promise<PartialUploads>;
}

async function withUploads(test: (bench: Bench) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const clock = new ManualClock();
    const open = (options: Partial<PartialUploadsOptions> = {}) =>
      PartialUploads.open({
        directory,
        clock,
        logger: silentLogger,
        disk: new SmallDisk(900),
        ...options,
      });
    await test({ directory, clock, open });
  });
}

function body(text: string): BodySource {
  return Readable.from([new TextEncoder().encode(text)]);
}

/** A body that goes on until it is ended, or breaks off. */
function openBody(text: string): Readable {
  const readable = new Readable({ read: () => {} });
  readable.push(new TextEncoder().encode(text));
  return readable;
}

async function contentOf(uploads: PartialUploads, id: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of uploads.read(id)) chunks.push(chunk);
  return await new Blob(chunks as BlobPart[]).text();
}

async function codeOf(promise: Promise<unknown>): Promise<FileErrorCode> {
  return (await assertRejects(() => promise, FileError)).code;
}

Deno.test("a folder that is taken away from a running node is made again", async () => {
  await withUploads(async ({ directory, open }) => {
    const uploads = await open();
    const old = await uploads.create(SONG);
    await Deno.remove(directory, { recursive: true });
    const { id } = await uploads.create(SONG);
    assertEquals((await uploads.append(id, 0, body("0123456789"))).offset, 10);
    assertEquals(await contentOf(uploads, id), "0123456789");
    assertEquals(await codeOf(uploads.append(old.id, 0, body("0123"))), "not-found");
    assertEquals(uploads.get(old.id), null);
    // A body goes on while the folder vanishes. What it wrote is gone, and so is the upload.
    const third = await uploads.create(SONG);
    const slow = openBody("01234");
    const appending = uploads.append(third.id, 0, slow);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Deno.remove(directory, { recursive: true });
    slow.push("56789");
    slow.push(null);
    await appending;
    assertEquals(await codeOf(contentOf(uploads, third.id)), "not-found");
    assertEquals(uploads.get(third.id), null);
  });
});

Deno.test("a content arrives in parts, also over restarts", async () => {
  await withUploads(async ({ open }) => {
    const first = await open();
    const { id } = await first.create(SONG);
    assertEquals((await first.append(id, 0, body("01234"))).offset, 5);
    const second = await open();
    assertEquals(second.get(id), first.get(id));
    assertEquals(await codeOf(second.append(id, 4, body("4"))), "conflict");
    assertEquals(await codeOf(second.append(id, 6, body("6"))), "conflict");
    assertEquals((await second.append(id, 5, body("56789"))).offset, 10);
    assertEquals(await contentOf(second, id), "0123456789");
    assertEquals((await second.finish(id, 7)).version, 7);
    const third = await open();
    assertEquals([third.get(id)?.version, third.get(id)?.offset], [7, 10]);
    assertEquals([await third.remove(id), await third.remove(id)], [true, false]);
    assertEquals((await open()).get(id), null);
  });
});

Deno.test("what arrived before a body broke off counts, but not beyond the size", async () => {
  await withUploads(async ({ open }) => {
    const uploads = await open();
    const { id } = await uploads.create(SONG);
    const broken = openBody("012");
    const appending = codeOf(uploads.append(id, 0, broken));
    broken.destroy();
    assertEquals(await appending, "aborted");
    const offset = uploads.get(id)?.offset ?? -1;
    assertEquals(
      await codeOf(uploads.append(id, offset, body("x".repeat(11 - offset)))),
      "too-large",
    );
    assertEquals(await codeOf(uploads.append("0".repeat(32), 0, body(""))), "not-found");
  });
});

Deno.test("a part counts if its checksum is right, and not at all otherwise", async () => {
  await withUploads(async ({ open, directory }) => {
    const uploads = await open();
    const { id } = await uploads.create(SONG);
    for (const algorithm of ["md5", "sha1", "sha256"] as const) {
      const bytes = createHash(algorithm).update("01234").digest();
      const wrong = uploads.append(id, 0, body("01235"), { algorithm, bytes });
      assertEquals(await codeOf(wrong), "checksum-mismatch");
      assertEquals(uploads.get(id)?.offset, 0);
    }
    const bytes = createHash("md5").update("01234").digest();
    assertEquals(
      (await uploads.append(id, 0, body("01234"), { algorithm: "md5", bytes })).offset,
      5,
    );
    const short = openBody("5");
    const appending = codeOf(uploads.append(id, 5, short, { algorithm: "md5", bytes }));
    await until("it is written", async () => (await Deno.stat(`${directory}/${id}`)).size === 6);
    short.destroy();
    assertEquals(await appending, "aborted");
    assertEquals(uploads.get(id)?.offset, 5);
    await uploads.append(id, 5, body("56789"));
    assertEquals(await contentOf(uploads, id), "0123456789");
  });
});

Deno.test("of two appends at one offset one wins, and a newer one ends an older one", async () => {
  await withUploads(async ({ open, directory }) => {
    const uploads = await open();
    const { id } = await uploads.create(SONG);
    const stale = openBody("ab");
    const first = codeOf(uploads.append(id, 0, stale));
    await until("it is written", async () => (await Deno.stat(`${directory}/${id}`)).size === 2);
    assertEquals(await codeOf(uploads.append(id, 0, body("cd"))), "conflict");
    assertEquals(await first, "conflict");
    assertEquals(uploads.get(id)?.offset, 2);
    stale.push(new TextEncoder().encode("late"));
    assertEquals((await uploads.append(id, 2, body("23456789"))).offset, 10);
    assertEquals(await contentOf(uploads, id), "ab23456789");
    const other = await uploads.create(SONG);
    const race = await Promise.allSettled(
      ["x", "y", "z"].map((text) => uploads.append(other.id, 0, body(text.repeat(10)))),
    );
    const winners = race.filter(({ status }) => status === "fulfilled");
    assertEquals([winners.length <= 1, uploads.get(other.id)?.offset], [true, 10]);
    const content = await contentOf(uploads, other.id);
    assertEquals(content, content.charAt(0).repeat(10));
  });
});

Deno.test("who is about to go on learns what the part under way has brought", async () => {
  await withUploads(async ({ open, directory }) => {
    const uploads = await open();
    const { id } = await uploads.create(SONG);
    const stale = openBody("abc");
    const first = codeOf(uploads.append(id, 0, stale));
    await until("it is written", async () => (await Deno.stat(`${directory}/${id}`)).size === 3);
    assertEquals((await uploads.settled(id))?.offset, 3);
    assertEquals(await first, "conflict");
    assertEquals(await uploads.settled("0".repeat(32)), null);
  });
});

Deno.test("a failed sync is final", async () => {
  await withUploads(async ({ open, directory }) => {
    let isBroken = false;
    const uploads = await open({
      sync: (file) => isBroken ? Promise.reject(new Error("EIO")) : file.sync(),
    });
    const { id } = await uploads.create(SONG);
    isBroken = true;
    assertEquals(await codeOf(uploads.append(id, 0, body("01234"))), "unavailable");
    isBroken = false;
    assertEquals(await codeOf(uploads.append(id, 0, body("01234"))), "not-found");
    assertEquals([...Deno.readDirSync(directory)], []);
  });
});

Deno.test("the number of uploads and their bytes are limited, those not yet sent included", async () => {
  await withUploads(async ({ open }) => {
    const uploads = await open({ uploadsMax: 2 });
    assertEquals(await codeOf(uploads.create({ ...SONG, size: 901 })), "insufficient-storage");
    const { id } = await uploads.create({ ...SONG, size: 895 });
    assertEquals(await codeOf(uploads.create(SONG)), "insufficient-storage");
    await uploads.create({ ...SONG, size: 5 });
    assertEquals(await codeOf(uploads.create({ ...SONG, size: 0 })), "busy");
    await uploads.finish(id, 1);
    await uploads.create(SONG);
  });
});

Deno.test("an upload that nobody continues goes", async () => {
  await withUploads(async ({ open, clock, directory }) => {
    const uploads = await open();
    const { id } = await uploads.create(SONG);
    clock.advance(23 * HOUR_MS);
    await uploads.append(id, 0, body("0"));
    clock.advance(23 * HOUR_MS);
    const done = await uploads.create({ ...SONG, size: 0 });
    await uploads.finish(done.id, 1);
    assertEquals(await uploads.expire(), 0);
    clock.advance(HOUR_MS);
    assertEquals(await uploads.expire(), 2);
    assertEquals([...Deno.readDirSync(directory)], []);
  });
});

Deno.test("what an earlier process left damaged or without a description goes", async () => {
  await withUploads(async ({ open, directory }) => {
    const first = await open();
    const [kept, short, damaged] = [
      await first.create(SONG),
      await first.create(SONG),
      await first.create(SONG),
    ];
    for (const { id } of [kept, short, damaged]) await first.append(id, 0, body("01234"));
    Deno.truncateSync(`${directory}/${short.id}`, 4);
    Deno.writeTextFileSync(`${directory}/${damaged.id}.json`, "{");
    Deno.writeTextFileSync(`${directory}/${"0".repeat(32)}`, "x");
    Deno.writeTextFileSync(`${directory}/${kept.id}.json.new`, "x");
    Deno.writeTextFileSync(`${directory}/${kept.id}`, "beyond", { append: true });
    const second = await open();
    assertEquals(second.all().map(({ id }) => id), [kept.id]);
    const names = [...Deno.readDirSync(directory)].map(({ name }) => name).sort();
    assertEquals(names, [kept.id, `${kept.id}.json`]);
    await second.append(kept.id, 5, body("56789"));
    assertEquals(await contentOf(second, kept.id), "0123456789");
  });
});

Deno.test("contents and uploads promise bytes of one disk once", async () => {
  await withPlace(async ({ dir, faulty, open: openStore }) => {
    faulty.freeBytes = 2_000_000;
    const store = await openStore({ reserveBytes: 1_000_000 });
    const options = { directory: `${dir}/uploads`, clock: new ManualClock(), logger: silentLogger };
    const uploads = await PartialUploads.open({ ...options, disk: store });
    const { id } = await uploads.create({ ...SONG, size: 600_000 });
    assertEquals(await codeOf(store.create(ID, 500_000)), "insufficient-storage");
    const writer = await store.create(ID, 300_000);
    assertEquals(await codeOf(uploads.create({ ...SONG, size: 200_000 })), "insufficient-storage");
    await writer.abort();
    await store.close();
    const again = await openStore({ reserveBytes: 1_000_000 });
    const reopened = await PartialUploads.open({ ...options, disk: again });
    assertEquals(await codeOf(again.create(ID, 500_000)), "insufficient-storage");
    await reopened.remove(id);
    await (await again.create(ID, 500_000)).abort();
    await again.close();
  });
});

Deno.test("an upload stops before it takes the disk's reserve, and goes on when there is room", async () => {
  await withUploads(async ({ open, directory }) => {
    const disk = new SmallDisk(900);
    const uploads = await open({ disk });
    const { id } = await uploads.create(SONG);
    await uploads.append(id, 0, body("012"));
    assertEquals(disk.promisedBytes, 7);
    disk.freeBytes = 4; // others fill it
    assertEquals(await codeOf(uploads.append(id, 3, body("34567"))), "insufficient-storage");
    assertEquals([uploads.get(id)?.offset, disk.promisedBytes], [3, 7]);
    assertEquals(Deno.statSync(`${directory}/${id}`).size, 3);
    const chunks = ["34", "56789"].map((text) => new TextEncoder().encode(text));
    const parts = Readable.from(async function* () {
      yield chunks[0];
      await until("it is written", () => Deno.statSync(`${directory}/${id}`).size === 5);
      disk.freeBytes = 2;
      yield chunks[1];
    }());
    assertEquals(await codeOf(uploads.append(id, 3, parts)), "insufficient-storage");
    assertEquals([uploads.get(id)?.offset, disk.promisedBytes], [5, 5]);
    disk.freeBytes = 5;
    assertEquals((await uploads.append(id, 5, body("56789"))).offset, 10);
    assertEquals(disk.promisedBytes, 0);
  });
});

Deno.test("bytes that do not count are given back to the disk", async () => {
  await withUploads(async ({ open, directory }) => {
    const disk = new SmallDisk(900);
    const uploads = await open({ disk });
    const { id } = await uploads.create(SONG);
    const wrong = { algorithm: "md5", bytes: new Uint8Array(16) } as const;
    assertEquals(await codeOf(uploads.append(id, 0, body("01234"), wrong)), "checksum-mismatch");
    assertEquals([Deno.statSync(`${directory}/${id}`).size, disk.promisedBytes], [0, 10]);
    Deno.writeTextFileSync(`${directory}/${id}`, "beyond");
    await open({ disk });
    assertEquals(Deno.statSync(`${directory}/${id}`).size, 0);
  });
});

Deno.test("a node that starts inside the reserve gives up the uploads that rest longest", async () => {
  await withUploads(async ({ open, clock }) => {
    const first = await open();
    const ids: string[] = [];
    for (const text of ["0123456789", "0123", "01", "012"]) {
      const { id } = await first.create(SONG);
      ids.push(id);
      clock.advance(HOUR_MS);
      await first.append(id, 0, body(text));
    }
    await first.append(ids[1] ?? "", 4, body("4"));
    const disk = new SmallDisk(-1);
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (line: string) => void lines.push(line) };
    const second = await open({ disk, logger });
    assertEquals(ids.map((id) => second.get(id)?.offset), [10, 5, undefined, 3]);
    assertEquals([lines.length, disk.promisedBytes], [1, 12]);
    const third = await open({ disk: new SmallDisk(-8) });
    assertEquals(third.all().map(({ id }) => id), [ids[0]]);
  });
});
