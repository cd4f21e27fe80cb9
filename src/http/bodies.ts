import { latin1Bytes } from "../base/bytes.ts";
import { FairReading } from "../platform/acceptor.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import type { ApiRequest } from "./api.ts";
import { Problem } from "./problem.ts";

const MIB = 1024 * 1024;
/** Maximum size in bytes of all requests and replies together that are held in memory. */
const HELD_BYTES_MAX = 256 * MIB;
/**
 * Time in milliseconds after which a body is given up if nothing of it has arrived meanwhile. It is
 * looked at in intervals of this length, so that it may take twice as long.
 */
const STALLED_MS_MAX = 30_000;
/** Maximum number of bytes of an unwanted body that are read and dropped. */
const DROPPED_BYTES_MAX = 32 * MIB;
/** Maximum number of values that are read from the cluster at the same time. */
const READS_MAX = 16;
/** Maximum number of requests that wait until they may read. */
const WAITING_MAX = 4_096;
/** Number of bytes that take as long to read as any chunk, even one of a single byte. */
const CHUNK_COST_BYTES = 256;
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
  readonly #fairness: FairReading;
  #heldBytes = 0;
  #reads = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    { clock, heldBytesMax = HELD_BYTES_MAX, stalledMsMax = STALLED_MS_MAX }: BodiesOptions,
  ) {
    this.#clock = clock;
    this.#fairness = new FairReading((run) => clock.after(0, run));
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
   * @throws {Problem} when it is larger than `bytesMax`, stalls, breaks off, or has no room
   */
  async read<T>(
    { headers, body }: Pick<ApiRequest, "headers" | "body">,
    bytesMax: number,
    use: (body: Uint8Array) => Promise<T>,
  ): Promise<T> {
    if (Number(headers.get("content-length") ?? 0) > bytesMax) throw tooLarge(bytesMax);
    const buffer = new GrowingBuffer();
    try {
      await this.#fill(buffer, body, bytesMax);
      return await use(buffer.bytes);
    } finally {
      this.#heldBytes -= buffer.length;
    }
  }

  /** Chunks may have one byte: nothing but a copy is done for each. */
  #fill(buffer: GrowingBuffer, body: BodySource, bytesMax: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let cancelWait: Cancel = () => {};
    let isOver = false;
    const end = (settle: () => void) => {
      if (isOver) return;
      isOver = true;
      cancelWait();
      settle();
    };
    const fail = (problem: Problem) => {
      body.pause();
      end(() => reject(problem));
    };
    let seen = -1;
    const wait = () => {
      if (buffer.length === seen) {
        return fail(new Problem("too-slow", "Nothing of the body arrived for too long."));
      }
      seen = buffer.length;
      cancelWait = this.#clock.after(this.#stalledMsMax, wait);
    };
    body.on("data", (chunk) => {
      if (isOver) return;
      if (buffer.length + chunk.length > bytesMax) return fail(tooLarge(bytesMax));
      if (this.#heldBytes + chunk.length > this.#heldBytesMax) return fail(busy());
      this.#heldBytes += chunk.length;
      buffer.add(chunk);
      this.#fairness.received(chunk.length + CHUNK_COST_BYTES, body, () => !isOver);
    });
    body.on("end", () => end(resolve));
    const broken = () => fail(new Problem("bad-request", "The body ended before it was complete."));
    body.on("error", broken);
    body.on("close", broken);
    wait();
    return promise;
  }

  /**
   * Reads and drops what is still to come of a body that is not wanted, so that its client reads the
   * answer. If it is very long, the connection ends.
   */
  drop(body: BodySource): void {
    let dropped = 0;
    body.on("data", (chunk) => {
      dropped += chunk.length;
      if (dropped > DROPPED_BYTES_MAX) body.destroy();
      else this.#fairness.received(chunk.length + CHUNK_COST_BYTES, body, () => true);
    });
    body.resume();
  }

  /**
   * A response body of the value that `read` resolves with. Few are read at the same time, since
   * nobody knows how long a value is before it is there.
   *
   * @throws {Problem} when there is no room for it, or too many requests wait already
   */
  async sendValue(read: () => Promise<string>): Promise<ReadableStream<Uint8Array>> {
    if (this.#reads < READS_MAX) this.#reads++;
    else if (this.#waiting.length >= WAITING_MAX) throw busy();
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return this.send(await read());
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#reads--;
      else next(); // its turn passes on
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
        if (at < text.length) controller.enqueue(latin1Bytes(text.slice(at, at += CHUNK_BYTES)));
        if (at < text.length) return;
        release();
        controller.close();
      },
      cancel: release,
    }, { highWaterMark: 0 });
  }

  #hold(bytes: number): void {
    if (this.#heldBytes + bytes > this.#heldBytesMax) throw busy();
    this.#heldBytes += bytes;
  }
}

function busy(): Problem {
  return new Problem("busy", "Too many large values are in progress, try again later.");
}

function tooLarge(bytesMax: number): Problem {
  return new Problem("too-large", `The body is larger than ${bytesMax} bytes, which is the limit.`);
}

/** Bytes that arrive in pieces. */
class GrowingBuffer {
  #room = new Uint8Array(CHUNK_BYTES);
  length = 0;

  add(chunk: Uint8Array): void {
    const length = this.length + chunk.length;
    if (length > this.#room.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#room.length));
      larger.set(this.bytes);
      this.#room = larger;
    }
    this.#room.set(chunk, this.length);
    this.length = length;
  }

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.length);
  }
}
