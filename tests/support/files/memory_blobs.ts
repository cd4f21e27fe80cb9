import { joinBytes } from "../../../src/base/bytes.ts";
import type { BlobSpace, BlobStorage, BlobSummary, BlobWriter } from "../../../src/files/blobs.ts";
import { BlobCorrupt, FileError } from "../../../src/files/file_error.ts";
import { summaryOf } from "./content_sums.ts";

/** Chunks are small, so that a transfer can be cut in the middle of a small file. */
const CHUNK_BYTES = 256;

interface StoredBlob {
  readonly written: Uint8Array;
  /** What is on the disk now. */
  readonly bytes: Uint8Array;
}

/** A node's disk, which outlives the node's processes. */
export class MemoryDisk {
  readonly blobs = new Map<string, StoredBlob>();
  /** Ids of blobs that are being written. */
  readonly staging = new Set<string>();
  capacityBytes = 1_000_000;
  /** Of the process that runs, whoever reads. */
  onLost: (id: string) => void = () => {};
  /** Is exchanged when the process dies or the disk is emptied: writers of before come to nothing. */
  generation = {};

  /** Ends all that was being written. */
  crash(): void {
    this.generation = {};
    this.staging.clear();
  }

  wipe(): void {
    this.crash();
    this.blobs.clear();
  }

  flip(id: string, at: number): void {
    const blob = this.blobs.get(id);
    if (blob !== undefined && at < blob.bytes.length) blob.bytes[at] = (blob.bytes[at] ?? 0) ^ 1;
  }

  isIntact(id: string): boolean {
    const blob = this.blobs.get(id);
    return blob !== undefined && isSame(blob.bytes, blob.written);
  }

  get usedBytes(): number {
    let sum = 0;
    for (const { bytes } of this.blobs.values()) sum += bytes.length;
    return sum;
  }
}

/** The blob storage of one process on a disk. `step` takes some time, or fails with the process. */
export class MemoryBlobs implements BlobStorage {
  readonly #disk: MemoryDisk;
  readonly #step: () => Promise<void>;

  constructor(disk: MemoryDisk, step: () => Promise<void>) {
    this.#disk = disk;
    this.#step = step;
  }

  get onLost(): (id: string) => void {
    return this.#disk.onLost;
  }

  set onLost(onLost: (id: string) => void) {
    this.#disk.onLost = onLost;
  }

  async create(id: string, size: number | null): Promise<BlobWriter> {
    const disk = this.#disk;
    await this.#step();
    if (disk.blobs.has(id)) throw new FileError("precondition-failed", "The blob exists");
    if (disk.staging.has(id)) throw new FileError("busy", "The blob is being written");
    if (disk.usedBytes + (size ?? 1) > disk.capacityBytes) throw full();
    disk.staging.add(id);
    return new MemoryWriter(disk, id, this.#step);
  }

  has(id: string): boolean {
    return this.#disk.blobs.has(id);
  }

  sizeOf(id: string): number | null {
    return this.#disk.blobs.get(id)?.bytes.length ?? null;
  }

  ids(): Iterable<string> {
    return this.#disk.blobs.keys();
  }

  async *read(id: string, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    const blob = this.#disk.blobs.get(id);
    if (blob === undefined) throw new FileError("not-found", "The blob is not here");
    for (let at = from; at < to; at += CHUNK_BYTES) {
      const end = Math.min(to, at + CHUNK_BYTES);
      await this.#step();
      if (!isSame(blob.bytes.subarray(at, end), blob.written.subarray(at, end))) {
        if (this.#disk.blobs.get(id) === blob) {
          this.#disk.blobs.delete(id);
          this.#disk.onLost(id);
        }
        throw new BlobCorrupt(id, `at ${at}`);
      }
      yield blob.bytes.slice(at, end);
    }
  }

  async verify(id: string, pace: (bytes: number) => Promise<void>): Promise<boolean> {
    try {
      for await (const chunk of this.read(id, 0, this.sizeOf(id) ?? 0)) await pace(chunk.length);
      return true;
    } catch (error) {
      if (error instanceof BlobCorrupt) return false;
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await this.#step();
    this.#disk.blobs.delete(id);
  }

  space(): Promise<BlobSpace> {
    const { capacityBytes, usedBytes } = this.#disk;
    return Promise.resolve({ capacityBytes, usedBytes, freeBytes: capacityBytes - usedBytes });
  }
}

class MemoryWriter implements BlobWriter {
  readonly #disk: MemoryDisk;
  readonly #generation: object;
  readonly #id: string;
  readonly #step: () => Promise<void>;
  readonly #chunks: Uint8Array[] = [];
  #isFinishing = false;

  constructor(disk: MemoryDisk, id: string, step: () => Promise<void>) {
    this.#disk = disk;
    this.#generation = disk.generation;
    this.#id = id;
    this.#step = step;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk.slice());
    await this.#step();
    this.#check();
    const bytes = this.#chunks.reduce((sum, { length }) => sum + length, 0);
    if (this.#disk.usedBytes + bytes <= this.#disk.capacityBytes) return;
    this.#disk.staging.delete(this.#id);
    throw full();
  }

  async finish(): Promise<BlobSummary> {
    this.#isFinishing = true;
    await this.#step();
    this.#check();
    const written = joinBytes(this.#chunks);
    this.#disk.staging.delete(this.#id);
    this.#disk.blobs.set(this.#id, { written, bytes: written.slice() });
    return summaryOf(written);
  }

  abort(): Promise<void> {
    const isOwn = this.#disk.generation === this.#generation;
    if (!this.#isFinishing && isOwn) this.#disk.staging.delete(this.#id);
    return Promise.resolve();
  }

  #check(): void {
    if (this.#disk.generation === this.#generation && this.#disk.staging.has(this.#id)) return;
    throw new FileError("aborted", "The upload was given up");
  }
}

function full(): FileError {
  return new FileError("insufficient-storage", "The disk is full");
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
