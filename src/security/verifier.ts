import { createHash } from "node:crypto";
import { latin1Bytes } from "../base/bytes.ts";

/**
 * What is kept of a password: `scrypt$N$r$p$salt$hash`. The salt and the hash are in lower-case
 * hexadecimal digits, and the three numbers are scrypt's (RFC 7914). The input of scrypt is the
 * digest of the password (`passwordDigest`), not the password, so that Redis's `#<sha256>` can be
 * imported. A verifier has exactly one text, so texts can be compared.
 */
export type Verifier = string;

/** The parts of a verifier. */
export interface ScryptParameters {
  /** The cost `N`, a power of two. */
  readonly cost: number;
  /** The block size `r`. Scrypt needs `128 * N * r` bytes of memory. */
  readonly blockSize: number;
  /** The parallelization `p`. */
  readonly parallelization: number;
  readonly saltHex: string;
  readonly hashHex: string;
}

/** Bounds, so that no imported verifier makes a log-in take long or much memory. */
const COST_MAX = 2 ** 17;
const BLOCK_SIZE_MAX = 32;
const PARALLELIZATION_MAX = 16;
/** Maximum memory of scrypt, 64 MiB. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;
/** Maximum of N·r·p, four times what N = 2^15, r = 8, p = 1 takes. */
const WORK_MAX = 2 ** 20;

const VERIFIER =
  /^scrypt\$([1-9][0-9]{0,6})\$([1-9][0-9]?)\$([1-9][0-9]?)\$((?:[0-9a-f]{2}){8,64})\$((?:[0-9a-f]{2}){16,64})$/;

/** The parts of a verifier; `null` for any other text, and for one whose cost is out of bounds. */
export function parseVerifier(text: string): ScryptParameters | null {
  const match = VERIFIER.exec(text);
  if (match === null) return null;
  const [, n = "", r = "", p = "", saltHex = "", hashHex = ""] = match;
  const [cost, blockSize, parallelization] = [Number(n), Number(r), Number(p)];
  const isBounded = cost <= COST_MAX && blockSize <= BLOCK_SIZE_MAX &&
    parallelization <= PARALLELIZATION_MAX && 128 * cost * blockSize <= MEMORY_BYTES_MAX &&
    cost * blockSize * parallelization <= WORK_MAX;
  const isPowerOfTwo = cost > 1 && (cost & (cost - 1)) === 0;
  if (!isBounded || !isPowerOfTwo) return null;
  return { cost, blockSize, parallelization, saltHex, hashHex };
}

/** The verifier with these parts. */
export function formatVerifier(
  { cost, blockSize, parallelization, saltHex, hashHex }: ScryptParameters,
): Verifier {
  return ["scrypt", cost, blockSize, parallelization, saltHex, hashHex].join("$");
}

/**
 * The SHA-256 of a password in 64 lower-case hexadecimal digits: what Redis keeps, and what scrypt
 * is computed of. It is as secret as the password, and is never replicated.
 *
 * @param password a byte string
 */
export function passwordDigest(password: string): string {
  return createHash("sha256").update(latin1Bytes(password)).digest("hex");
}

/** Whether a text is a digest as `passwordDigest` returns it. */
export function isPasswordDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
