import type { ByteChannel } from "../../src/platform/byte_channel.ts";

/** A connection whose other side sends these chunks, and then ends its half. */
export class MemoryChannel implements ByteChannel {
  readonly #chunks: Uint8Array[];
  #sent = "";
  #isClosed = false;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = [...chunks];
  }

  /** What was written, one character for each byte. */
  get sent(): string {
    return this.#sent;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async read(into: Uint8Array): Promise<number | null> {
    await Promise.resolve();
    if (this.#isClosed) throw new Error("the channel is closed");
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return null;
    const count = Math.min(chunk.length, into.length);
    into.set(chunk.subarray(0, count));
    if (count < chunk.length) this.#chunks.unshift(chunk.subarray(count));
    return count;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await Promise.resolve();
    if (this.#isClosed) throw new Error("the channel is closed");
    for (const byte of bytes) this.#sent += String.fromCharCode(byte);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#isClosed = true;
  }
}
