/** What is stored while pauses are measured: so many keys `key:0` and so on, and some large values. */
export interface StoredKeys {
  readonly keys: number;
  readonly largeBytes: number;
}

/** The largest thing that a client can ask of a command, and what has to be there before. */
export interface WorstRequest {
  readonly title: string;
  readonly before?: readonly (readonly string[])[];
  /** Sent in one go. */
  readonly requests: readonly (readonly string[])[];
}

/** What one request may bring: as many arguments as are allowed by default. */
export const MANY = 128 * 1024;
export const PIPELINED = 10_000;
/** Under which large values are stored. */
export const LARGE = "large";

export type Worst = (stored: StoredKeys) => readonly WorstRequest[];

/** A request whose time depends on nothing but its own length: many of them at once. */
export function many(...request: string[]): Worst {
  return () => [{
    title: `${PIPELINED} × ${request.join(" ").slice(0, 40)}`,
    requests: Array.from({ length: PIPELINED }, () => request),
  }];
}

/** Many keys that are spread over all that are stored. */
export function spread({ keys }: StoredKeys, count: number): string[] {
  const step = Math.max(1, Math.floor(keys / count));
  return Array.from({ length: count }, (_, at) => `key:${(at * step) % keys}`);
}

export function large({ largeBytes }: StoredKeys): readonly string[] {
  return ["SET", LARGE, "x".repeat(largeBytes)];
}

/** One request with many keys. */
export function onManyKeys(name: string): Worst {
  return (stored) => [{
    title: `${name} of ${MANY - 1} keys`,
    requests: [[name, ...spread(stored, MANY - 1)]],
  }];
}

/** A request about a large value, as often as is worth while. */
export function onLarge(title: string, ...request: string[]): Worst {
  return (stored) => [{ title, before: [large(stored)], requests: [request] }];
}

export function both(...worsts: Worst[]): Worst {
  return (stored) => worsts.flatMap((worst) => worst(stored));
}
