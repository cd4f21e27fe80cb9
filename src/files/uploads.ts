import type { BodySource } from "../platform/http_listener.ts";
import { BodyReader } from "./body_reader.ts";
import { FileError } from "./file_error.ts";
import type { FileRecord } from "./file_metadata.ts";
import { checkPut, type PutOptions } from "./put_options.ts";
import { Upload, type UploadContext } from "./upload.ts";

/** Maximum number of bytes that wait for holders in all uploads together. */
const BUFFERS_BYTES_MAX = 64 * 1024 * 1024;

/** How often `close` looks whether all uploads have ended, in milliseconds. */
const CLOSING_MS = 10;

export interface UploadsOptions extends Omit<UploadContext, "bufferShare"> {
  /** A random id for each attempt: 32 lower-case hexadecimal digits. */
  readonly newBlobId: () => string;
}

/** All uploads of this process. */
export class Uploads {
  readonly #context: UploadContext;
  readonly #newBlobId: () => string;
  readonly #running = new Map<string, Upload>();
  /** What goes on after the end of an upload. */
  readonly #background = new Map<Promise<void>, Upload>();
  #isClosed = false;

  constructor({ newBlobId, ...context }: UploadsOptions) {
    this.#newBlobId = newBlobId;
    const { bufferBytes } = context.limits;
    const bufferShare = () => Math.min(bufferBytes, BUFFERS_BYTES_MAX / this.#running.size);
    this.#context = { ...context, bufferShare };
  }

  get running(): number {
    return this.#running.size;
  }

  /**
   * Stores a file. The rest of a body that it does not want is left to the caller, paused.
   *
   * @throws {FileError}
   */
  async put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
    const { clock, limits } = this.#context;
    const reader = new BodyReader(body, clock, limits.bodyStalledMs);
    const blob = options.attempt ?? this.#newBlobId();
    try {
      checkPut(name, options);
      if (this.#isClosed) throw new FileError("unavailable", "This node is being stopped.");
      if (this.#running.size >= limits.uploadsMax || this.#running.has(blob)) {
        throw new FileError("busy", "Too many uploads are in progress, try again later.");
      }
      const upload = new Upload(this.#context, name, blob, reader, options);
      this.#running.set(blob, upload);
      try {
        return await upload.run((work) => this.#goOn(upload, work));
      } finally {
        this.#running.delete(blob);
      }
    } finally {
      reader.stop();
    }
  }

  /** Ends all uploads, and takes back what they have written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const upload of [...this.#running.values(), ...this.#background.values()]) upload.cancel();
    while (this.#running.size + this.#background.size > 0) {
      await Promise.all(this.#background.keys());
      await new Promise<void>((resolve) => this.#context.clock.after(CLOSING_MS, resolve));
    }
  }

  #goOn(upload: Upload, work: Promise<void>): void {
    const done = work.finally(() => this.#background.delete(done));
    this.#background.set(done, upload);
  }
}
