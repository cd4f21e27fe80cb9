import { crc32, deflateSync } from "node:zlib";

/** A PNG of two colours that run into each other behind discs, as the cover of an album. */
export function gradient(
  from: readonly [number, number, number],
  to: readonly [number, number, number],
  size = 240,
  seed = 1,
): Uint8Array<ArrayBuffer> {
  const discs = [0, 1, 2].map((at) => ({
    x: size * (0.2 + ((seed * 37 + at * 53) % 61) / 100),
    y: size * (0.2 + ((seed * 23 + at * 71) % 67) / 100),
    radius: size * (0.08 + ((seed * 11 + at * 29) % 27) / 100),
  }));
  const rows = new Uint8Array((size * 3 + 1) * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const share = (x * 0.4 + y * 0.6) / size;
      const depth = discs.reduce((sum, disc) => {
        // Half a pixel of blur, so that the edges are smooth.
        const inside = disc.radius - Math.hypot(x - disc.x, y - disc.y) + 0.5;
        return sum + Math.min(1, Math.max(0, inside)) * 0.28;
      }, 0);
      for (let part = 0; part < 3; part++) {
        const mixed = (from[part] ?? 0) * (1 - share) + (to[part] ?? 0) * share;
        rows[y * (size * 3 + 1) + 1 + x * 3 + part] = mixed + (255 - mixed) * depth;
      }
    }
  }
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, size);
  header.setUint32(4, size);
  header.setUint8(8, 8); // bits
  header.setUint8(9, 2); // RGB
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", new Uint8Array(deflateSync(rows))),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, crc32(bytes.subarray(4, 8 + data.length)));
  return bytes;
}
