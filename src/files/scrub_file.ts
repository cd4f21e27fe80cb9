import type { ScrubPlace } from "./scrubber.ts";

const PLACE = /^[0-9a-f]{32}$/;

/** Keeps the place of the scrub in a file. A lost one only means that it begins again. */
export class ScrubFile implements ScrubPlace {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async load(): Promise<string> {
    try {
      const text = await Deno.readTextFile(this.#path);
      return PLACE.test(text) ? text : "";
    } catch {
      return "";
    }
  }

  async save(blob: string): Promise<void> {
    await Deno.writeTextFile(`${this.#path}.new`, blob);
    await Deno.rename(`${this.#path}.new`, this.#path);
  }
}
