/** The functions that would let the real world into a simulation, and their names. */
const ESCAPES: readonly (readonly [object, string])[] = [
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "queueMicrotask"],
  [Date, "now"],
  [Math, "random"],
  [performance, "now"],
  [crypto, "getRandomValues"],
  [crypto, "randomUUID"],
];

/**
 * Runs something that must use neither real time nor real randomness: a call of either throws. It
 * may wait for promises, but for nothing that takes real time.
 */
export async function withoutReality<T>(run: () => Promise<T>): Promise<T> {
  const before = ESCAPES.map(([owner, name]) => Object.getOwnPropertyDescriptor(owner, name));
  for (const [owner, name] of ESCAPES) {
    const value = () => {
      throw new Error(`Cannot use ${name} in a simulation: it would not be the same again`);
    };
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  }
  try {
    return await run();
  } finally {
    ESCAPES.forEach(([owner, name], at) => {
      const descriptor = before[at];
      if (descriptor === undefined) delete (owner as Record<string, unknown>)[name];
      else Object.defineProperty(owner, name, descriptor);
    });
  }
}
