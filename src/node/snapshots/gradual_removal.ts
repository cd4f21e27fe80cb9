import { messageOf } from "../../base/errors.ts";
import type { Disk, DiskFile } from "../disk.ts";

/** The system takes some milliseconds to free so much, and nothing else happens meanwhile. */
const STEP_BYTES = 16 * 1024 * 1024;

/** Removes files; a large one is shrunk in steps first, and the loop goes on in between. */
export class GradualRemoval {
  readonly #disk: Disk;
  readonly #onFailure: (message: string) => void;
  readonly #shrinking = new Map<string, DiskFile>();
  #isStopped = false;

  constructor(disk: Disk, onFailure: (message: string) => void) {
    this.#disk = disk;
    this.#onFailure = onFailure;
  }

  remove(path: string): void {
    if (this.#shrinking.has(path)) return;
    this.#try(path, () => {
      const file = this.#disk.open(path, "existing");
      this.#shrinking.set(path, file);
      this.#step(path, file, file.sizeBytes());
    });
  }

  /** What is not gone yet stays for another time. */
  stop(): void {
    this.#isStopped = true;
  }

  #step(path: string, file: DiskFile, sizeBytes: number): void {
    if (sizeBytes <= STEP_BYTES) {
      this.#close(path);
      this.#disk.remove(path);
      return;
    }
    const left = sizeBytes - STEP_BYTES;
    file.truncate(left);
    file.sync((error) => {
      if (this.#isStopped) return this.#close(path);
      this.#try(path, () => {
        if (error !== null) throw error;
        this.#step(path, file, left);
      });
    });
  }

  #try(path: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#close(path);
      this.#onFailure(messageOf(error));
    }
  }

  #close(path: string): void {
    this.#shrinking.get(path)?.close();
    this.#shrinking.delete(path);
  }
}
