/**
 * Measures all targets in turns, round after round, so that what drifts on a shared machine is the
 * same for all. The first round lets everybody's code be compiled and does not count.
 */
export async function alternate<K extends string, T>(
  rounds: number,
  targets: readonly K[],
  measure: (target: K) => Promise<T>,
): Promise<Record<K, T[]>> {
  const figures = Object.fromEntries(targets.map((target) => [target, []])) as unknown as Record<
    K,
    T[]
  >;
  for (let round = 0; round <= rounds; round++) {
    for (const target of targets) {
      const figure = await measure(target);
      if (round > 0) figures[target].push(figure);
    }
  }
  return figures;
}
