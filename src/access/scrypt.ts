import { Buffer } from "node:buffer";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { assert } from "../base/errors.ts";
import { formatVerifier, parseVerifier, type ScryptParameters } from "../security/mod.ts";

/** What scrypt computes a hash with. */
export type ScryptSetting = Omit<ScryptParameters, "hashHex">;

/**
 * The cost of new verifiers: 32 MiB of memory, and about 100 ms of a processor. Each verifier says
 * its own, so that these may be raised.
 */
const COST = 2 ** 15;
const BLOCK_SIZE = 8;
const PARALLELIZATION = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Maximum memory of one computation in bytes, above that of any verifier. */
const MEMORY_BYTES_MAX = 128 * 1024 * 1024;

/** Number of computations at a time: each keeps a processor busy, and takes memory. */
const RUNNING_MAX = 2;
/** Number of computations that may wait: the last of them waits for some seconds. */
const WAITING_MAX = 64;

/** Thrown when too many computations wait already. */
export class HashingBusy extends Error {
  override name = "HashingBusy";

  constructor() {
    super(`Cannot check a password: ${WAITING_MAX} others wait for that already`);
  }
}

/** Computes slow hashes off the event loop, a few at a time. */
export class SlowHash {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** The setting of a new verifier, with a new salt. */
  newSetting(): ScryptSetting {
    return settingWith(randomBytes(SALT_BYTES).toString("hex"));
  }

  /**
   * Computes the hash of a password's digest.
   *
   * @throws {HashingBusy} if too many wait
   */
  async hash(digest: string, setting: ScryptSetting, bytes = HASH_BYTES): Promise<string> {
    if (this.#running >= RUNNING_MAX) {
      if (this.#waiting.length >= WAITING_MAX) throw new HashingBusy();
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await compute(digest, setting, bytes);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next(); // which takes this one's place
    }
  }

  /** A new verifier of a digest. @throws {HashingBusy} if too many wait */
  async verifierOf(digest: string, setting: ScryptSetting): Promise<string> {
    return formatVerifier({ ...setting, hashHex: await this.hash(digest, setting) });
  }

  /**
   * Those of the verifiers that match a digest. It takes one computation for all that have the same
   * salt and cost, whether they match or not.
   *
   * @throws {HashingBusy} if too many wait
   */
  async matching(digest: string, verifiers: readonly string[]): Promise<readonly string[]> {
    const hashes = new Map<string, string>();
    const found: string[] = [];
    for (const verifier of verifiers) {
      const parts = parseVerifier(verifier);
      assert(parts !== null, "A user has something that is no verifier");
      const bytes = parts.hashHex.length / 2;
      const setting = formatVerifier({ ...parts, hashHex: String(bytes) });
      const hash = hashes.get(setting) ?? await this.hash(digest, parts, bytes);
      hashes.set(setting, hash);
      if (isSameHex(hash, parts.hashHex)) found.push(verifier);
    }
    return found;
  }
}

/** The setting of new verifiers, with a given salt. */
export function settingWith(saltHex: string): ScryptSetting {
  return { cost: COST, blockSize: BLOCK_SIZE, parallelization: PARALLELIZATION, saltHex };
}

/** Whether two texts are equal, in a time that does not depend on where they differ. */
export function isSameHex(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

function compute(
  digest: string,
  { cost, blockSize, parallelization, saltHex }: ScryptSetting,
  bytes: number,
): Promise<string> {
  const options = { N: cost, r: blockSize, p: parallelization, maxmem: MEMORY_BYTES_MAX };
  return new Promise((resolve, reject) => {
    scrypt(digest, Buffer.from(saltHex, "hex"), bytes, options, (error, hash) => {
      if (error === null || error === undefined) resolve(hash.toString("hex"));
      else reject(error);
    });
  });
}
