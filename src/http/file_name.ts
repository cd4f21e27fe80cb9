import { keyOfPath } from "./key_path.ts";
import { Problem } from "./problem.ts";

/** Maximum length of a name in bytes of UTF-8. */
export const NAME_BYTES_MAX = 1_024;

/**
 * The name of a file that a part of a path names. It may contain slashes.
 *
 * @param path as the client sent it, percent-encoded
 * @throws {Problem} when it is no possible name
 */
export function nameOfPath(path: string): string {
  const bytes = Uint8Array.from(keyOfPath(path), (character) => character.charCodeAt(0));
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // that is, keep it
    return checkedName(decoder.decode(bytes));
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("bad-request", "The name of a file must be UTF-8, percent-encoded.");
  }
}

/**
 * The name in normalisation form C, so that it is the same name however a keyboard composes it.
 *
 * @throws {Problem} when it is no possible name
 */
export function checkedName(text: string): string {
  const name = text.normalize("NFC");
  const { length } = new TextEncoder().encode(name);
  if (length === 0 || length > NAME_BYTES_MAX) {
    throw new Problem("bad-request", `The name of a file has 1 to ${NAME_BYTES_MAX} bytes.`);
  }
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f]/.test(name)) {
    throw new Problem("bad-request", "The name of a file has no control characters.");
  }
  if (/\p{Surrogate}/u.test(name)) {
    throw new Problem("bad-request", "The name of a file must be valid Unicode.");
  }
  if (hasDotSegment(name)) {
    throw new Problem("bad-request", "The name of a file has no segment . or .. between slashes.");
  }
  return name;
}

function hasDotSegment(name: string): boolean {
  return name.split("/").some((segment) => segment === "." || segment === "..");
}

/** The path of a file; `null` if no path can name it. */
export function pathOfFile(name: string): string | null {
  if (hasDotSegment(name) || name !== name.normalize("NFC")) return null;
  return `/files/${percentEncoded(name, "/")}`;
}

/** All but unreserved characters, and those of `kept`, as bytes of UTF-8 in percent signs. */
export function percentEncoded(text: string, kept = ""): string {
  let encoded = "";
  for (const byte of new TextEncoder().encode(text)) {
    const character = String.fromCharCode(byte);
    if (/[A-Za-z0-9._~-]/.test(character) || kept.includes(character)) encoded += character;
    else encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}
