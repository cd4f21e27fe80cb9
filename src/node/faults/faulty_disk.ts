import type { Clock } from "../clock.ts";
import type { Disk, DiskFile } from "../disk.ts";
import { DelayLine } from "./delay_line.ts";
import type { Faults } from "./faults.ts";

/**
 * Stands before the disk: `slow-disk` lets each sync be told later than it was done. What blocks
 * (`syncNow`, `syncDirectory`) is as fast as ever: a node that stands still is another failure.
 */
export class FaultyDisk implements Disk {
  readonly root: string;
  readonly #disk: Disk;
  readonly #faults: Faults;
  readonly #line: DelayLine;

  constructor(disk: Disk, faults: Faults, clock: Clock) {
    this.root = disk.root;
    this.#disk = disk;
    this.#faults = faults;
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

  syncDirectory(directory: string): void {
    this.#disk.syncDirectory(directory);
  }

  #slow(file: DiskFile): DiskFile {
    return {
      sizeBytes: () => file.sizeBytes(),
      read: (into, offset) => file.read(into, offset),
      write: (bytes, offset) => file.write(bytes, offset),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      sync: (done) => file.sync((error) => this.#later(() => done(error))),
      syncNow: () => file.syncNow(),
      close: () => file.close(),
    };
  }

  #later(done: () => void): void {
    const delayMs = this.#faults.syncDelayMs;
    if (delayMs === 0) done();
    else this.#line.add(delayMs, done);
  }
}
