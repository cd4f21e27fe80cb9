/** Bytes of an integer as `writeUint53` writes it. */
export const UINT53_BYTES = 8;

/** The 4 bytes at `at` as an unsigned big-endian number; bytes beyond the end count as 0. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** The 8 bytes at `at` as an unsigned big-endian number, which is exact only if it is a safe integer. */
export function readUint53(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * 2 ** 32 + readUint32(bytes, at + 4);
}

/** @param value a safe integer, not negative */
export function writeUint53(bytes: Uint8Array, at: number, value: number): void {
  writeUint32(bytes, at, Math.floor(value / 2 ** 32));
  writeUint32(bytes, at + 4, value >>> 0);
}

/** How many bytes `writeVarint` takes for this number. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/**
 * Writes a number in groups of seven bits, the lowest first, as LEB128 does.
 *
 * @param value a safe integer, not negative
 * @returns where the next thing goes
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[at++] = rest;
  return at;
}

/** Reads numbers that `writeVarint` wrote, one after the other. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Where the next number begins. */
  get at(): number {
    return this.#at;
  }

  /** The next number; `null` when there is none, it is not in its shortest form, or no safe integer. */
  next(): number | null {
    const first = this.#bytes[this.#at++];
    if (first === undefined) return null;
    if (first < 0x80) return first;
    let value = first % 0x80;
    for (let factor = 0x80; factor <= 2 ** 49; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || byte === 0) return null;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : null;
    }
    return null;
  }
}
