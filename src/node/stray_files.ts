import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Disk } from "../platform/disk.ts";

/**
 * Other people's files in our directories, and files of ours that cannot be removed. Neither is a
 * reason to stop: a copy that an operator made, or what a network file system leaves of a file that
 * is still open, takes space and nothing else. Each is told once.
 */
export class StrayFiles {
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #told = new Set<string>();

  constructor(disk: Disk, logger: Logger) {
    this.#disk = disk;
    this.#logger = logger;
  }

  /** The names in a directory; none when it cannot be read, which is told. */
  list(directory: string): readonly string[] {
    try {
      return this.#disk.list(directory);
    } catch (error) {
      this.#tell(directory, `cannot read ${this.#pathOf(directory)}: ${messageOf(error)}`);
      return [];
    }
  }

  /** This file is none of ours. */
  found(path: string): void {
    this.#tell(path, `ignores ${this.#pathOf(path)}, which is no file of Regent's`);
  }

  /** Removes a file that is not needed any more, if possible. */
  remove(path: string): void {
    try {
      this.#disk.remove(path);
    } catch (error) {
      this.#tell(path, `cannot remove ${this.#pathOf(path)}: ${messageOf(error)}`);
    }
  }

  #pathOf(path: string): string {
    return path === "" ? this.#disk.root : `${this.#disk.root}/${path}`;
  }

  #tell(path: string, line: string): void {
    if (this.#told.has(path)) return;
    this.#told.add(path);
    this.#logger.warn(line);
  }
}
