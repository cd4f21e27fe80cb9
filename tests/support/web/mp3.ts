export interface Mp3Options {
  /** Text frames of ID3v2.3 by their names, such as `TIT2`. */
  readonly texts?: Readonly<Record<string, string>>;
  readonly cover?: { readonly type: string; readonly bytes: Uint8Array };
  /** Number of frames of sound, each of 26 ms. */
  readonly frames?: number;
}

/** A silent MP3 file with tags. */
export function mp3({ texts = {}, cover, frames = 40 }: Mp3Options): Uint8Array<ArrayBuffer> {
  const parts = Object.entries(texts).map(([name, text]) =>
    frame(name, [1, 0xff, 0xfe, ...utf16(text)])
  );
  if (cover !== undefined) {
    const type = [...new TextEncoder().encode(cover.type)];
    parts.push(frame("APIC", [0, ...type, 0, 3, 0, ...cover.bytes]));
  }
  const tags = parts.flat();
  const size = [21, 14, 7, 0].map((bits) => (tags.length >> bits) & 0x7f);
  const header = [0x49, 0x44, 0x33, 3, 0, 0, ...size];
  const sound = Array.from({ length: frames }, () => {
    const bytes = new Array<number>(417).fill(0);
    bytes.splice(0, 4, 0xff, 0xfb, 0x90, 0x00); // MPEG 1 layer III, 128 kbit/s, 44.1 kHz
    return bytes;
  });
  return Uint8Array.from([...header, ...tags, ...sound.flat()]);
}

function frame(name: string, content: readonly number[]): number[] {
  const size = [24, 16, 8, 0].map((bits) => (content.length >> bits) & 0xff);
  return [...new TextEncoder().encode(name), ...size, 0, 0, ...content];
}

function utf16(text: string): number[] {
  return [...text].flatMap((letter) =>
    letter.split("").flatMap((unit) => [unit.charCodeAt(0) & 0xff, unit.charCodeAt(0) >> 8])
  );
}
