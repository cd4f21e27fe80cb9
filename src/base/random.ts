/**
 * A source of numbers in [0, 1). It is passed in wherever randomness is needed, so that a seed
 * reproduces a run.
 */
export type Random = () => number;

/**
 * A seeded generator (mulberry32, a public-domain construction by Tommy Ettinger). The same seed
 * gives the same sequence on every machine. Not for secrets.
 *
 * @param seed any integer, of which only the low 32 bits are used
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

/** An integer in [0, below). */
export function randomInteger(random: Random, below: number): number {
  return Math.floor(random() * below);
}
