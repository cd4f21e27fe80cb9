import { Buffer } from "node:buffer";
import { frameHeader } from "./frame_decoder.ts";

/** A payload of this size is sent as it is; smaller ones are joined with their neighbours. */
const ALONE_BYTES_MIN = 64 * 1024;

/** Collects the frames of one turn, to be written together. */
export class FrameWriter {
  /** Whole pieces, and after them what is to be joined. */
  #whole: Uint8Array[] = [];
  #joining: Uint8Array[] = [];

  get isEmpty(): boolean {
    return this.#whole.length === 0 && this.#joining.length === 0;
  }

  addText(text: string): void {
    this.addPayload(Buffer.from(text, "utf8"));
  }

  /** The payload must not change until it is on its way: it may never be copied. */
  addPayload(payload: Uint8Array): void {
    this.#joining.push(frameHeader(payload.length));
    if (payload.length < ALONE_BYTES_MIN) {
      this.#joining.push(payload);
      return;
    }
    this.#join();
    this.#whole.push(payload);
  }

  /** All frames so far, in as few pieces as it takes; the writer is empty afterwards. */
  take(): readonly Uint8Array[] {
    this.#join();
    const pieces = this.#whole;
    this.#whole = [];
    return pieces;
  }

  #join(): void {
    if (this.#joining.length === 0) return;
    this.#whole.push(Buffer.concat(this.#joining));
    this.#joining = [];
  }
}
