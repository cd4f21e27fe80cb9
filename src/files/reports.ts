import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { FileMetadata } from "./file_metadata.ts";
import { unlessAborted } from "./waits.ts";

/** Maximum number of blobs in one command. */
export const BATCH_MAX = 256;

/**
 * What this node has to tell the log about its own copies. It is kept until the log has it. Repeating
 * a report is harmless.
 */
export class Reports {
  readonly #node: string;
  readonly #metadata: FileMetadata;
  readonly #logger: Logger;
  readonly #held = new Set<string>();
  readonly #lost = new Set<string>();

  constructor(node: string, metadata: FileMetadata, logger: Logger) {
    this.#node = node;
    this.#metadata = metadata;
    this.#logger = logger;
  }

  /** Whether the log still believes this node to hold copies that it does not have. */
  get hasLost(): boolean {
    return this.#lost.size > 0;
  }

  /** Whether the copy is verified, and the log does not know yet. */
  isHeld(blob: string): boolean {
    return this.#held.has(blob);
  }

  /** The node has a copy, durable and verified. */
  addHeld(blob: string): void {
    this.#lost.delete(blob);
    this.#held.add(blob);
  }

  /** The node has no copy, or not any more. */
  addLost(blob: string): void {
    this.#held.delete(blob);
    this.#lost.add(blob);
  }

  /** Sends what there is. What fails is sent the next time. */
  async send(signal: AbortSignal): Promise<void> {
    try {
      // A copy that is gone is worse not to be known of.
      await this.#sendAll(this.#lost, (blobs) => this.#metadata.lost(this.#node, blobs), signal);
      await this.#sendAll(this.#held, (blobs) => this.#metadata.held(this.#node, blobs), signal);
    } catch (error) {
      if (!signal.aborted) this.#logger.warn(`reporting copies failed: ${messageOf(error)}`);
    }
  }

  async #sendAll(
    waiting: Set<string>,
    report: (blobs: readonly string[]) => Promise<number>,
    signal: AbortSignal,
  ): Promise<void> {
    while (waiting.size > 0 && !signal.aborted) {
      const blobs = [...waiting].slice(0, BATCH_MAX);
      await unlessAborted(report(blobs), signal);
      // One that was added to the other set meanwhile is not in this one any more.
      for (const blob of blobs) waiting.delete(blob);
    }
  }
}
