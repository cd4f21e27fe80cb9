import type { PutOptions } from "../files/files.ts";
import { Problem } from "./problem.ts";

/** Bytes of a digest, by the name that HTTP has for it. */
const LENGTHS: ReadonlyMap<string, { readonly key: "sha256" | "md5"; readonly bytes: number }> =
  new Map([
    ["sha-256", { key: "sha256", bytes: 32 }],
    ["md5", { key: "md5", bytes: 16 }],
  ]);

/**
 * The digests that a client gives with a content: `Repr-Digest` and `Content-Digest` (RFC 9530) with
 * sha-256 or md5, and `Content-MD5`.
 *
 * @throws {Problem} when one is malformed, contradicts another one, or has another algorithm: nobody
 *   would check it
 */
export function digestsOf(headers: Headers): NonNullable<PutOptions["digests"]> {
  const digests: { sha256?: string; md5?: string } = {};
  const add = (algorithm: string, base64: string) => {
    const length = LENGTHS.get(algorithm);
    if (length === undefined) {
      throw new Problem("bad-request", "Digests are checked by sha-256 and md5 only.");
    }
    const hex = hexOf(base64, length.bytes);
    if (hex === null) {
      throw new Problem("bad-request", `The ${algorithm} digest is not one in base64.`);
    }
    if (digests[length.key] !== undefined && digests[length.key] !== hex) {
      throw new Problem("bad-request", `Two ${algorithm} digests contradict each other.`);
    }
    digests[length.key] = hex;
  };
  const md5 = headers.get("content-md5");
  if (md5 !== null) add("md5", md5.trim());
  for (const name of ["repr-digest", "content-digest"]) {
    const value = headers.get(name);
    if (value === null) continue;
    for (const member of value.split(",")) {
      const [, algorithm, base64] = /^\s*([a-z*][a-z0-9_.*-]*)=:([^:]*):\s*$/.exec(member) ?? [];
      if (algorithm === undefined || base64 === undefined) {
        throw new Problem("bad-request", `${name} must be like sha-256=:…: in base64.`);
      }
      add(algorithm, base64);
    }
  }
  if (headers.has("digest")) {
    throw new Problem("bad-request", "Digest is obsolete: use Repr-Digest (RFC 9530).");
  }
  return digests;
}

/** Base64 of so many bytes as hexadecimal digits; `null` if it is none. */
export function hexOf(base64: string, bytes: number): string | null {
  const decoded = bytesOfBase64(base64);
  return decoded?.length === bytes ? hexDigits(decoded) : null;
}

function hexDigits(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `null` unless it is base64 as RFC 4648 has it, with its padding. */
export function bytesOfBase64(base64: string): Uint8Array | null {
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) return null;
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

/** `Repr-Digest` of a content. @param sha256 hexadecimal digits */
export function reprDigestOf(sha256: string): string {
  const bytes = (sha256.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16));
  return `sha-256=:${btoa(String.fromCharCode(...bytes))}:`;
}
