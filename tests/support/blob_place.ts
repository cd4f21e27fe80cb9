import { assertEquals, assertRejects } from "@std/assert";
import { joinBytes } from "../../src/base/bytes.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { seededRandom } from "../../src/base/random.ts";
import { BlobStore, type BlobStoreOptions } from "../../src/files/blob_store.ts";
import { FileError, type FileErrorCode } from "../../src/files/file_error.ts";
import { FaultyBlobDisk } from "./faulty_blob_disk.ts";
import { sha256Of } from "./files/content_sums.ts";
import { withTemporaryDirectory } from "./temporary_directory.ts";

/** The blob of most tests, and where its file is in the directory of the store. */
export const ID = "0123456789abcdef0123456789abcdef";
export const PATH = `blobs/01/${ID}`;
/** Another blob, in the folder `fe`. */
export const OTHER = "fedcba9876543210fedcba9876543210";

export const MIB = 2 ** 20;

/** A directory for stores, on a disk with faults. */
export interface Place {
  readonly dir: string;
  readonly faulty: FaultyBlobDisk;
  open(options?: Partial<BlobStoreOptions>): Promise<BlobStore>;
}

/** Opens no store itself, and demands that all files are closed at the end. */
export async function withPlace(test: (place: Place) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    const faulty = await FaultyBlobDisk.open(dir);
    const defaults = { directory: dir, reserveBytes: 0, logger: silentLogger, disk: faulty.disk };
    await test({ dir, faulty, open: (options) => BlobStore.open({ ...defaults, ...options }) });
    assertEquals(faulty.openFiles, 0);
  });
}

/** Bytes that look random. */
export function content(size: number, seed = 1): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length: size }, () => random() * 256);
}

/** Writes a blob in steps of `step` bytes. */
export async function put(
  store: BlobStore,
  bytes: Uint8Array,
  id = ID,
  step = 50_000,
): Promise<void> {
  const writer = await store.create(id, bytes.length);
  for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
  await writer.finish(sha256Of(bytes));
}

/** @returns all bytes that came, and the error that ended them */
export async function drain(pieces: AsyncIterable<Uint8Array>): Promise<[Uint8Array, unknown]> {
  const all: Uint8Array[] = [];
  try {
    for await (const piece of pieces) all.push(piece.slice());
  } catch (error) {
    return [joinBytes(all), error];
  }
  return [joinBytes(all), null];
}

/** Demands that this fails with a `FileError`. @returns its code */
export async function codeOf(run: () => unknown): Promise<FileErrorCode> {
  return (await assertRejects(async () => await run(), FileError)).code;
}

/** All files below a directory. */
export function filesOf(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesOf(`${dir}/${name}`).map((file) => `${name}/${file}`) : [name]
  ).sort();
}
