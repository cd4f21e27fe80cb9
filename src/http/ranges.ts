/** Bytes from `from` up to, but not including, `to`. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/** Maximum number of ranges in one request. */
export const RANGES_MAX = 16;

/** What a `Range` header asks for. */
export type RangeResult =
  /** The whole content: there is no range that must be kept. */
  | { readonly kind: "all" }
  /** At least one; none touches another. */
  | { readonly kind: "ranges"; readonly ranges: readonly ByteRange[] }
  /** @param detail one sentence */
  | { readonly kind: "unsatisfiable"; readonly detail: string };

const ALL: RangeResult = { kind: "all" };

/**
 * The ranges that a `Range` header asks for (RFC 9110, section 14). Units other than bytes count as
 * no header. A header that is no list of ranges is refused: its client does not expect gigabytes.
 * Ranges that overlap or touch become one, so that no byte is sent twice.
 *
 * @param size bytes of the content
 */
export function rangesOf(header: string, size: number): RangeResult {
  const [, unit = "", list = ""] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(header) ?? [];
  if (unit === "") return unsatisfiable("The header Range is not understood.");
  if (unit.toLowerCase() !== "bytes") return ALL;
  const specs = list.split(",").map((spec) => spec.trim()).filter((spec) => spec !== "");
  if (specs.length > RANGES_MAX) {
    return unsatisfiable(`At most ${RANGES_MAX} ranges are possible in one request.`);
  }
  const ranges: ByteRange[] = [];
  let isWhole = false;
  for (const spec of specs) {
    const [, first = "", last = ""] = /^(\d*)-(\d*)$/.exec(spec) ?? [];
    if ((first === "" && last === "") || (first !== "" && last !== "" && isBelow(last, first))) {
      return unsatisfiable("The header Range is not understood.");
    }
    const range = rangeOf(first, last, size);
    if (range.from < range.to) ranges.push(range);
    // Nobody can name the bytes of an empty content, but its last 5 bytes are all of it.
    else if (size === 0 && first === "" && Number(last) > 0) isWhole = true;
  }
  if (ranges.length > 0) return { kind: "ranges", ranges: apart(ranges) };
  if (isWhole) return ALL;
  return unsatisfiable(`The content has ${size} bytes, and none in this range.`);
}

function unsatisfiable(detail: string): RangeResult {
  return { kind: "unsatisfiable", detail };
}

/** Whether a whole number of any length is less than another one. */
function isBelow(a: string, b: string): boolean {
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length === right.length ? left < right : left.length < right.length;
}

/** It is empty if no byte of the content is in it. Huge numbers lose digits, far beyond any size. */
function rangeOf(first: string, last: string, size: number): ByteRange {
  if (first === "") return { from: Math.max(0, size - Number(last)), to: size };
  return { from: Number(first), to: last === "" ? size : Math.min(size, Number(last) + 1) };
}

/** In the order of the request; if some touch, in the order of the content, without overlaps. */
function apart(ranges: readonly ByteRange[]): readonly ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const before = merged.at(-1);
    if (before === undefined || range.from > before.to) merged.push(range);
    else merged[merged.length - 1] = { from: before.from, to: Math.max(before.to, range.to) };
  }
  return merged.length === ranges.length ? ranges : merged;
}
