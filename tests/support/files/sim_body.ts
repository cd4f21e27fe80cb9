import type { BodySource } from "../../../src/platform/http_listener.ts";
import type { FilesWorld } from "./files_world.ts";

/** A body that arrives piece by piece, and may break off. */
export class SimBody implements BodySource {
  readonly #world: FilesWorld;
  readonly #content: Uint8Array;
  readonly #breaksOff: boolean;
  readonly #listeners = new Map<string, ((chunk: Uint8Array) => void)[]>();
  #at = 0;
  #isFlowing = false;
  #isScheduled = false;
  #isOver = false;

  constructor(world: FilesWorld, content: Uint8Array, breaksOff: boolean) {
    this.#world = world;
    this.#content = content;
    this.#breaksOff = breaksOff;
  }

  on(event: string, listener: (chunk: Uint8Array) => void): void {
    this.#listeners.set(event, [...this.#listeners.get(event) ?? [], listener]);
  }

  pause(): void {
    this.#isFlowing = false;
  }

  resume(): void {
    this.#isFlowing = true;
    this.#schedule();
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
      const end = Math.min(this.#content.length, this.#at + 1 + this.#world.below(400));
      this.#emit("data", this.#content.subarray(this.#at, end));
      this.#at = end;
      return;
    }
    this.#isOver = true;
    if (!this.#breaksOff) this.#emit("end");
    this.#emit("close");
  }

  #emit(event: string, chunk: Uint8Array = new Uint8Array()): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(chunk);
  }
}
