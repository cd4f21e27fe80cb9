import { Problem } from "./problem.ts";

const PERCENT = 0x25;

/**
 * The key that a part of a path names, one character for each byte. What is percent-encoded may be
 * any byte.
 *
 * @param path as the client sent it
 * @throws {Problem} when it is not correctly percent-encoded
 */
export function keyOfPath(path: string): string {
  const bytes = new TextEncoder().encode(path);
  let key = "";
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte !== PERCENT) {
      key += String.fromCharCode(byte);
      continue;
    }
    const digits = String.fromCharCode(bytes[at + 1] ?? 0, bytes[at + 2] ?? 0);
    if (!/^[0-9a-f]{2}$/i.test(digits)) {
      throw new Problem("bad-request", "The path has a % that no two hexadecimal digits follow.");
    }
    key += String.fromCharCode(Number.parseInt(digits, 16));
    at += 2;
  }
  return key;
}

/** The path of a key, with all but unreserved characters and slashes percent-encoded. */
export function pathOfKey(key: string): string {
  const encoded = key.replace(
    /[^A-Za-z0-9._~/-]/gs,
    (character) => "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"),
  );
  return `/keys/${encoded}`;
}
