import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { BlobPeers, BlobStorage } from "./blobs.ts";
import { FileError } from "./file_error.ts";
import type { FileMetadata } from "./file_metadata.ts";
import type { Layout, LayoutCache } from "./layout.ts";
import { checkSignal, unlessAborted } from "./waits.ts";

/** Time in milliseconds after which a holder that sends nothing is given up. */
const STALLED_MS = 10_000;

export interface DownloadsOptions {
  readonly metadata: FileMetadata;
  readonly layout: LayoutCache;
  /** Of this process; `null` if it stores nothing. */
  readonly nodeId: string | null;
  readonly local: BlobStorage | null;
  readonly peers: BlobPeers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Is told of a blob that the log believes to be on the own disk, and that is not. */
  readonly onLost: (blob: string) => void;
  /** @default 10,000 */
  readonly stalledMs?: number;
}

/** A blob to read. */
export interface BlobSource {
  readonly blob: string;
  /** In bytes. */
  readonly size: number;
  readonly holders: readonly string[];
}

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether the own copy must not be used. @default false */
  readonly avoidsOwn?: boolean;
}

/** All reading of blobs in this process, from the own disk or from other nodes. */
export class Downloads {
  readonly #options: DownloadsOptions;
  /** By node: number of reads in progress. */
  readonly #reads = new Map<string, number>();
  #rotation = 0;

  constructor(options: DownloadsOptions) {
    this.#options = options;
  }

  /** Number of reads in progress. */
  get running(): number {
    let sum = 0;
    for (const count of this.#reads.values()) sum += count;
    return sum;
  }

  /**
   * The bytes from `from` to `to - 1`. When a holder fails, it goes on at the same byte with
   * another one. Ending the iteration early releases everything.
   *
   * @throws {FileError} `unavailable` if no holder is left, `aborted` by the signal
   */
  async *read(
    source: BlobSource,
    from: number,
    to: number,
    options: ReadOptions = {},
  ): AsyncGenerator<Uint8Array, void, void> {
    let at = from;
    let { holders } = source;
    /** Where it was when the holders were last asked for. */
    let lookedAt = -1;
    while (at < to) {
      for (const node of await this.#inOrder(holders, options)) {
        checkSignal(options.signal);
        for await (const chunk of this.#readFrom(node, source.blob, at, to, options.signal)) {
          at += chunk.length;
          yield chunk;
        }
        if (at === to) return;
      }
      // All have failed. They may have changed meanwhile, so look again, unless it was in vain.
      if (lookedAt === at) {
        throw new FileError("unavailable", "No node that holds the file can be reached.");
      }
      lookedAt = at;
      holders = await this.#holdersNow(source.blob, options.signal);
    }
  }

  async #holdersNow(blob: string, signal: AbortSignal | undefined): Promise<readonly string[]> {
    const { metadata, layout } = this.#options;
    const [[state]] = await unlessAborted(
      Promise.all([metadata.blobs([blob]), layout.refresh()]),
      signal,
    );
    if (state !== null && state !== undefined) return state.holders;
    throw new FileError("not-found", "The file was replaced or deleted meanwhile.");
  }

  /** The own node first, then those that are up, with the fewest reads in progress first. */
  async #inOrder(holders: readonly string[], options: ReadOptions): Promise<readonly string[]> {
    const { nodeId, local } = this.#options;
    const layout = await unlessAborted(this.#options.layout.get(), options.signal);
    const others = holders.filter((id) => id !== nodeId);
    const turn = this.#rotation++ % Math.max(1, others.length);
    const rotated = [...others.slice(turn), ...others.slice(0, turn)];
    const rank = (id: string) => (this.#reads.get(id) ?? 0) + (isUp(layout, id) ? 0 : 1e6);
    rotated.sort((one, other) => rank(one) - rank(other));
    const hasOwn = nodeId !== null && local !== null && holders.includes(nodeId);
    return hasOwn && options.avoidsOwn !== true ? [nodeId, ...rotated] : rotated;
  }

  /** What a holder sends before it fails, if it does. */
  async *#readFrom(
    node: string,
    blob: string,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    const ending = new AbortController();
    const end = () => ending.abort();
    signal?.addEventListener("abort", end);
    this.#reads.set(node, (this.#reads.get(node) ?? 0) + 1);
    let left = to - from;
    let isYielding = false;
    try {
      const chunks = await this.#chunksOf(node, blob, from, to, ending);
      for await (const chunk of chunks) {
        if (chunk.length > left) throw new FileError("unavailable", "It sent too much.");
        left -= chunk.length;
        isYielding = true;
        yield chunk;
        isYielding = false;
      }
      if (left > 0) throw new FileError("unavailable", "It sent too little.");
    } catch (error) {
      if (isYielding) throw error;
      checkSignal(signal);
      this.#noteFailure(node, blob, error);
    } finally {
      ending.abort();
      signal?.removeEventListener("abort", end);
      const count = (this.#reads.get(node) ?? 1) - 1;
      if (count === 0) this.#reads.delete(node);
      else this.#reads.set(node, count);
    }
  }

  async #chunksOf(
    node: string,
    blob: string,
    from: number,
    to: number,
    ending: AbortController,
  ): Promise<AsyncIterable<Uint8Array>> {
    const { nodeId, local, peers, clock, stalledMs = STALLED_MS } = this.#options;
    if (node === nodeId && local !== null) {
      if (!local.has(blob)) throw new FileError("not-found", "The content is not on the disk.");
      return local.read(blob, from, to);
    }
    const place = (await this.#options.layout.get()).node(node);
    if (place === null) throw new FileError("unavailable", "The node is not in the layout.");
    const chunks = peers.pull(place.address, blob, from, to, ending.signal);
    return unlessStalled(chunks, clock, stalledMs, ending);
  }

  #noteFailure(node: string, blob: string, error: unknown): void {
    const { nodeId, local, logger, onLost } = this.#options;
    logger.warn(`reading blob ${blob} from ${node} failed: ${messageOf(error)}`);
    if (node === nodeId && local !== null && !local.has(blob)) onLost(blob);
  }
}

function isUp(layout: Layout, id: string): boolean {
  const state = layout.node(id)?.state;
  return state === "up" || state === "draining";
}

/** The chunks, until none comes for too long. Ending aborts the signal of the transfer. */
async function* unlessStalled(
  chunks: AsyncIterable<Uint8Array>,
  clock: Clock,
  stalledMs: number,
  ending: AbortController,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      const result = await nextOf(iterator, clock, stalledMs, ending.signal);
      if (result.done === true) return;
      yield result.value;
    }
  } finally {
    ending.abort();
    // A transfer that hangs may never end: nobody waits for it.
    iterator.return?.().catch(() => {});
  }
}

function nextOf(
  iterator: AsyncIterator<Uint8Array>,
  clock: Clock,
  stalledMs: number,
  signal: AbortSignal,
): Promise<IteratorResult<Uint8Array>> {
  return new Promise((resolve, reject) => {
    const end = () => {
      cancel();
      signal.removeEventListener("abort", stop);
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
    };
    const stop = () => fail(new FileError("aborted", "The transfer was given up."));
    const cancel: Cancel = clock.after(
      stalledMs,
      () => fail(new FileError("unavailable", "It sent nothing for too long.")),
    );
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop);
    iterator.next().then((result) => {
      end();
      resolve(result);
    }, fail);
  });
}
