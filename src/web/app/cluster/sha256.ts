/**
 * SHA-256 (FIPS 180-4) for the page, in the shape of the part of `node:crypto` that the ring uses.
 * Browsers' own digest is asynchronous, and missing on pages that do not come over TLS or loopback.
 */
export function createHash(
  _algorithm: "sha256",
): {
  update(text: string, encoding: "utf8"): { digest(): Uint8Array<ArrayBuffer> };
} {
  return {
    update: (text) => ({
      digest: () => sha256(new TextEncoder().encode(text)),
    }),
  };
}

const PRIMES = firstPrimes(64);
const CONSTANTS = PRIMES.map((prime) => fractionBits(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fractionBits(Math.sqrt(prime)));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) {
    if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  }
  return primes;
}

/** The first 32 bits after the point. */
function fractionBits(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) >>> 0;
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function sha256(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(message.length / 2 ** 29));
  view.setUint32(padded.length - 4, message.length << 3);
  const hash = Uint32Array.from(START);
  const words = new Int32Array(64);
  for (let block = 0; block < padded.length; block += 64) {
    for (let at = 0; at < 16; at++) words[at] = view.getInt32(block + at * 4);
    addBlock(hash, words);
  }
  const digest = new Uint8Array(32);
  hash.forEach((word, at) => new DataView(digest.buffer).setUint32(at * 4, word));
  return digest;
}

function addBlock(hash: Uint32Array, w: Int32Array): void {
  for (let at = 16; at < 64; at++) {
    const early = w[at - 15]!, late = w[at - 2]!;
    const s0 = rotate(early, 7) ^ rotate(early, 18) ^ (early >>> 3);
    const s1 = rotate(late, 17) ^ rotate(late, 19) ^ (late >>> 10);
    w[at] = w[at - 16]! + s0 + w[at - 7]! + s1;
  }
  let [a, b, c, d, e, f, g, h] = [...hash] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let at = 0; at < 64; at++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const one = (h + s1 + ((e & f) ^ (~e & g)) + CONSTANTS[at]! + w[at]!) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [
      g,
      f,
      e,
      (d + one) | 0,
      c,
      b,
      a,
      (one + two) | 0,
    ];
  }
  [a, b, c, d, e, f, g, h].forEach((word, at) => hash[at] = hash[at]! + word);
}
