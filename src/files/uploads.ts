import type { BodySource } from "../platform/http_listener.ts";
import { BodyReader } from "./body_reader.ts";
import { FileError } from "./file_error.ts";
import type { FileRecord } from "./file_metadata.ts";
import { PiecePool } from "./pieces.ts";
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

interface Waiting {
  readonly begin: () => void;
  readonly fail: (error: FileError) => void;
}

function stopping(): FileError {
  return new FileError("unavailable", "This node is being stopped.");
}

/** All uploads of this process. */
export class Uploads {
  readonly #context: UploadContext;
  readonly #newBlobId: () => string;
  readonly #pieces = new PiecePool();
  readonly #running = new Map<string, Upload>();
  /** What goes on after the end of an upload. */
  readonly #background = new Map<Promise<void>, Upload>();
  /** Those that wait for their turn, the first one first. */
  readonly #waiting = new Set<Waiting>();
  /** Number of uploads that have had their turn and not ended. */
  #taken = 0;
  #isClosed = false;

  constructor({ newBlobId, ...context }: UploadsOptions) {
    this.#newBlobId = newBlobId;
    const { bufferBytes } = context.limits;
    const bufferShare = () =>
      Math.min(bufferBytes, BUFFERS_BYTES_MAX / Math.max(1, this.#running.size));
    this.#context = { ...context, bufferShare };
  }

  get running(): number {
    return this.#running.size;
  }

  /**
   * Stores a file. While others take all places, it waits for its turn without reading the body. The
   * rest of a body that it does not want is left to the caller, paused.
   *
   * @throws {FileError}
   */
  async put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
    const { clock, limits } = this.#context;
    const reader = new BodyReader(body, this.#pieces, clock, limits.bodyStalledMs);
    const blob = options.attempt ?? this.#newBlobId();
    try {
      checkPut(name, options);
      if (this.#isClosed) throw stopping();
      await this.#turn();
      try {
        reader.check();
        return await this.#run(name, blob, reader, options);
      } finally {
        this.#passTurn();
      }
    } finally {
      reader.stop();
    }
  }

  async #run(
    name: string,
    blob: string,
    reader: BodyReader,
    options: PutOptions,
  ): Promise<FileRecord> {
    if (this.#isClosed) throw stopping();
    if (this.#running.has(blob)) {
      throw new FileError("busy", "The same upload is in progress, try again later.");
    }
    const upload = new Upload(this.#context, name, blob, reader, options);
    this.#running.set(blob, upload);
    try {
      return await upload.run((work) => this.#goOn(upload, work));
    } finally {
      this.#running.delete(blob);
    }
  }

  /** Resolves when there is a place for one more upload. @throws {FileError} `busy` */
  async #turn(): Promise<void> {
    const { clock, limits } = this.#context;
    if (this.#taken < limits.uploadsMax) return void this.#taken++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = {
      begin: resolve,
      fail: (error) => {
        this.#waiting.delete(waiting);
        reject(error);
      },
    };
    this.#waiting.add(waiting);
    const busy = new FileError("busy", "Too many uploads are in progress, try again later.");
    const cancel = clock.after(limits.turnMs, () => waiting.fail(busy));
    await promise.finally(cancel);
  }

  /** Leaves the place to who has waited longest. */
  #passTurn(): void {
    const [next] = this.#waiting;
    if (next === undefined) return void this.#taken--;
    this.#waiting.delete(next);
    next.begin();
  }

  /** Ends all uploads, and takes back what they have written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting]) waiting.fail(stopping());
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
