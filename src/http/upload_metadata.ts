import { bytesOfBase64 } from "./digests.ts";
import { Problem } from "./problem.ts";

/** Maximum length of an `Upload-Metadata` header. */
const METADATA_LENGTH_MAX = 8_192;

/**
 * The pairs of an `Upload-Metadata` header of tus 1.0: keys and values in base64.
 *
 * @throws {Problem} when it is malformed, or has a key twice
 */
export function metadataOf(header: string): ReadonlyMap<string, string> {
  if (header.length > METADATA_LENGTH_MAX) throw malformed("is too long");
  const pairs = new Map<string, string>();
  for (const pair of header.split(",").map((text) => text.trim())) {
    if (pair === "") continue;
    const [key = "", base64 = "", ...rest] = pair.split(/ +/);
    if (!/^[\x21-\x7e]+$/.test(key) || rest.length > 0) throw malformed("is no list of pairs");
    if (pairs.has(key)) throw malformed(`has ${key} twice`);
    const bytes = bytesOfBase64(base64);
    if (bytes === null) throw malformed(`has a value of ${key} that is not base64`);
    pairs.set(key, utf8In(bytes, key));
  }
  return pairs;
}

function utf8In(bytes: Uint8Array, key: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed(`has a value of ${key} that is not UTF-8`);
  }
}

function malformed(what: string): Problem {
  return new Problem("bad-request", `Upload-Metadata ${what}.`);
}

/** Bytes of the digests of tus. `sha-256` is the name that HTTP has for `sha256`. */
const CHECKSUMS = { md5: 16, sha1: 20, sha256: 32 } as const;

/** What a part of an upload must add up to. */
export interface Checksum {
  readonly algorithm: keyof typeof CHECKSUMS;
  readonly bytes: Uint8Array;
}

/** Names of the algorithms, as `Tus-Checksum-Algorithm` lists them. */
export const CHECKSUM_ALGORITHMS = Object.keys(CHECKSUMS).join(",");

/** The value of `Upload-Checksum`. @throws {Problem} when it is malformed or of another algorithm */
export function checksumOf(header: string): Checksum {
  const [, name = "", base64 = ""] = /^([a-z0-9-]+) +(\S+)$/.exec(header.trim()) ?? [];
  const known = name === "sha-256" ? "sha256" : name;
  if (!isAlgorithm(known)) {
    throw new Problem("bad-request", `Upload-Checksum takes ${CHECKSUM_ALGORITHMS} only.`);
  }
  const bytes = bytesOfBase64(base64);
  if (bytes?.length !== CHECKSUMS[known]) {
    throw new Problem("bad-request", `The ${known} checksum is not one in base64.`);
  }
  return { algorithm: known, bytes };
}

function isAlgorithm(name: string): name is keyof typeof CHECKSUMS {
  return Object.hasOwn(CHECKSUMS, name);
}
