import { UserError } from "../../base/errors.ts";
import { latin1 } from "../../base/latin1.ts";

const LF = 0x0a;
const LINE_BYTES_MAX = 64 * 1024 * 1024;

/** Standard input as it comes. */
export async function* standardInput(): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    if (count === null) return;
    yield buffer.slice(0, count);
  }
}

/**
 * The lines of an input without their line feeds, one character (0–255) for each byte. The last one
 * needs no line feed.
 *
 * @throws {UserError} for a line of more than 64 MiB
 */
export async function* inputLines(
  input: AsyncIterable<Uint8Array>,
  lineBytesMax = LINE_BYTES_MAX,
): AsyncGenerator<string> {
  let pieces: string[] = [];
  let lineBytes = 0;
  for await (const chunk of input) {
    let from = 0;
    while (from < chunk.length) {
      const lineFeed = chunk.indexOf(LF, from);
      const to = lineFeed < 0 ? chunk.length : lineFeed;
      pieces.push(latin1(chunk, from, to));
      lineBytes += to - from;
      if (lineBytes > lineBytesMax) {
        throw new UserError(`Cannot read a line of more than ${lineBytesMax} bytes`);
      }
      from = to + 1;
      if (lineFeed < 0) break;
      yield pieces.join("");
      pieces = [];
      lineBytes = 0;
    }
  }
  if (lineBytes > 0) yield pieces.join("");
}
