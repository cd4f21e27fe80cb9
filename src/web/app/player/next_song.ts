import type { Song } from "./songs.ts";

/** Longer songs are not held in memory. */
const BYTES_MAX = 64 * 1024 * 1024;

/**
 * Fetches the next song while the current one plays, so that it begins at once and goes on to its
 * end whatever happens to the server meanwhile.
 */
export class NextSong {
  #key = "";
  #url: string | null = null;
  #controller = new AbortController();

  /** Begins to fetch a song, unless that is so already. */
  prepare(song: Song | null): void {
    const key = song === null ? "" : keyOf(song);
    if (key === this.#key) return;
    this.drop();
    if (song === null || song.size === 0 || song.size > BYTES_MAX) return;
    this.#key = key;
    void this.#fetch(song, this.#controller.signal);
  }

  /** The URL of a song that has arrived whole; the caller has to revoke it. */
  take(song: Song): string | null {
    if (keyOf(song) !== this.#key || this.#url === null) return null;
    const url = this.#url;
    this.#url = null;
    this.#key = "";
    return url;
  }

  drop(): void {
    this.#controller.abort();
    this.#controller = new AbortController();
    if (this.#url !== null) URL.revokeObjectURL(this.#url);
    this.#url = null;
    this.#key = "";
  }

  async #fetch({ href, size }: Song, signal: AbortSignal): Promise<void> {
    try {
      const response = await fetch(href, { signal });
      const blob = await response.blob();
      if (response.ok && blob.size === size && !signal.aborted) {
        this.#url = URL.createObjectURL(blob);
        return;
      }
    } catch {
      // the song will be streamed, as the first one is
    }
    if (!signal.aborted) this.#key = ""; // try again
  }
}

function keyOf({ href, version }: Song): string {
  return `${version} ${href}`;
}
