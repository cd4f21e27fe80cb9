import type { BodySource } from "../../../src/platform/http_listener.ts";
import type { FilesWorld } from "./files_world.ts";

/** A body that arrives piece by piece, and may break off. */
export class SimBody implements BodySource {
  readonly #world: FilesWorld;
  readonly #content: Uint8Array;
  readonly #breaksOff: boolean;
  readonly #listeners = new Map<string, ((chunk: Uint8Array) => void)[]>();
  readonly #chunkBytesMax: number;
  #at = 0;
  #isFlowing = false;
  #isScheduled = false;
  #isOver = false;

  /** @param chunkBytesMax the chunks have 1 to so many bytes */
  constructor(world: FilesWorld, content: Uint8Array, breaksOff = false, chunkBytesMax = 400) {
    this.#chunkBytesMax = chunkBytesMax;
    this.#world = world;
    this.#content = content;
    this.#breaksOff = breaksOff;
  }

  /** Whether anybody has wanted to read it. */
  isAskedFor = false;
  /** Whether its end never comes. */
  isStuck = false;

  /** Number of bytes that have left the client. */
  get sentBytes(): number {
    return this.#at;
  }

  on(event: string, listener: (chunk: Uint8Array) => void): void {
    this.#listeners.set(event, [...this.#listeners.get(event) ?? [], listener]);
  }

  pause(): void {
    this.#isFlowing = false;
  }

  resume(): void {
    this.#isFlowing = true;
    this.isAskedFor = true;
    this.#schedule();
  }

  /** The client goes away. */
  breakOff(): void {
    this.#isOver = true;
    this.#emit("error");
    this.#emit("close");
  }

  destroy(): void {
    this.#isOver = true;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isOver) return;
    this.#isScheduled = true;
    this.#world.scheduler.after(this.#world.random() * 5, () => {
      this.#isScheduled = false;
      if (!this.#isFlowing || this.#isOver) return;
      this.#next();
      this.#schedule();
    });
  }

  #next(): void {
    if (this.#at < this.#content.length) {
      const end = Math.min(
        this.#content.length,
        this.#at + 1 + this.#world.below(this.#chunkBytesMax),
      );
      this.#emit("data", this.#content.subarray(this.#at, end));
      this.#at = end;
      return;
    }
    this.#isOver = true;
    if (this.isStuck) return;
    if (!this.#breaksOff) this.#emit("end");
    this.#emit("close");
  }

  #emit(event: string, chunk: Uint8Array = new Uint8Array()): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(chunk);
  }
}
