/**
 * A tone as a WAV file that any browser plays: 16 bits, one channel.
 *
 * @param rate in samples a second
 */
export function tone(seconds: number, hertz = 440, rate = 8_000): Uint8Array<ArrayBuffer> {
  const count = Math.round(seconds * rate);
  const view = new DataView(new ArrayBuffer(44 + count * 2));
  const text = (at: number, letters: string) =>
    [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + count * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, count * 2, true);
  for (let at = 0; at < count; at++) {
    const value = Math.sin(at / rate * hertz * 2 * Math.PI) * 8_000;
    view.setInt16(44 + at * 2, Math.round(value), true);
  }
  return new Uint8Array(view.buffer);
}
