import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { errorOf } from "../base/errors.ts";
import type { BlobFile } from "../platform/blob_disk.ts";
import {
  type BlobFooter,
  CHUNK_BYTES,
  contentBytes,
  decodeFooter,
  ENTRY_BYTES,
  firstWrongChunk,
  FOOTER_BYTES,
  tableBytes,
} from "./blob_format.ts";
import { BlobCorrupt, FileError } from "./file_error.ts";

/** Bytes of content that are read at once: whole chunks. The next are read ahead. */
const READ_BYTES = 1024 * 1024;
/** With more reads than this at the same time, each holds little: clients may be slow. */
const LARGE_READS_MAX = 16;
/** Bytes that are read at once then, and none ahead. */
const SMALL_READ_BYTES = 128 * 1024;
/** Bytes of the table that are kept: the checksums of 256 MiB. */
const PAGE_BYTES = 16 * 1024;
/** Content for which a page of the table has the checksums. */
const PAGE_CONTENT = (PAGE_BYTES / ENTRY_BYTES) * CHUNK_BYTES;

/** Number of reads in progress, which share the memory. */
export interface ReadLoad {
  readonly reads: number;
}

/** Reads an open blob, and gives out only bytes whose checksums match. */
export class BlobReader {
  readonly footer: BlobFooter;
  readonly #file: BlobFile;
  readonly #load: ReadLoad;
  #page: Uint8Array = new Uint8Array(0);
  #newer = new Uint8Array(0);
  #older = new Uint8Array(0);
  #pageAt = -1;

  private constructor(file: BlobFile, footer: BlobFooter, load: ReadLoad) {
    this.#file = file;
    this.#load = load;
    this.footer = footer;
  }

  /**
   * @param file is still the caller's, to be closed
   * @throws {BlobCorrupt} when the file has no right footer
   */
  static async open(id: string, file: BlobFile, load: ReadLoad): Promise<BlobReader> {
    const fileSize = await reading(id, () => file.sizeBytes());
    const size = contentBytes(fileSize);
    if (size === null) throw new BlobCorrupt(id, `no blob's file has ${fileSize} bytes`);
    const bytes = new Uint8Array(FOOTER_BYTES);
    await reading(id, () => file.read(bytes, fileSize - FOOTER_BYTES));
    const footer = decodeFooter(bytes);
    if (footer === null) throw new BlobCorrupt(id, "the footer is damaged");
    if (footer.id !== id) throw new BlobCorrupt(id, `the file belongs to blob ${footer.id}`);
    if (footer.size !== size) {
      throw new BlobCorrupt(id, `the file should hold ${footer.size} bytes`);
    }
    return new BlobReader(file, footer, load);
  }

  /**
   * The bytes from `from` to before `to`, both within the content, in pieces that are lent until the
   * next one is asked for. Unless there are many reads, the next piece is read while the caller has
   * the one before.
   *
   * @throws {BlobCorrupt} after the last byte before the first chunk that is damaged
   */
  async *read(from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    let ahead: Promise<Uint8Array> | null = null;
    try {
      for (let at = from - from % CHUNK_BYTES; at < to;) {
        const piece: Uint8Array = await (ahead ?? this.#piece(at, to));
        ahead = null;
        const good = await this.#goodBytes(piece, at);
        const next = at + piece.length;
        if (good === piece.length && next < to && !this.#isCrowded) {
          ahead = this.#piece(next, to);
          ahead.catch(() => {}); // thrown when it is waited for
        }
        const part = piece.subarray(Math.max(0, from - at), Math.min(good, to - at));
        if (part.length > 0) yield part;
        if (good < piece.length) {
          throw new BlobCorrupt(this.footer.id, `the chunk at ${at + good} is damaged`);
        }
        at = next;
      }
    } finally {
      await ahead?.catch(() => {}); // nobody may close the file before
    }
  }

  /** Whether table and digest match the content; `pace` is awaited after each piece. */
  async verify(pace: (bytes: number) => Promise<void> | void): Promise<void> {
    const { id, size, sha256, tableCrc } = this.footer;
    const hash = createHash("sha256");
    for await (const piece of this.read(0, size)) {
      hash.update(piece);
      await pace(piece.length);
    }
    if (hash.digest("hex") !== sha256) throw new BlobCorrupt(id, "its SHA-256 is another");
    let crc = 0;
    for (let at = 0; at < tableBytes(size); at += PAGE_BYTES) {
      await this.#readPage(at);
      crc = crc32(this.#page, crc);
    }
    if (crc !== tableCrc) throw new BlobCorrupt(id, "the table of checksums is damaged");
  }

  get #isCrowded(): boolean {
    return this.#load.reads > LARGE_READS_MAX;
  }

  /** Whole chunks from `at` on, to the chunk in which `to` lies. */
  async #piece(at: number, to: number): Promise<Uint8Array> {
    const { id, size } = this.footer;
    const bytes = this.#isCrowded ? SMALL_READ_BYTES : READ_BYTES;
    const end = Math.min(Math.ceil(to / CHUNK_BYTES) * CHUNK_BYTES, size, at + bytes);
    const length = Math.min(end, pageEnd(at)) - at;
    const piece = this.#memory(length);
    await reading(id, () => this.#file.read(piece, at));
    return piece;
  }

  /** One of two buffers: while the caller has what was read into one, the other is read into. */
  #memory(length: number): Uint8Array {
    const last = this.#older;
    this.#older = this.#newer;
    this.#newer = last.length >= length ? last : new Uint8Array(length);
    return this.#newer.subarray(0, length);
  }

  /** How many bytes at the start of the piece match their checksums. */
  async #goodBytes(piece: Uint8Array, at: number): Promise<number> {
    const entryAt = (at / CHUNK_BYTES) * ENTRY_BYTES;
    const pageAt = entryAt - entryAt % PAGE_BYTES;
    if (pageAt !== this.#pageAt) await this.#readPage(pageAt);
    const wrong = firstWrongChunk(piece, this.#page.subarray(entryAt - pageAt));
    return wrong < 0 ? piece.length : wrong * CHUNK_BYTES;
  }

  async #readPage(pageAt: number): Promise<void> {
    const { id, size } = this.footer;
    this.#pageAt = -1;
    const page = new Uint8Array(Math.min(PAGE_BYTES, tableBytes(size) - pageAt));
    await reading(id, () => this.#file.read(page, size + pageAt));
    this.#page = page;
    this.#pageAt = pageAt;
  }
}

/** Where the content ends whose checksums are in the same page as those at `at`. */
function pageEnd(at: number): number {
  return at - at % PAGE_CONTENT + PAGE_CONTENT;
}

/**
 * Reads. A place that the disk cannot read is lost as much as one with wrong bytes; other errors,
 * such as too many open files, say nothing about the blob.
 */
async function reading<T>(id: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const { code, message } = errorOf(error) as Error & { code?: string };
    if (code === undefined || code === "EIO" || code === "EUCLEAN" || code === "EBADMSG") {
      throw new BlobCorrupt(id, message, { cause: error });
    }
    throw new FileError("unavailable", `Cannot read blob ${id}: ${message}`, { cause: error });
  }
}
