import type { SharedDisk } from "../../../src/files/upload_room.ts";

/** A disk of which only the account is there. */
export class SmallDisk implements SharedDisk {
  /** Bytes that may still be written outside the reserve. */
  freeBytes: number;
  readonly promises: { bytes: number }[] = [];

  constructor(freeBytes: number) {
    this.freeBytes = freeBytes;
  }

  get promisedBytes(): number {
    return this.promises.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  roomBytes(): number {
    return this.freeBytes - this.promisedBytes;
  }

  promise(): { bytes: number } {
    const promise = { bytes: 0 };
    this.promises.push(promise);
    return promise;
  }
}
