import { crc32 } from "node:zlib";
import { errorOf } from "../base/errors.ts";
import type { BlobFile } from "../platform/blob_disk.ts";
import { ChecksumTable, CHUNK_BYTES, encodeFooter, fileBytes } from "./blob_format.ts";
import type { BlobSummary, BlobWriter } from "./blobs.ts";
import { FileError } from "./file_error.ts";

/** What a writer needs of the store that it belongs to. */
export interface StagedBlobOwner {
  /** Counts bytes that the writer has handed to the disk, and does not need any more. */
  noteWritten(bytes: number): void;
  /** @throws {FileError} when a blob whose size nobody knows must not go on growing */
  checkSpace(): void;
  /** Gives the complete and durable file its name. */
  publish(): Promise<void>;
  /** Removes the file, if there is one. */
  discard(): void;
}

export interface StagedBlobOptions {
  readonly id: string;
  readonly file: BlobFile;
  /** Bytes that will come; `null` when nobody knows. */
  readonly size: number | null;
  readonly owner: StagedBlobOwner;
}

/** The content is written in pieces of so many bytes: a multiple of a chunk. */
const PIECE_BYTES = 1024 * 1024;
/** The first buffer of a blob whose size nobody knows. */
const FIRST_BYTES = CHUNK_BYTES;
/**
 * The disk begins to sync after so many bytes. At most twice as many wait to be synced, so that
 * neither the sync at the end nor those of the log, on the same disk, wait for more.
 */
const EARLY_SYNC_BYTES = 4 * 1024 * 1024;

/**
 * A blob that is being written, in two buffers: one is filled while the other is written. Nothing
 * reads it before it is complete.
 */
export class StagedBlob implements BlobWriter {
  readonly #options: StagedBlobOptions;
  readonly #table = new ChecksumTable();
  #filling: Uint8Array<ArrayBuffer>;
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
  #size = 0;
  #unsyncedBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> = Promise.resolve();
  /** What `write` or `finish` does at the moment. */
  #work: Promise<unknown> = Promise.resolve();
  #failure: FileError | null = null;
  #isFinishing = false;
  #isClosed = false;

  constructor(options: StagedBlobOptions) {
    this.#options = options;
    const { size } = options;
    const wanted = size === null ? FIRST_BYTES : fileBytes(size);
    this.#filling = new Uint8Array(Math.min(PIECE_BYTES, wanted));
  }

  write(chunk: Uint8Array): Promise<void> | void {
    const { size } = this.#options;
    this.#size += chunk.length;
    if (size !== null && this.#size > size) {
      this.#failure ??= new FileError("bad-request", `More than the announced ${size} bytes came`);
    }
    if (this.#failure === null && this.#filled + chunk.length <= this.#filling.length) {
      this.#filling.set(chunk, this.#filled);
      this.#filled += chunk.length;
      return;
    }
    return this.#run(() => this.#writeThrough(chunk));
  }

  finish(sha256: string): Promise<BlobSummary> {
    this.#isFinishing = true;
    return this.#run(() => this.#finish(sha256));
  }

  async abort(): Promise<void> {
    if (!this.#isFinishing) {
      this.#failure ??= new FileError("aborted", "The upload was given up");
    }
    await this.#work.catch(() => {});
    if (!this.#isFinishing) await this.#discard();
  }

  /** Does this unless something has failed; when it fails, nothing is left. */
  #run<T>(work: () => Promise<T>): Promise<T> {
    const run = async () => {
      try {
        this.#check();
        return await work();
      } catch (error) {
        this.#failure ??= writeError(error);
        await this.#discard();
        throw this.#failure;
      }
    };
    const running = run();
    this.#work = running;
    return running;
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async #writeThrough(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      if (this.#filled === this.#filling.length) await this.#makeRoom();
      const part = chunk.subarray(at, at + this.#filling.length - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#filling.length < PIECE_BYTES) {
      const grown = new Uint8Array(Math.min(PIECE_BYTES, this.#filling.length * 4));
      grown.set(this.#filling.subarray(0, this.#filled));
      this.#filling = grown;
      return;
    }
    const piece = this.#filling;
    this.#table.add(piece);
    await this.#writing;
    this.#check();
    if (this.#unsyncedBytes >= EARLY_SYNC_BYTES) await this.#syncEarly();
    this.#writing = this.#append(piece);
    this.#filling = this.#spare ?? new Uint8Array(PIECE_BYTES);
    this.#spare = piece;
    this.#filled = 0;
  }

  /** Appends to the file. A failure is found by the next call of the writer. */
  #append(bytes: Uint8Array): Promise<void> {
    const { file, owner } = this.#options;
    this.#unsyncedBytes += bytes.length;
    const writing = file.write(bytes).then(() => owner.noteWritten(bytes.length));
    writing.catch((error) => this.#failure ??= writeError(error));
    return writing;
  }

  /** Begins to sync what is written, when the sync before has ended. */
  async #syncEarly(): Promise<void> {
    const { file, owner, size } = this.#options;
    await this.#syncing;
    this.#check();
    if (size === null) owner.checkSpace();
    this.#unsyncedBytes = 0;
    this.#syncing = file.syncEarly();
    this.#syncing.catch((error) => this.#failure ??= writeError(error));
  }

  async #finish(sha256: string): Promise<BlobSummary> {
    const { id, file, size: announced, owner } = this.#options;
    const size = this.#size;
    if (announced !== null && size !== announced) {
      throw new FileError("bad-request", `${size} of the announced ${announced} bytes came`);
    }
    this.#table.add(this.#filling.subarray(0, this.#filled));
    const table = this.#table.encoded();
    const footer = encodeFooter({ id, size, sha256, tableCrc: crc32(table) });
    await this.#writing;
    await this.#syncing;
    this.#check();
    await this.#append(this.#withTrailer(table, footer));
    await file.sync();
    this.#close();
    await owner.publish();
    return { size, checksum: this.#table.digest() };
  }

  /** The rest of the content and its trailer, to be written at once. */
  #withTrailer(table: Uint8Array, footer: Uint8Array): Uint8Array {
    const end = this.#filled + table.length + footer.length;
    let bytes = this.#filling;
    if (end > bytes.length) {
      bytes = new Uint8Array(end);
      bytes.set(this.#filling.subarray(0, this.#filled));
    }
    bytes.set(table, this.#filled);
    bytes.set(footer, this.#filled + table.length);
    return bytes.subarray(0, end);
  }

  async #discard(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#syncing.catch(() => {});
    this.#close();
    this.#options.owner.discard();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.file.close();
  }
}

/** An error of the disk as one that says what it means for the upload. */
export function writeError(error: unknown): FileError {
  if (error instanceof FileError) return error;
  const { code, message } = errorOf(error) as Error & { code?: string };
  return code === "ENOSPC" || code === "EDQUOT"
    ? new FileError("insufficient-storage", "The disk of this node is full", { cause: error })
    : new FileError("unavailable", `Cannot write to the disk: ${message}`, { cause: error });
}
