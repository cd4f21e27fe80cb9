import { assert } from "../../src/base/errors.ts";
import type { Clock } from "../../src/platform/clock.ts";
import type { Disk, DiskFile } from "../../src/platform/disk.ts";

type Done = (error: Error | null) => void;

/**
 * A disk on which each write, read and sync of a file takes a fixed time, and takes effect at its
 * end. Code that would block the event loop, or uses a busy file, gets an assertion failure.
 */
export class SlowDisk implements Disk {
  readonly root: string;
  /** The operations requested so far, in order. */
  readonly asked: { readonly kind: "write" | "sync"; readonly bytes: number }[] = [];
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #delayMs: number;

  constructor(disk: Disk, clock: Clock, delayMs: number) {
    this.root = disk.root;
    this.#disk = disk;
    this.#clock = clock;
    this.#delayMs = delayMs;
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
    const file = this.#disk.open(path, mode);
    let isBusy = false;
    const waited = (): never => {
      throw new Error(`The event loop waits for ${path}`);
    };
    const later = (begin: (done: Done) => void, done: Done) => {
      assert(!isBusy, `${path} is used while the disk works on it`);
      isBusy = true;
      this.#clock.after(this.#delayMs, () =>
        begin((error) => {
          isBusy = false;
          done(error);
        }));
    };
    return {
      sizeBytes: () => file.sizeBytes(),
      read: waited,
      write: waited,
      readLater: (into, offset, done) =>
        later((ended) => file.readLater(into, offset, ended), done),
      writeLater: (bytes, offset, done) => {
        this.asked.push({ kind: "write", bytes: bytes.length });
        later((ended) => file.writeLater(bytes, offset, ended), done);
      },
      truncate: waited,
      sync: (done) => {
        this.asked.push({ kind: "sync", bytes: 0 });
        later((ended) => file.sync(ended), done);
      },
      syncNow: waited,
      close: () => {
        assert(!isBusy, `${path} is closed while the disk works on it`);
        file.close();
      },
    };
  }

  rename(from: string, to: string): void {
    this.#disk.rename(from, to);
  }

  remove(path: string): void {
    this.#disk.remove(path);
  }

  syncDirectory(directory: string, done: Done): void {
    this.#disk.syncDirectory(
      directory,
      (error) => void this.#clock.after(this.#delayMs, () => done(error)),
    );
  }

  syncDirectoryNow(directory: string): void {
    this.#disk.syncDirectoryNow(directory);
  }
}
