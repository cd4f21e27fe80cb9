/** Keeps small values over visits. Browsers may forbid it: then they are kept for this visit only. */
const PREFIX = "regent.";
const fallback = new Map<string, string>();

export function keep(name: string, value: unknown): void {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
  } catch {
    fallback.set(PREFIX + name, text);
  }
}

/** @returns `null` if nothing readable is kept */
export function kept<T>(name: string): T | null {
  try {
    const text = fallback.get(PREFIX + name) ??
      localStorage.getItem(PREFIX + name);
    return text === null ? null : JSON.parse(text) as T;
  } catch {
    return null;
  }
}
