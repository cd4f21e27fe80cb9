import type { Certificate, PurposeId } from "./certificate.ts";

/** Maximum number of certificates between a leaf and an authority. */
const INTERMEDIATES_MAX = 4;

export interface ChainOptions {
  /** What the other side sent besides its own certificate. */
  readonly intermediates: readonly Certificate[];
  /** Whose signatures count. */
  readonly authorities: readonly Certificate[];
  readonly purpose: PurposeId;
  /** In milliseconds since the Unix epoch. */
  readonly nowMs: number;
}

/**
 * Checks that an authority, by its signature or by those of intermediates, has issued a
 * certificate, and that all of them are valid now.
 *
 * The runtime checks more, such as constraints on names, but Deno 2.9's `node:tls` cannot be trusted
 * alone, as experiments showed:
 * - A server takes a session that is resumed for authorized, although it began with a certificate
 *   of a wrong authority, or one that has expired since.
 * - A client with `rejectUnauthorized` takes a certificate of X.509 version 1 that anyone made: only
 *   the name of its issuer is compared, no signature. `Certificate` refuses that version.
 *
 * Signatures of kind RSA-PSS on certificates are not supported.
 *
 * @returns why the certificate is refused, after "its certificate"; `null` when it is good
 */
export function checkChain(leaf: Certificate, options: ChainOptions): string | null {
  const { intermediates, authorities, purpose, nowMs } = options;
  const outdated = outsideOfTime(leaf, nowMs);
  if (outdated !== null) return outdated;
  if (!leaf.isFor(purpose)) return "is not made for this use (extended key usage)";
  let current = leaf;
  let reason = "is not from an authority that is known here";
  for (let depth = 0; depth <= INTERMEDIATES_MAX; depth++) {
    for (const authority of issuersOf(current, authorities)) {
      const ended = outsideOfTime(authority, nowMs);
      if (ended === null) return null;
      reason = `is from an authority that ${ended}`;
    }
    const [issuer] = issuersOf(current, intermediates)
      .filter((one) => outsideOfTime(one, nowMs) === null);
    if (issuer === undefined || issuer === current) break;
    current = issuer;
  }
  return reason;
}

function issuersOf({ x509 }: Certificate, candidates: readonly Certificate[]): Certificate[] {
  return candidates.filter((one) => {
    if (!one.isAuthority || !x509.checkIssued(one.x509)) return false;
    try {
      return x509.verify(one.x509.publicKey);
    } catch {
      return false; // a kind of key or signature that the runtime does not know
    }
  });
}

/** @returns a reason as of `checkChain` */
function outsideOfTime({ fromMs, untilMs }: Certificate, nowMs: number): string | null {
  if (!(nowMs >= fromMs)) return `is not valid before ${dateText(fromMs)}`;
  if (!(nowMs <= untilMs)) return `has expired on ${dateText(untilMs)}`;
  return null;
}

/** @param ms since the Unix epoch @returns as `2026-12-01T05:21:12Z` */
export function dateText(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().replace(/\.\d+/, "") : "no date";
}
