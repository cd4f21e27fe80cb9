export type Format = "text" | "json" | "hex";

const HEX_BYTES_MAX = 64 * 1024;

/** The value as text; `null` if it is not well-formed UTF-8. */
export function asText(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      bytes,
    );
  } catch {
    return null;
  }
}

/** The value as indented JSON; `null` if it is no object or array. */
export function asJson(text: string | null): string | null {
  if (text === null || !/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

/** Lines of 16 bytes: offset, bytes, and what of them is ASCII. The first 64 KiB at most. */
export function asHex(bytes: Uint8Array): string {
  const lines: string[] = [];
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, "0");
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES_MAX); at += 16) {
    const line = [...bytes.subarray(at, at + 16)];
    const codes = line.map((byte) => hex(byte, 2)).join(" ").padEnd(47);
    const text = line.map((byte) => byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".");
    lines.push(`${hex(at, 8)}  ${codes}  ${text.join("")}`);
  }
  if (bytes.length > HEX_BYTES_MAX) lines.push("…");
  return lines.join("\n");
}

/** The format that shows most of the value. */
export function bestFormat(bytes: Uint8Array): Format {
  const text = asText(bytes);
  // deno-lint-ignore no-control-regex -- these are what makes a text unreadable
  if (text === null || /[\u0000-\u0008\u000e-\u001f]/.test(text)) return "hex";
  return asJson(text) === null ? "text" : "json";
}
