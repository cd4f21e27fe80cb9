import type { Writable } from "node:stream";
import { messageOf, UserError } from "../../base/errors.ts";
import { latin1Bytes } from "../../base/latin1.ts";

const BATCH_CHARS = 64 * 1024;

/** Where replies are printed. */
export interface ClientOutput {
  /**
   * Resolves when the text has been taken, so that a slow reader slows the writer.
   *
   * @param text one character (0–255) for each byte
   * @throws {UserError} when nobody reads any more
   */
  write(text: string): Promise<void>;
}

/** Standard output, without a terminal's line editing. */
export const standardOutput: ClientOutput = {
  async write(text) {
    const bytes = latin1Bytes(text);
    try {
      for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    } catch (error) {
      throw cannotPrint(error);
    }
  },
};

/** A stream that line editing writes to as well. */
export function streamOutput(stream: Writable): ClientOutput {
  stream.on("error", () => {}); // each write hears of it too
  return {
    write: (text) =>
      new Promise((resolve, reject) =>
        stream.write(latin1Bytes(text), (error) => {
          if (error) reject(cannotPrint(error));
          else resolve();
        })
      ),
  };
}

/** Writes many small pieces in few large ones. */
export async function writePieces(output: ClientOutput, pieces: Iterable<string>): Promise<void> {
  let batch = "";
  for (const piece of pieces) {
    batch += piece;
    if (batch.length < BATCH_CHARS) continue;
    await output.write(batch);
    batch = "";
  }
  if (batch !== "") await output.write(batch);
}

function cannotPrint(error: unknown): UserError {
  const isClosed = error instanceof Deno.errors.BrokenPipe || codeOf(error) === "EPIPE";
  const reason = isClosed ? "it was closed" : messageOf(error);
  return new UserError(`Cannot write to standard output: ${reason}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
