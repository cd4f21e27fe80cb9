import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Disk } from "../platform/disk.ts";

/**
 * Handles foreign files in our directories, and files of ours that cannot be removed. Neither is a
 * reason to stop: an operator's copy, or what a network file system leaves of an open file, only
 * takes space. Each file is logged once.
 */
export class StrayFiles {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #logged = new Set<string>();

  constructor(disk: Disk, logger: Logger) {
    this.#disk = disk;
    this.#logger = logger;
  }

  /** Names in a directory. An unreadable directory is logged, and counts as empty. */
  list(directory: string): readonly string[] {
    try {
      return this.#disk.list(directory);
    } catch (error) {
      this.#logOnce(directory, `cannot read ${this.#pathOf(directory)}: ${messageOf(error)}`);
      return [];
    }
  }

  /** Logs a file that is not ours. */
  found(path: string): void {
    this.#logOnce(path, `ignores ${this.#pathOf(path)}, which is not a file of Regent`);
  }

  /** Removes a file if possible, and logs a failure. */
  remove(path: string): void {
    try {
      this.#disk.remove(path);
    } catch (error) {
      this.#logOnce(path, `cannot remove ${this.#pathOf(path)}: ${messageOf(error)}`);
    }
  }

  #pathOf(path: string): string {
    return path === "" ? this.#disk.root : `${this.#disk.root}/${path}`;
  }

  #logOnce(path: string, line: string): void {
    if (this.#logged.has(path)) return;
    this.#logged.add(path);
    this.#logger.warn(line);
  }
}
