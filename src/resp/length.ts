const DIGITS_MAX = 18;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;

/**
 * The decimal integer in `bytes[from … to - 1]`, as strict as Redis: no sign but one minus, no
 * leading zeros, no spaces, not empty. `NaN` when it is anything else or longer than 18 digits; beyond 2^53
 * it may be rounded, which is far above every limit.
 */
export function parseLength(bytes: Uint8Array, from: number, to: number): number {
  const first = bytes[from] === MINUS ? from + 1 : from;
  if (first >= to || to - first > DIGITS_MAX) return NaN;
  if (bytes[first] === ZERO && (to - first > 1 || first > from)) return NaN;
  let value = 0;
  for (let i = first; i < to; i++) {
    const byte = bytes[i] ?? 0;
    if (byte < ZERO || byte > NINE) return NaN;
    value = value * 10 + (byte - ZERO);
  }
  return first > from ? -value : value;
}
