/**
 * A number in the 80-bit extended format of x86 processors, in which Redis computes `INCRBYFLOAT`:
 * `significand · 2^exponent`, where the significand has at most 64 bits, and a sign.
 */
export type LongDouble = Finite | Infinite;

interface Finite {
  /** Signed, its magnitude below 2^64. */
  readonly significand: bigint;
  readonly exponent: number;
}

type Infinite = "inf" | "-inf";

const SIGNIFICAND_BITS = 64;
/** The smallest number above 0 is 2^-16445. */
const EXPONENT_MIN = -16445;
/** Finite numbers are below 2^16384. */
const MAGNITUDE_BITS_MAX = 16384;
/** Maximum length of a text: Redis parses numbers in a buffer of 5 KiB. */
const TEXT_LENGTH_MAX = 5 * 1024 - 1;
/**
 * Above this decimal exponent every text of that length is infinite; below its negative, it is 0.
 */
const DECIMAL_EXPONENT_MAX = 20_000;
const FRACTION_DIGITS = 17;
const FRACTION_SCALE = 10n ** BigInt(FRACTION_DIGITS);

const DECIMAL = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:e([+-]?[0-9]+))?$/i;
const HEXADECIMAL = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?[0-9]+))?$/i;
const INFINITE = /^([+-]?)inf(?:inity)?$/i;

/**
 * Parses exactly what C's `strtold` accepts: decimal and hexadecimal numbers and infinity, without
 * spaces. `null` for anything else, for numbers that are too large, and for nonzero numbers that
 * are too small.
 */
export function parseLongDouble(text: string): LongDouble | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const infinite = INFINITE.exec(text);
  if (infinite) return infinite[1] === "-" ? "-inf" : "inf";
  const decimal = DECIMAL.exec(text);
  const match = decimal ?? HEXADECIMAL.exec(text);
  if (!match) return null;
  const [, sign, whole = "", fraction = "", exponentText = "0"] = match;
  const digits = whole + fraction;
  if (digits === "") return null;

  const magnitude = BigInt(decimal ? digits : `0x${digits}`);
  if (magnitude === 0n) return { significand: 0n, exponent: 0 };
  const exponent = Number(exponentText);
  const parsed = decimal
    ? fromDecimal(magnitude, exponent - fraction.length)
    : fromBinary(magnitude, exponent - 4 * fraction.length);
  if (parsed === null || parsed.significand === 0n) return null;
  return sign === "-" ? { ...parsed, significand: -parsed.significand } : parsed;
}

/** The sum, rounded; `null` if it is infinite or not a number. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | null {
  if (typeof a === "string" || typeof b === "string") return null;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum = (a.significand << BigInt(a.exponent - exponent)) +
    (b.significand << BigInt(b.exponent - exponent));
  if (sum >= 0n) return round(sum, exponent, false);
  const rounded = round(-sum, exponent, false);
  return rounded && { ...rounded, significand: -rounded.significand };
}

/**
 * The number with up to 17 digits after the point, rounded, without zeros at the end; 0 has no sign.
 *
 * @throws {RangeError} if the number is infinite
 */
export function formatLongDouble(number: LongDouble): string {
  if (typeof number === "string") {
    throw new RangeError(`Cannot format the number: current value is ${number}`);
  }
  const { significand, exponent } = number;
  const magnitude = significand < 0n ? -significand : significand;
  const scaled = exponent >= 0
    ? (magnitude << BigInt(exponent)) * FRACTION_SCALE
    : shiftRight(magnitude * FRACTION_SCALE, -exponent, false);
  if (scaled === 0n) return "0";
  const whole = scaled / FRACTION_SCALE;
  const fraction = (scaled % FRACTION_SCALE).toString().padStart(FRACTION_DIGITS, "0")
    .replace(/0+$/, "");
  return (significand < 0n ? "-" : "") + whole + (fraction === "" ? "" : `.${fraction}`);
}

/** `magnitude · 10^exponent`, rounded. */
function fromDecimal(magnitude: bigint, exponent: number): Finite | null {
  if (exponent > DECIMAL_EXPONENT_MAX || exponent < -DECIMAL_EXPONENT_MAX) return null;
  if (exponent >= 0) return round(magnitude * 10n ** BigInt(exponent), 0, false);
  // The quotient gets two bits more than are kept. The bits below them count as one sticky bit.
  const divisor = 10n ** BigInt(-exponent);
  const shift = Math.max(0, SIGNIFICAND_BITS + 2 + bitLength(divisor) - bitLength(magnitude));
  const dividend = magnitude << BigInt(shift);
  return round(dividend / divisor, -shift, dividend % divisor !== 0n);
}

/** `magnitude · 2^exponent`, rounded. */
function fromBinary(magnitude: bigint, exponent: number): Finite | null {
  // A number far out of range is not computed, which keeps the shifts in `round` small.
  const bits = bitLength(magnitude);
  if (bits + exponent > MAGNITUDE_BITS_MAX || bits + exponent < EXPONENT_MIN) return null;
  return round(magnitude, exponent, false);
}

/**
 * Rounds to the format, to the nearest, ties to even; `null` if the result is infinite.
 *
 * @param sticky whether the exact value is slightly above the given one
 */
function round(magnitude: bigint, exponent: number, sticky: boolean): Finite | null {
  const excess = Math.max(bitLength(magnitude) - SIGNIFICAND_BITS, EXPONENT_MIN - exponent, 0);
  const significand = shiftRight(magnitude, excess, sticky);
  if (bitLength(significand) + exponent + excess > MAGNITUDE_BITS_MAX) return null;
  return { significand, exponent: exponent + excess };
}

/** Drops bits from the right, rounding to the nearest, ties to even. */
function shiftRight(value: bigint, bits: number, sticky: boolean): bigint {
  if (bits === 0) return value;
  const kept = value >> BigInt(bits);
  const dropped = value - (kept << BigInt(bits));
  const half = 1n << BigInt(bits - 1);
  const up = dropped > half || (dropped === half && (sticky || (kept & 1n) === 1n));
  return up ? kept + 1n : kept;
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0;
  const digits = value.toString(16);
  const bitsOfFirst = 32 - Math.clz32(parseInt(digits.charAt(0), 16));
  return (digits.length - 1) * 4 + bitsOfFirst;
}
