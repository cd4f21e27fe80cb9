import type { DiskFile } from "../../../src/platform/disk.ts";

const FILE_BYTES = 64 * 1024 * 1024;

/** A file that is written from its beginning again when it is full. */
export class Ring {
  #offset = 0;

  constructor(readonly file: DiskFile) {
    const zeros = new Uint8Array(1 << 20);
    for (let at = 0; at < FILE_BYTES; at += zeros.length) file.write(zeros, at);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#offset + bytes.length > FILE_BYTES) this.#offset = 0;
    this.file.write(bytes, this.#offset);
    this.#offset += bytes.length;
    await new Promise<void>((done) => this.file.sync(() => done()));
  }
}
