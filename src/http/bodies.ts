import type { Clock } from "../platform/clock.ts";
import { Problem } from "./problem.ts";

const MIB = 1024 * 1024;
/** Maximum size in bytes of all requests and replies together that are held in memory. */
const HELD_BYTES_MAX = 256 * MIB;
/** Maximum time in milliseconds for which a client sends nothing of a body that it has announced. */
const STALLED_MS_MAX = 30_000;
/** Size in bytes of a chunk of a response. */
const CHUNK_BYTES = 64 * 1024;

export interface BodiesOptions {
  readonly clock: Clock;
  /** @default 256 MiB */
  readonly heldBytesMax?: number;
  /** @default 30,000 */
  readonly stalledMsMax?: number;
}

/** Bodies of requests and responses that are held in memory, and what all of them take. */
export class Bodies {
  readonly #clock: Clock;
  readonly #heldBytesMax: number;
  readonly #stalledMsMax: number;
  #heldBytes = 0;

  constructor(
    { clock, heldBytesMax = HELD_BYTES_MAX, stalledMsMax = STALLED_MS_MAX }: BodiesOptions,
  ) {
    this.#clock = clock;
    this.#heldBytesMax = heldBytesMax;
    this.#stalledMsMax = stalledMsMax;
  }

  /** Number of bytes held now. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Reads the body of a request, and holds it until `use` is done.
   *
   * @throws {Problem} when it is larger than `bytesMax`, stalls, or there is no room for it
   */
  async read<T>(
    request: Request,
    bytesMax: number,
    use: (body: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const announced = Number(request.headers.get("content-length") ?? 0);
    if (announced > bytesMax) throw tooLarge(bytesMax);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    const reader = request.body?.getReader();
    try {
      for (;;) {
        const chunk = reader === undefined ? undefined : await this.#nextChunk(reader);
        if (chunk === undefined) break;
        if (bytes + chunk.length > bytesMax) throw tooLarge(bytesMax);
        this.#hold(chunk.length);
        bytes += chunk.length;
        chunks.push(chunk);
      }
      return await use(joined(chunks, bytes));
    } finally {
      this.#heldBytes -= bytes;
      reader?.cancel().catch(() => {}); // the client may be gone
    }
  }

  /**
   * A response body of these bytes, one character for each. They count as held until they are sent.
   *
   * @throws {Problem} when there is no room for them
   */
  send(text: string): ReadableStream<Uint8Array> {
    this.#hold(text.length);
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#heldBytes -= text.length;
      isHeld = false;
    };
    let at = 0;
    return new ReadableStream({
      pull: (controller) => {
        if (at < text.length) controller.enqueue(bytesOf(text.slice(at, at += CHUNK_BYTES)));
        if (at < text.length) return;
        release();
        controller.close();
      },
      cancel: release,
    }, { highWaterMark: 0 });
  }

  #hold(bytes: number): void {
    if (this.#heldBytes + bytes > this.#heldBytesMax) {
      throw new Problem("busy", "Too many large requests are in progress, try again later.");
    }
    this.#heldBytes += bytes;
  }

  async #nextChunk(
    reader: ReadableStreamDefaultReader<Uint8Array>,
  ): Promise<Uint8Array | undefined> {
    const isStalled = Promise.withResolvers<never>();
    const cancel = this.#clock.after(this.#stalledMsMax, () => {
      isStalled.reject(
        new Problem("too-slow", `The request's body did not arrive: nothing for too long.`),
      );
    });
    try {
      return (await Promise.race([reader.read(), isStalled.promise])).value;
    } finally {
      cancel();
    }
  }
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("too-large", `The body is larger than ${bytesMax} bytes, which is the limit.`);
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

/** The bytes of a text of one character (0–255) for each. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
