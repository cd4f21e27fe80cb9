/** One element of DER (X.690, section 8.1): its tag and where its content lies. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
}

export const DerTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const;

/**
 * Splits bytes into the elements that follow one another there.
 *
 * @throws {Error} when they are not DER, or longer than 16 MiB
 */
export function derElements(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = byteAt(bytes, at);
    if ((tag & 0x1f) === 0x1f) throw new Error("a tag of several bytes");
    const { length, size } = derLength(bytes, at + 1);
    const from = at + 1 + size;
    if (from + length > bytes.length) throw new Error("an element is cut off");
    elements.push({ tag, content: bytes.subarray(from, from + length) });
    at = from + length;
  }
  return elements;
}

/** The elements inside the only element of these bytes. @throws {Error} when it has another tag */
export function derInside(bytes: Uint8Array, tag: number): DerElement[] {
  const [outer, ...more] = derElements(bytes);
  if (outer?.tag !== tag || more.length > 0) throw new Error(`expected one element of tag ${tag}`);
  return derElements(outer.content);
}

function derLength(bytes: Uint8Array, at: number): { length: number; size: number } {
  const first = byteAt(bytes, at);
  if (first < 0x80) return { length: first, size: 1 };
  const count = first & 0x7f;
  if (count < 1 || count > 3) throw new Error("a length out of bounds");
  let length = 0;
  for (let i = 1; i <= count; i++) length = length * 256 + byteAt(bytes, at + i);
  return { length, size: 1 + count };
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw new Error("an element is cut off");
  return byte;
}

/** An object identifier as text, such as `2.5.29.17`. */
export function objectIdText(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(arc)) throw new Error("an arc out of bounds");
    if (byte >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [first = 0, ...rest] = arcs;
  const top = Math.min(2, Math.floor(first / 40));
  return [top, first - top * 40, ...rest].join(".");
}
