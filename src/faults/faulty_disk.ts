import type { Clock } from "../platform/clock.ts";
import type { Disk, DiskFile } from "../platform/disk.ts";
import { DelayLine } from "./delay_line.ts";
import type { Faults } from "./faults.ts";

type Done = (error: Error | null) => void;

/**
 * Wraps a disk. `slow-disk` delays the end of each sync of a file or directory. A blocking sync
 * blocks for that much longer.
 */
export class FaultyDisk implements Disk {
  readonly root: string;
  readonly #disk: Disk;
  readonly #faults: Faults;
  readonly #line: DelayLine;
  readonly #block: (durationMs: number) => void;

  /** @param block blocks the event loop for this long */
  constructor(disk: Disk, faults: Faults, clock: Clock, block: (durationMs: number) => void) {
    this.root = disk.root;
    this.#disk = disk;
    this.#faults = faults;
    this.#block = block;
    this.#line = new DelayLine(clock);
    faults.watch(() => {
      if (faults.syncDelayMs === 0) this.#line.release();
    });
  }

  list(directory: string): readonly string[] {
    return this.#disk.list(directory);
  }

  makeDirectory(directory: string): void {
    this.#disk.makeDirectory(directory);
  }

  read(path: string): Uint8Array | null {
    return this.#disk.read(path);
  }

  open(path: string, mode: "create" | "existing"): DiskFile {
    return this.#slow(this.#disk.open(path, mode));
  }

  rename(from: string, to: string): void {
    this.#disk.rename(from, to);
  }

  remove(path: string): void {
    this.#disk.remove(path);
  }

  syncDirectory(directory: string, done: Done): void {
    this.#disk.syncDirectory(directory, this.#late(done));
  }

  syncDirectoryNow(directory: string): void {
    this.#disk.syncDirectoryNow(directory);
    this.#stand();
  }

  #slow(file: DiskFile): DiskFile {
    return {
      sizeBytes: () => file.sizeBytes(),
      read: (into, offset) => file.read(into, offset),
      write: (bytes, offset) => file.write(bytes, offset),
      readLater: (into, offset, done) => file.readLater(into, offset, done),
      writeLater: (bytes, offset, done) => file.writeLater(bytes, offset, done),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      sync: (done) => file.sync(this.#late(done)),
      syncNow: () => {
        file.syncNow();
        this.#stand();
      },
      close: () => file.close(),
    };
  }

  #late(done: Done): Done {
    return (error) => {
      const delayMs = this.#faults.syncDelayMs;
      if (delayMs === 0) done(error);
      else this.#line.add(delayMs, () => done(error));
    };
  }

  #stand(): void {
    const delayMs = this.#faults.syncDelayMs;
    if (delayMs > 0) this.#block(delayMs);
  }
}
