import { isAscii } from "node:buffer";
import { joinBytes, latin1, readUint32, writeUint32 } from "../../base/bytes.ts";
import { assert } from "../../base/errors.ts";

/** Size in bytes of a frame's length, which precedes its payload. */
export const FRAME_HEADER_BYTES = 4;
const EMPTY = new Uint8Array(0);

/** The other side broke the protocol. The connection must be closed. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** The header of a frame with this payload size. */
export function frameHeader(payloadBytes: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  writeUint32(header, 0, payloadBytes);
  return header;
}

/**
 * Splits a byte stream into frames: a 4-byte big-endian length and that many bytes. Chunks are
 * joined once per frame, so that a frame in many chunks takes linear time.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  #buffer: Uint8Array = EMPTY;
  #offset = 0;
  /** Chunks after `#buffer` that are not joined yet. */
  #later: Uint8Array[] = [];
  #laterBytes = 0;

  constructor(options: { readonly frameBytesMax: number }) {
    this.#frameBytesMax = options.frameBytesMax;
  }

  push(chunk: Uint8Array): void {
    if (this.#offset === this.#buffer.length && this.#laterBytes === 0) {
      this.#buffer = chunk;
      this.#offset = 0;
    } else {
      this.#later.push(chunk);
      this.#laterBytes += chunk.length;
    }
  }

  /**
   * The next frame's payload, or `null` until more arrives. Its bytes may share memory with a
   * pushed chunk.
   *
   * @param frameBytesMax a lower limit for this frame
   * @throws {ProtocolError} when a frame is longer than the limit
   */
  next(frameBytesMax = this.#frameBytesMax): Uint8Array | null {
    if (!this.#has(FRAME_HEADER_BYTES)) return null;
    const length = readUint32(this.#buffer, this.#offset);
    if (length > Math.min(frameBytesMax, this.#frameBytesMax)) {
      throw new ProtocolError(`a frame of ${length} bytes is over the limit`);
    }
    if (!this.#has(FRAME_HEADER_BYTES + length)) return null;
    const start = this.#offset + FRAME_HEADER_BYTES;
    this.#offset = start + length;
    return this.#buffer.subarray(start, this.#offset);
  }

  /** Whether this many bytes have arrived. Joins the chunks only in that case. */
  #has(bytes: number): boolean {
    const available = this.#buffer.length - this.#offset;
    if (available >= bytes) return true;
    if (available + this.#laterBytes < bytes) return false;
    this.#buffer = joinBytes([this.#buffer.subarray(this.#offset), ...this.#later]);
    this.#offset = 0;
    this.#later = [];
    this.#laterBytes = 0;
    return true;
  }
}

/** Arrays of at least this many bytes are sent as they are. Smaller ones are copied together. */
const ALONE_BYTES_MIN = 64 * 1024;
const UTF8_BYTES_PER_CHARACTER_MAX = 3;

const encoder = new TextEncoder();

/**
 * Bytes that are created only when they are written, so that the frames of a large entry are not
 * all in memory at once.
 */
export interface LazyPiece {
  /** Approximate number of bytes. */
  readonly length: number;
  make(): readonly Uint8Array[];
}

export type FramePiece = Uint8Array | LazyPiece;

/** Collects the frames of one turn, to write them together. */
export class FrameWriter {
  /** Finished pieces. Bytes to be joined follow them. */
  #whole: FramePiece[] = [];
  #joined = new Uint8Array(0);
  #joinedBytes = 0;

  get isEmpty(): boolean {
    return this.#whole.length === 0 && this.#joinedBytes === 0;
  }

  /** Adds a frame with this text. */
  addText(text: string): void {
    this.#reserve(FRAME_HEADER_BYTES + text.length * UTF8_BYTES_PER_CHARACTER_MAX);
    const headerAt = this.#joinedBytes;
    this.#joinedBytes += FRAME_HEADER_BYTES;
    writeUint32(this.#joined, headerAt, this.#add(text));
  }

  /**
   * Adds a frame that consists of these pieces. Strings must be ASCII. Bytes must not change until
   * they are sent: large ones are not copied.
   */
  addPieces(pieces: readonly (string | Uint8Array)[]): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    this.#reserve(FRAME_HEADER_BYTES);
    writeUint32(this.#joined, this.#joinedBytes, length);
    this.#joinedBytes += FRAME_HEADER_BYTES;
    for (const piece of pieces) {
      if (typeof piece === "string") this.#addAscii(piece);
      else this.#addBytes(piece);
    }
  }

  /** Adds frames that are created later. Their source must not change until then. */
  addLazy(piece: LazyPiece): void {
    this.#endJoined();
    this.#whole.push(piece);
  }

  /** All frames so far, in few pieces. The writer is empty afterwards. */
  take(): readonly Uint8Array[] {
    return this.takePieces().flatMap((piece) => piece instanceof Uint8Array ? piece : piece.make());
  }

  /** The same, with the lazy pieces still to be created. */
  takePieces(): readonly FramePiece[] {
    this.#endJoined();
    const pieces = this.#whole;
    this.#whole = [];
    return pieces;
  }

  #addAscii(text: string): void {
    this.#reserve(text.length);
    assert(this.#add(text) === text.length, "A piece of a frame is not ASCII");
  }

  #addBytes(bytes: Uint8Array): void {
    if (bytes.length >= ALONE_BYTES_MIN) {
      this.#endJoined();
      this.#whole.push(bytes);
      return;
    }
    this.#reserve(bytes.length);
    this.#joined.set(bytes, this.#joinedBytes);
    this.#joinedBytes += bytes.length;
  }

  /** @returns number of bytes written */
  #add(text: string): number {
    const { read, written } = encoder.encodeInto(text, this.#joined.subarray(this.#joinedBytes));
    assert(read === text.length, "A frame has no room for its text");
    this.#joinedBytes += written;
    return written;
  }

  #reserve(bytes: number): void {
    const needed = this.#joinedBytes + bytes;
    if (needed <= this.#joined.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#joined.length));
    larger.set(this.#joined.subarray(0, this.#joinedBytes));
    this.#joined = larger;
  }

  #endJoined(): void {
    if (this.#joinedBytes === 0) return;
    // The buffer is reused while the network still has these bytes.
    this.#whole.push(this.#joined.slice(0, this.#joinedBytes));
    this.#joinedBytes = 0;
    if (this.#joined.length > ALONE_BYTES_MIN) this.#joined = new Uint8Array(0);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Parses the JSON object in a frame.
 *
 * @throws {ProtocolError} when the payload is anything else
 */
export function parseFrame(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(frameText(payload));
  } catch {
    throw new ProtocolError("a frame that is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("a frame that is not a JSON object");
  }
  return value as Record<string, unknown>;
}

/** Nearly all frames are ASCII, which is ten times as fast to decode as UTF-8. */
function frameText(payload: Uint8Array): string {
  return isAscii(payload) ? latin1(payload, 0, payload.length) : utf8.decode(payload);
}

/** Whether a field is a non-negative safe integer. */
export function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
