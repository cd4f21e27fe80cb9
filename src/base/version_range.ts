/** The versions that a build understands, both ends included. */
export interface VersionRange {
  readonly oldest: number;
  readonly newest: number;
}

export function includesVersion({ oldest, newest }: VersionRange, version: number): boolean {
  return version >= oldest && version <= newest;
}

/** The newest version in both ranges; `null` when there is none. */
export function commonVersion(left: VersionRange, right: VersionRange): number | null {
  const newest = Math.min(left.newest, right.newest);
  return newest >= Math.max(left.oldest, right.oldest) ? newest : null;
}

/** `3`, or `2 to 3`. */
export function describeVersions({ oldest, newest }: VersionRange): string {
  return oldest === newest ? `${newest}` : `${oldest} to ${newest}`;
}

/** Reads a range from parsed JSON; `null` when it is not a range. */
export function parseVersionRange(value: unknown): VersionRange | null {
  if (typeof value !== "object" || value === null) return null;
  const { oldest, newest } = value as Record<keyof VersionRange, unknown>;
  const isRange = Number.isSafeInteger(oldest) && Number.isSafeInteger(newest) &&
    (oldest as number) >= 0 && (oldest as number) <= (newest as number);
  return isRange ? { oldest: oldest as number, newest: newest as number } : null;
}
