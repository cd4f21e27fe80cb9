import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { BlobDisk } from "../platform/blob_disk.ts";
import type { Clock } from "../platform/clock.ts";

/** The longest time in milliseconds for which a damaged blob is kept. */
const KEPT_MS = 24 * 60 * 60 * 1000;
/** Bytes of damaged blobs that are kept, but no more than this part of the disk. */
const KEPT_BYTES = 1024 ** 3;
const KEPT_PART = 0.1;

export interface QuarantineOptions {
  /** Of the damaged blobs, on the disk. */
  readonly folder: string;
  readonly disk: BlobDisk;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether somebody still reads the blob. Then its file must stay as it is. */
  readonly isRead: (id: string) => boolean;
}

/**
 * Damaged blobs, for the operator to look at: each for a day at most, and no more than 1 GiB or a
 * tenth of the disk of them together, the newest. Regent never reads them again: a good copy comes
 * from another node, and if there is none, an operator who knows that has a day to copy the file.
 */
export class Quarantine {
  readonly #options: QuarantineOptions;

  constructor(options: QuarantineOptions) {
    this.#options = options;
  }

  /** Removes what is too old or too much. Call it after each blob that comes, and now and then. */
  async tidy(): Promise<void> {
    const { folder, disk, clock, logger, isRead } = this.#options;
    const names = (await disk.list(folder)).filter(({ kind }) => kind === "file");
    // From here on, nothing is awaited, so that nobody begins to read or removes one meanwhile.
    const files = names.map(({ name }) => {
      const path = `${folder}/${name}`;
      return { name, path, bytes: disk.sizeOf(path), changedMs: disk.changedMs(path) ?? 0 };
    });
    files.sort((one, other) => other.changedMs - one.changedMs);
    const nowMs = clock.nowMs();
    let left = Math.min(KEPT_BYTES, KEPT_PART * disk.space().capacityBytes);
    for (const { name, path, bytes, changedMs } of files) {
      if (bytes === null) continue; // removed meanwhile
      left -= bytes;
      if ((left >= 0 && nowMs - changedMs < KEPT_MS) || isRead(name)) continue;
      try {
        disk.remove(path);
        logger.info(`removed ${path}, a damaged blob`);
      } catch (error) {
        logger.warn(`cannot remove ${path}: ${messageOf(error)}`);
      }
    }
  }
}
