import { assertEquals } from "@std/assert";
import {
  content,
  drain,
  filesOf,
  ID,
  OTHER,
  put,
  withPlace,
} from "../../tests/support/blob_place.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { fileBytes } from "./blob_format.ts";
import type { BlobStore } from "./blob_store.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const SIZE = 100_000;

async function spoil(store: BlobStore, dir: string, id: string): Promise<void> {
  await put(store, content(SIZE), id);
  Deno.writeFileSync(`${dir}/blobs/${id.slice(0, 2)}/${id}`, new Uint8Array(fileBytes(SIZE)));
  await drain(store.read(id, 0, SIZE));
}

Deno.test("a damaged blob is kept for a day from when it was found", async () => {
  await withPlace(async ({ dir, open }) => {
    const clock = new ManualClock();
    clock.wallOffsetMs = Date.now();
    const store = await open({ clock });
    await spoil(store, dir, ID);
    clock.wallOffsetMs += DAY_MS - 60_000;
    await store.tidy();
    assertEquals(filesOf(dir), [`quarantine/${ID}`]);
    await put(store, content(SIZE)); // the good copy is not concerned
    clock.wallOffsetMs += 120_000;
    await store.tidy();
    assertEquals(filesOf(dir), [`blobs/01/${ID}`]);
    await store.close();
  });
});

Deno.test("damaged blobs have no more than a tenth of the disk, the newest", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    faulty.capacityBytes = 10 * (2 * fileBytes(SIZE) + 1);
    const third = "aa".padEnd(32, "0");
    await spoil(store, dir, ID);
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // Deno gives whole seconds
    for (const id of [OTHER, third]) await spoil(store, dir, id);
    assertEquals(filesOf(`${dir}/quarantine`), [third, OTHER]);
    await store.close();
  });
});

Deno.test("a damaged blob that somebody still reads stays as it is", async () => {
  await withPlace(async ({ dir, faulty, open }) => {
    const store = await open();
    const bytes = content(3_000_000);
    await put(store, bytes);
    const file = Deno.openSync(`${dir}/blobs/01/${ID}`, { write: true });
    file.seekSync(2_900_000, Deno.SeekMode.Start);
    file.writeSync(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    file.close();
    const reader = store.read(ID, 0, 2_800_000);
    const first = await reader.next();
    faulty.capacityBytes = 0;
    await drain(store.read(ID, 0, bytes.length));
    assertEquals(filesOf(dir), [`quarantine/${ID}`]);
    const [rest] = await drain(reader);
    assertEquals((first.value?.length ?? 0) + rest.length, 2_800_000);
    await store.tidy();
    assertEquals(filesOf(dir), []);
    await store.close();
  });
});
