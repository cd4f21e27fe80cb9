import { readUint32, writeUint32 } from "../../base/integers.ts";

const HEADER_BYTES = 4;
/** From this size on a frame is worth memory of its own. */
const LARGE_BYTES = 64 * 1024;
const EMPTY = new Uint8Array(0);

/** The other side broke the protocol; the connection is to be closed. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** Puts a frame's length in front of its payload. */
export function frameHeader(payloadBytes: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  writeUint32(header, 0, payloadBytes);
  return header;
}

/**
 * Cuts a byte stream into frames: a 4-byte big-endian length and that many bytes. Arrivals are
 * collected and joined once for each frame, so that a frame in many pieces costs linear time.
 */
export class FrameDecoder {
  readonly #frameBytesMax: number;
  #buffer: Uint8Array = EMPTY;
  #offset = 0;
  /** Whether the buffer was made here, and not pushed. */
  #isOwn = false;
  /** What arrived after `#buffer` and was not joined yet. */
  #later: Uint8Array[] = [];
  #laterBytes = 0;

  constructor(options: { readonly frameBytesMax: number }) {
    this.#frameBytesMax = options.frameBytesMax;
  }

  push(chunk: Uint8Array): void {
    if (this.#offset === this.#buffer.length && this.#laterBytes === 0) {
      this.#buffer = chunk;
      this.#isOwn = false;
      this.#offset = 0;
    } else {
      this.#later.push(chunk);
      this.#laterBytes += chunk.length;
    }
  }

  /**
   * The next whole frame's payload, or `null` when more must arrive. Its bytes may share memory with
   * a pushed chunk, unless `isKept` says that nobody will change them.
   *
   * @param frameBytesMax the limit for this one, if it is lower
   * @throws {ProtocolError} when a frame announces more than the limit
   */
  next(frameBytesMax = this.#frameBytesMax): Uint8Array | null {
    if (!this.#has(HEADER_BYTES)) return null;
    const length = readUint32(this.#buffer, this.#offset);
    if (length > Math.min(frameBytesMax, this.#frameBytesMax)) {
      throw new ProtocolError(`a frame of ${length} bytes is over the limit`);
    }
    if (!this.#has(HEADER_BYTES + length)) return null;
    const start = this.#offset + HEADER_BYTES;
    this.#offset = start + length;
    return this.#buffer.subarray(start, this.#offset);
  }

  /** Whether the bytes of the payload that came last stay as they are: large ones need no copy then. */
  isKept(payload: Uint8Array): boolean {
    return this.#isOwn && payload.length >= LARGE_BYTES;
  }

  /** Whether so many bytes are there; joins the pieces when, and only when, that makes it so. */
  #has(bytes: number): boolean {
    const available = this.#buffer.length - this.#offset;
    if (available >= bytes) return true;
    if (available + this.#laterBytes < bytes) return false;
    const joined = new Uint8Array(available + this.#laterBytes);
    joined.set(this.#buffer.subarray(this.#offset), 0);
    let at = available;
    for (const chunk of this.#later) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    this.#buffer = joined;
    this.#isOwn = true;
    this.#offset = 0;
    this.#later = [];
    this.#laterBytes = 0;
    return true;
  }
}
