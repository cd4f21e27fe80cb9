import { systemClock } from "./system_clock.ts";

/** The system takes a millisecond to free so much, and every sync on the disk waits for it. */
const STEP_BYTES = 4 * 1024 * 1024;
/** Time for others to use the disk. */
const PAUSE_MS = 2;

interface RemovedFile {
  readonly file: Deno.FsFile;
  sizeBytes: number;
}

/**
 * Removes files. The name goes at once; what a large file takes on the disk is given back bit by
 * bit, since to give back all of it in one call holds up the process, or from another thread
 * everybody's syncs, for a quarter of a millisecond for each MiB.
 */
export class GradualRemoval {
  readonly #removed: RemovedFile[] = [];
  #cancel: (() => void) | null = null;

  /** @throws when there is no such file, or it may not be removed */
  remove(path: string): void {
    const { size } = Deno.lstatSync(path);
    if (size <= STEP_BYTES) return Deno.removeSync(path);
    const file = Deno.openSync(path, { write: true });
    try {
      Deno.removeSync(path);
    } catch (error) {
      file.close();
      throw error;
    }
    // Under another name, as in a copy made of links, it is somebody's still.
    if (file.statSync().nlink !== 0) return file.close();
    this.#removed.push({ file, sizeBytes: size });
    this.#continue();
  }

  /** The system gives back the rest at once. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const { file } of this.#removed.splice(0)) file.close();
  }

  #continue(): void {
    if (this.#cancel !== null || this.#removed.length === 0) return;
    this.#cancel = systemClock.after(PAUSE_MS, () => {
      this.#cancel = null;
      this.#step();
      this.#continue();
    });
  }

  #step(): void {
    const [first] = this.#removed;
    if (first === undefined) return;
    first.sizeBytes -= STEP_BYTES;
    if (first.sizeBytes > 0 && shrank(first)) return;
    first.file.close();
    this.#removed.shift();
  }
}

/** Whether it did; a file that cannot be shrunk is given back when it is closed. */
function shrank({ file, sizeBytes }: RemovedFile): boolean {
  try {
    file.truncateSync(sizeBytes);
    return true;
  } catch {
    return false;
  }
}
