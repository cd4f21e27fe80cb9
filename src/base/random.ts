/** A source of numbers in [0, 1), handed to whatever needs chance, so that a seed can replay it. */
export type Random = () => number;

/**
 * A seeded generator (mulberry32, Tommy Ettinger's public-domain construction): the same seed gives
 * the same sequence on every machine. Not for secrets.
 *
 * @param seed any integer; its low 32 bits count
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number in [0, below). */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random() * below);
}
