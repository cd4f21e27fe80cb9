import { joinBytes } from "../base/bytes.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError } from "./file_error.ts";

/** Number of bytes that may wait to be read before the body is paused. */
const WAITING_BYTES_MAX = 256 * 1024;
/** Chunks smaller than this are joined, so that a body of single bytes costs little. */
const JOINED_BYTES = 64 * 1024;
/** In so much time of waiting for the body, in milliseconds, at least so many bytes must come. */
const PACE_MS = 30_000;
const PACE_BYTES = 30 * 1024;

/** Reads a body chunk by chunk, as fast as its reader asks for more. */
export class BodyReader {
  readonly #body: BodySource;
  readonly #clock: Clock;
  readonly #stalledMs: number;
  #chunks: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Time of waiting for the body in milliseconds, and what came, since the last look at its pace. */
  #pacedMs = 0;
  #pacedBytes = 0;
  #isFlowing = false;
  #isEnded = false;
  #failure: FileError | null = null;
  #isStopped = false;
  #wake: () => void = () => {};

  /** @param stalledMs time in milliseconds without any byte after which the body has failed */
  constructor(body: BodySource, clock: Clock, stalledMs: number) {
    this.#body = body;
    this.#clock = clock;
    this.#stalledMs = stalledMs;
    body.on("end", () => {
      this.#isEnded = true;
      this.#wake();
    });
    body.on("error", () => this.#break());
    body.on("close", () => this.#break());
  }

  /** The next bytes; `null` at the end. @throws {FileError} `aborted` if the body breaks off */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#waitingBytes > 0) return this.#take();
      if (this.#isEnded) return null;
      if (this.#failure !== null) throw this.#failure;
      this.#flow();
      const startMs = this.#clock.monotonicMs();
      await this.#change();
      this.#checkPace(this.#clock.monotonicMs() - startMs);
    }
  }

  /** Throws what has ended the body before anybody has read it. @throws {FileError} */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Ends the waiting for the body with an error. */
  fail(error: FileError): void {
    if (this.#isEnded) return;
    this.#failure ??= error;
    this.#body.pause();
    this.#wake();
  }

  /** So that nobody holds the place of an upload with a byte now and then. */
  #checkPace(waitedMs: number): void {
    this.#pacedMs += waitedMs;
    if (this.#pacedMs < PACE_MS) return;
    if (this.#pacedBytes < PACE_BYTES) {
      this.#failure ??= new FileError("aborted", "The body arrived too slowly.");
    }
    this.#pacedMs = 0;
    this.#pacedBytes = 0;
  }

  /** Reads nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#chunks = [];
    this.#waitingBytes = 0;
    if (this.#isEnded) return;
    this.#failure ??= new FileError("aborted", "The upload was given up.");
    this.#body.pause();
    this.#wake();
  }

  #flow(): void {
    if (!this.#isFlowing) {
      this.#isFlowing = true;
      this.#body.on("data", (chunk) => this.#receive(chunk));
    }
    this.#body.resume();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isStopped) return;
    this.#chunks.push(chunk);
    this.#pacedBytes += chunk.length;
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#body.pause();
    this.#wake();
  }

  #break(): void {
    if (this.#isEnded) return;
    this.#failure ??= new FileError("aborted", "The body ended before it was complete.");
    this.#wake();
  }

  #take(): Uint8Array {
    let count = 0;
    let bytes = 0;
    for (const { length } of this.#chunks) {
      if (count > 0 && bytes + length > JOINED_BYTES) break;
      bytes += length;
      count++;
    }
    const taken = this.#chunks.splice(0, count);
    this.#waitingBytes -= bytes;
    const [first] = taken;
    return taken.length === 1 && first !== undefined ? first : joinBytes(taken);
  }

  /** Resolves when something has arrived, when nothing has for too long, or to look at the pace. */
  #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const paceMs = PACE_MS - this.#pacedMs;
    const cancel: Cancel = this.#clock.after(Math.min(this.#stalledMs, paceMs), () => {
      if (this.#stalledMs <= paceMs) {
        this.#failure ??= new FileError("aborted", "Nothing of the body arrived for too long.");
      }
      resolve();
    });
    this.#wake = () => {
      cancel();
      this.#wake = () => {};
      resolve();
    };
    return promise;
  }
}
