/** A whole number from 0 to 2^53−1 without leading zeros; `null` if the text is none. */
export function wholeNumberOf(text: string): number | null {
  if (!/^(0|[1-9]\d{0,15})$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
