import { Readable } from "node:stream";

const READ_BYTES = 1_024;

/**
 * Keys typed at the terminal that standard input is, for line editing.
 *
 * Not `process.stdin`: in older Denos (2.6, say) a pause, such as that of a completion, leaves a
 * read of it behind, which takes the next keys for itself or shares its buffer with the next read.
 */
export class TerminalInput extends Readable {
  constructor() {
    super({ highWaterMark: READ_BYTES });
  }

  override _read(): void {
    const buffer = new Uint8Array(READ_BYTES);
    Deno.stdin.read(buffer).then(
      (count) => this.push(count === null ? null : buffer.subarray(0, count)),
      (error) => this.destroy(error),
    );
  }

  /** Keys one by one and unseen, as line editing wants them, or lines. */
  setRawMode(isRaw: boolean): void {
    Deno.stdin.setRaw(isRaw);
  }
}
