import type { ByteRange } from "./ranges.ts";

/** Contents of several ranges as one body, `multipart/byteranges` (RFC 9110, section 14.6). */
export class RangeParts {
  readonly #ranges: readonly ByteRange[];
  readonly #heads: readonly Uint8Array[];
  readonly #end: Uint8Array;
  /** Value of `Content-Type`. */
  readonly type: string;

  /**
   * @param type of each part
   * @param size of the whole content in bytes
   * @param boundary must not occur in the content: a random one
   */
  constructor(ranges: readonly ByteRange[], type: string, size: number, boundary: string) {
    const encoder = new TextEncoder();
    this.#ranges = ranges;
    this.#heads = ranges.map((range, at) =>
      encoder.encode(
        `${at === 0 ? "" : "\r\n"}--${boundary}\r\nContent-Type: ${type}\r\n` +
          `Content-Range: ${contentRange(range, size)}\r\n\r\n`,
      )
    );
    this.#end = encoder.encode(`\r\n--${boundary}--\r\n`);
    this.type = `multipart/byteranges; boundary=${boundary}`;
  }

  /** Length of the body in bytes. */
  get length(): number {
    let length = this.#end.length;
    for (const { from, to } of this.#ranges) length += to - from;
    for (const head of this.#heads) length += head.length;
    return length;
  }

  /** @param read reads a part of the content */
  async *chunks(
    read: (range: ByteRange) => AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for (const [at, range] of this.#ranges.entries()) {
      const head = this.#heads[at];
      if (head !== undefined) yield head;
      yield* read(range);
    }
    yield this.#end;
  }
}

/** Value of `Content-Range`. @param size of the whole content in bytes */
export function contentRange({ from, to }: ByteRange, size: number): string {
  return `bytes ${from}-${to - 1}/${size}`;
}
