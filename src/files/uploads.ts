import type { BodySource } from "../platform/http_listener.ts";
import { BodyReader } from "./body_reader.ts";
import { FileError } from "./file_error.ts";
import type { FileRecord } from "./file_metadata.ts";
import { PiecePool } from "./pieces.ts";
import { checkPut, type PutOptions } from "./put_options.ts";
import { Turns } from "./turns.ts";
import { Upload, type UploadContext } from "./upload.ts";

/** Maximum number of bytes that wait for holders in all uploads together. */
const BUFFERS_BYTES_MAX = 64 * 1024 * 1024;

/** How often `close` looks whether all uploads have ended, in milliseconds. */
const CLOSING_MS = 10;

export interface UploadsOptions extends Omit<UploadContext, "bufferShare"> {
  /** A random id for each attempt: 32 lower-case hexadecimal digits. */
  readonly newBlobId: () => string;
}

/** Number of file descriptors that the node itself needs for a copy beyond that of a connection. */
const OWN_COPY_DESCRIPTORS = 2;

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
  readonly #turns: Turns;
  #isClosed = false;

  constructor({ newBlobId, ...context }: UploadsOptions) {
    this.#newBlobId = newBlobId;
    const { bufferBytes, uploadsMax, descriptorsMax, turnMs } = context.limits;
    this.#turns = new Turns({
      countMax: uploadsMax,
      weightMax: descriptorsMax,
      waitMs: turnMs,
      what: "uploads",
      clock: context.clock,
    });
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
    return await this.#reading(name, body, options, async (reader) => {
      const end = await this.#turns.take(this.#descriptorsOf(options));
      try {
        return await this.#run(name, reader, options);
      } finally {
        end();
      }
    });
  }

  /**
   * Stores a file that belongs to an upload in progress, in that one's place. If it waited for one of
   * its own, uploads that have all of them would wait for each other.
   *
   * @throws {FileError}
   */
  async putWithin(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
    return await this.#reading(name, body, options, (reader) => this.#run(name, reader, options));
  }

  async #reading(
    name: string,
    body: BodySource,
    options: PutOptions,
    store: (reader: BodyReader) => Promise<FileRecord>,
  ): Promise<FileRecord> {
    const { clock, limits } = this.#context;
    const reader = new BodyReader(body, this.#pieces, clock, limits.bodyStalledMs);
    try {
      checkPut(name, options);
      if (this.#isClosed) throw stopping();
      return await store(reader);
    } finally {
      reader.stop();
    }
  }

  async #run(name: string, reader: BodyReader, options: PutOptions): Promise<FileRecord> {
    reader.check();
    if (this.#isClosed) throw stopping();
    const blob = options.attempt ?? this.#newBlobId();
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

  /** Number of file descriptors that an upload takes at most, with the one within it. */
  #descriptorsOf({ copies = this.#context.copies, tagger }: PutOptions): number {
    const own = copies + OWN_COPY_DESCRIPTORS;
    return tagger === undefined ? own : own + this.#context.copies + OWN_COPY_DESCRIPTORS;
  }

  /** Ends all uploads, and takes back what they have written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#turns.failWaiting(stopping());
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
