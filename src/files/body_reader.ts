import type { Cancel, Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError } from "./file_error.ts";
import { type Piece, PIECE_BYTES, type PiecePool } from "./pieces.ts";

/** Number of bytes that may wait to be read before the body is paused. */
const WAITING_BYTES_MAX = 256 * 1024;
/** In so much time of waiting for the body, in milliseconds, at least so many bytes must come. */
const PACE_MS = 30_000;
const PACE_BYTES = 30 * 1024;

/**
 * Reads a body piece by piece, as fast as its reader asks for more. What arrives meanwhile is joined,
 * so that a body of single bytes costs little.
 */
export class BodyReader {
  readonly #body: BodySource;
  readonly #clock: Clock;
  readonly #stalledMs: number;
  readonly #pool: PiecePool;
  /** What has arrived: whole pieces, and the memory that is being filled. */
  readonly #full: Piece[] = [];
  #filling: Uint8Array | null = null;
  #filled = 0;
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
  constructor(body: BodySource, pool: PiecePool, clock: Clock, stalledMs: number) {
    this.#body = body;
    this.#pool = pool;
    this.#clock = clock;
    this.#stalledMs = stalledMs;
    body.on("end", () => {
      this.#isEnded = true;
      this.#wake();
    });
    body.on("error", () => this.#break());
    body.on("close", () => this.#break());
  }

  /** The next bytes, to be released; `null` at the end. @throws {FileError} `aborted` if the body breaks off */
  async next(): Promise<Piece | null> {
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
    for (const piece of this.#full.splice(0)) piece.release();
    if (this.#filling !== null) this.#pool.give(this.#filling);
    this.#filling = null;
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
    for (let at = 0; at < chunk.length;) {
      this.#filling ??= this.#pool.take();
      const part = chunk.subarray(at, at + PIECE_BYTES - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === PIECE_BYTES) this.#full.push(this.#takeFilled(this.#filling));
    }
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

  #take(): Piece {
    const piece = this.#full.shift() ?? this.#takeFilled(this.#filling ?? this.#pool.take());
    this.#waitingBytes -= piece.bytes.length;
    return piece;
  }

  #takeFilled(memory: Uint8Array): Piece {
    const piece = this.#pool.piece(memory, this.#filled);
    this.#filling = null;
    this.#filled = 0;
    return piece;
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
