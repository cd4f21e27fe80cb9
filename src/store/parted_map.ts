/**
 * A power of two. A map that has doubled again and again copies all of itself at once: with a million
 * keys that takes longer than anything else may, with a part of them it is not felt.
 */
const PARTS = 64;

/** A map by string in many parts, so that it grows and shrinks without a long pause. */
export class PartedMap<T> {
  readonly #parts: readonly Map<string, T>[] = Array.from({ length: PARTS }, () => new Map());

  get(key: string): T | undefined {
    return this.#partOf(key).get(key);
  }

  has(key: string): boolean {
    return this.#partOf(key).has(key);
  }

  set(key: string, value: T): void {
    this.#partOf(key).set(key, value);
  }

  delete(key: string): boolean {
    return this.#partOf(key).delete(key);
  }

  #partOf(key: string): Map<string, T> {
    // There is one for each number that comes out.
    return this.#parts[partOf(key)] as Map<string, T>;
  }
}

/**
 * The part that a key belongs to. Looks at a few characters: at the last ones, where numbered keys
 * differ, and at some before. Keys that differ elsewhere only share a part, which is as slow as one
 * map, but not wrong.
 */
export function partOf(key: string): number {
  let hash = key.length;
  const tailStart = Math.max(0, key.length - SAMPLES);
  for (let at = tailStart; at < key.length; at++) {
    hash = Math.imul(hash ^ key.charCodeAt(at), MULTIPLIER);
  }
  const step = Math.ceil(tailStart / SAMPLES);
  for (let at = 0; at < tailStart; at += step) {
    hash = Math.imul(hash ^ key.charCodeAt(at), MULTIPLIER);
  }
  return (hash ^ (hash >>> 15)) & (PARTS - 1);
}

/** At so many characters of the end, and of what is before. */
const SAMPLES = 6;
const MULTIPLIER = 0x01000193;
