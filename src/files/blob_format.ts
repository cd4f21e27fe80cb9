import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** The content is checked in chunks of so many bytes. */
export const CHUNK_BYTES = 64 * 1024;
/** Bytes of one entry in the table of checksums. */
export const ENTRY_BYTES = 4;
export const FOOTER_BYTES = 80;

const MAGIC = new TextEncoder().encode("RGNTBLOB");
const FORMAT = 1;
const FORMAT_AT = 8;
const CHUNK_AT = 12;
const SIZE_AT = 16;
const SHA256_AT = 24;
const ID_AT = 56;
const TABLE_CRC_AT = 72;
const FOOTER_CRC_AT = 76;

/**
 * What the end of a blob's file says. The file is the content as it is, then a table with the CRC-32
 * of each chunk (4 bytes each, little-endian), then this footer of 80 bytes (integers
 * little-endian):
 *
 *     0 magic "RGNTBLOB"   8 format 1   12 bytes of a chunk   16 bytes of the content
 *     24 SHA-256 of the content   56 id   72 CRC-32 of the table   76 CRC-32 of the footer so far
 */
export interface BlobFooter {
  readonly id: string;
  /** Bytes of the content. */
  readonly size: number;
  /** Of the content, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  readonly tableCrc: number;
}

/** Whether this is the id of a blob. It is then safe as the name of a file. */
export function isBlobId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}

/** Bytes of the table for content of `size` bytes. */
export function tableBytes(size: number): number {
  return Math.ceil(size / CHUNK_BYTES) * ENTRY_BYTES;
}

/** Bytes of the file of a blob with content of `size` bytes. */
export function fileBytes(size: number): number {
  return size + tableBytes(size) + FOOTER_BYTES;
}

/** The size of the content in a file of so many bytes; `null` if no blob's file has so many. */
export function contentBytes(fileSize: number): number | null {
  const rest = fileSize - FOOTER_BYTES;
  const chunks = Math.ceil(rest / (CHUNK_BYTES + ENTRY_BYTES));
  const size = rest - chunks * ENTRY_BYTES;
  return rest >= 0 && size >= 0 && fileBytes(size) === fileSize ? size : null;
}

export function encodeFooter({ id, size, sha256, tableCrc }: BlobFooter): Uint8Array {
  const bytes = new Uint8Array(FOOTER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(FORMAT_AT, FORMAT, true);
  view.setUint32(CHUNK_AT, CHUNK_BYTES, true);
  view.setBigUint64(SIZE_AT, BigInt(size), true);
  bytes.set(Uint8Array.fromHex(sha256), SHA256_AT);
  bytes.set(Uint8Array.fromHex(id), ID_AT);
  view.setUint32(TABLE_CRC_AT, tableCrc, true);
  view.setUint32(FOOTER_CRC_AT, crc32(bytes.subarray(0, FOOTER_CRC_AT)), true);
  return bytes;
}

/** @returns `null` when these bytes are no footer */
export function decodeFooter(bytes: Uint8Array): BlobFooter | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (MAGIC.some((byte, i) => bytes[i] !== byte)) return null;
  if (view.getUint32(FOOTER_CRC_AT, true) !== crc32(bytes.subarray(0, FOOTER_CRC_AT))) return null;
  if (view.getUint32(FORMAT_AT, true) !== FORMAT) return null;
  if (view.getUint32(CHUNK_AT, true) !== CHUNK_BYTES) return null;
  return {
    id: bytes.subarray(ID_AT, TABLE_CRC_AT).toHex(),
    size: Number(view.getBigUint64(SIZE_AT, true)),
    sha256: bytes.subarray(SHA256_AT, ID_AT).toHex(),
    tableCrc: view.getUint32(TABLE_CRC_AT, true),
  };
}

/** The table of checksums of a blob that is being written. It grows with the content. */
export class ChecksumTable {
  #bytes = new Uint8Array(16 * ENTRY_BYTES);
  #length = 0;
  /** Of the chunk that is not complete: its bytes so far, and their checksum. */
  #chunkBytes = 0;
  #crc = 0;

  /** Adds the next bytes of the content, however it is cut. */
  add(content: Uint8Array): void {
    for (let at = 0; at < content.length;) {
      const part = content.subarray(at, at + CHUNK_BYTES - this.#chunkBytes);
      this.#crc = crc32(part, this.#crc);
      this.#chunkBytes += part.length;
      at += part.length;
      if (this.#chunkBytes === CHUNK_BYTES) this.#endChunk();
    }
  }

  /** The table of the whole content. Nothing can be added afterwards. */
  encoded(): Uint8Array {
    if (this.#chunkBytes > 0) this.#endChunk();
    return this.#bytes.subarray(0, this.#length);
  }

  /**
   * The SHA-256 of the table, 64 lower-case hexadecimal digits. Holders of a copy compare it instead
   * of the SHA-256 of the content, which costs 20 times as much. It finds what has changed on the way
   * by accident.
   */
  digest(): string {
    return createHash("sha256").update(this.encoded()).digest("hex");
  }

  #endChunk(): void {
    this.#push(this.#crc);
    this.#crc = 0;
    this.#chunkBytes = 0;
  }

  #push(crc: number): void {
    if (this.#length === this.#bytes.length) {
      const grown = new Uint8Array(this.#length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    new DataView(this.#bytes.buffer).setUint32(this.#length, crc, true);
    this.#length += ENTRY_BYTES;
  }
}

/**
 * The index of the first chunk of `content` that its checksum does not match; -1 when all match.
 *
 * @param content begins at the start of a chunk
 * @param table the entries of these chunks
 */
export function firstWrongChunk(content: Uint8Array, table: Uint8Array): number {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  for (let at = 0, i = 0; at < content.length; at += CHUNK_BYTES, i++) {
    const crc = crc32(content.subarray(at, at + CHUNK_BYTES));
    if (view.getUint32(i * ENTRY_BYTES, true) !== crc) return i;
  }
  return -1;
}
