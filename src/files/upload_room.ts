import { FileError } from "./file_error.ts";

/** A disk that uploads share with contents. `BlobStore` keeps its account. */
export interface SharedDisk {
  /** Bytes that may still be taken beside the reserve and all promises; negative when too many are. */
  roomBytes(): number;
  /** Begins a promise of no bytes, which counts until the end of the process. */
  promise(): { bytes: number };
}

/** Number of bytes that are written before the disk is asked again. */
const ASKED_BYTES = 4 * 1024 * 1024;

/** What uploads will still write to a disk, in its account. */
export class UploadRoom {
  readonly #disk: SharedDisk;
  readonly #promise: { bytes: number };
  readonly #rests = new Map<string, number>();
  /** Number of bytes that may be written before the disk is asked again. */
  #creditBytes = 0;

  constructor(disk: SharedDisk) {
    this.#disk = disk;
    this.#promise = disk.promise();
  }

  /** @param bytes number of bytes that the upload will still write */
  promise(id: string, bytes: number): void {
    this.#promise.bytes += bytes - (this.#rests.get(id) ?? 0);
    if (bytes === 0) this.#rests.delete(id);
    else this.#rests.set(id, bytes);
  }

  /** @throws {FileError} `insufficient-storage` unless all that is promised fits */
  checkPromises(): void {
    if (this.#disk.roomBytes() < 0) {
      throw new FileError("insufficient-storage", "The disk has no room for this upload.");
    }
  }

  /**
   * Others fill the disk as well, and a promise is no room: before so many bytes are written.
   *
   * @throws {FileError} `insufficient-storage` when they would go into the reserve
   */
  take(bytes: number): void {
    if (this.#creditBytes < bytes) {
      const credit = Math.min(this.freeBytes, Math.max(bytes, ASKED_BYTES));
      if (credit < bytes) {
        this.#creditBytes = 0;
        throw new FileError(
          "insufficient-storage",
          "The disk has no room for more of this upload.",
        );
      }
      this.#creditBytes = credit;
    }
    this.#creditBytes -= bytes;
  }

  /** The disk is asked before the next bytes. */
  askAgain(): void {
    this.#creditBytes = 0;
  }

  /** Bytes that uploads may write at the moment; negative when the disk is inside the reserve. */
  get freeBytes(): number {
    return this.#disk.roomBytes() + this.#promise.bytes;
  }
}
