import { Buffer } from "node:buffer";
import { frameHeader } from "./frame_decoder.ts";

/** Collects the frames of one turn, to be written at once. */
export class FrameWriter {
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  addText(text: string): void {
    this.addPayload(Buffer.from(text, "utf8"));
  }

  /** The payload is not copied before `take`, and must not change until then. */
  addPayload(payload: Uint8Array): void {
    const header = frameHeader(payload.length);
    this.#pieces.push(header, payload);
    this.#bytes += header.length + payload.length;
  }

  /** All frames so far as one piece; the writer is empty afterwards. */
  take(): Uint8Array {
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    this.#pieces = [];
    this.#bytes = 0;
    return Buffer.concat(pieces, bytes);
  }
}
