import { Buffer } from "node:buffer";

const SHA256_BYTES = 32;

/**
 * The SHA-256 in a `Repr-Digest` header (RFC 9530), such as `sha-256=:…:`.
 *
 * @returns 64 hexadecimal digits; `null` when there is none
 */
export function sha256In(header: string | undefined): string | null {
  const [, base64] = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:;[^,]*)?(?:,|$)/
    .exec(header ?? "") ?? [];
  if (base64 === undefined) return null;
  const bytes = Buffer.from(base64, "base64");
  return bytes.length === SHA256_BYTES ? bytes.toString("hex") : null;
}
