/**
 * Number of parts, a power of two. A map copies all of itself when it doubles, which would stop the
 * event loop for too long with a million keys, and takes 1/64 of the time with one part of them.
 */
const PARTS = 64;

/** A map with string keys in many parts, so that it grows and shrinks without a long pause. */
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
    // `partOf` returns only indexes of parts.
    return this.#parts[partOf(key)] as Map<string, T>;
  }
}

/**
 * The part that a key belongs to. It depends on the last characters, in which numbered keys differ,
 * and on a sample of those before. Keys that differ only in other characters share one part, which
 * is slower and still correct.
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

/** Number of characters that are sampled at the end, and of the rest. */
const SAMPLES = 6;
const MULTIPLIER = 0x01000193;
