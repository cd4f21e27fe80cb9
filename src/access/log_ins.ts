import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import { passwordDigest, type User } from "../security/mod.ts";
import { Attempts } from "./attempts.ts";
import {
  HashingBusy,
  isSameHex,
  type ScryptSetting,
  settingWith,
  type SlowHash,
} from "./scrypt.ts";

/** Maximum length of a password in bytes. Nobody has a longer one. */
export const PASSWORD_BYTES_MAX = 4_096;
/** Number of right passwords of a user that are remembered. */
const REMEMBERED_MAX = 8;

/** What nobody but this process knows. */
interface Secrets {
  readonly key: Uint8Array;
  /** For users that do not exist or have no password: the time must not show it. */
  readonly decoy: ScryptSetting;
}

function newSecrets(): Secrets {
  return { key: randomBytes(32), decoy: settingWith(randomBytes(16).toString("hex")) };
}

/**
 * Whether a password is the user's. `limited`: it was not checked, after too many wrong ones.
 * `busy`: it was not checked, as too many others wait.
 */
export type PasswordVerdict = "right" | "wrong" | "limited" | "busy";

/**
 * Checks the passwords of log-ins. A slow hash is computed once for each password of a user: this
 * process remembers that a password was right as an HMAC with a key of its own, until the user is
 * changed. So a thousand connections at once need one slow hash.
 */
export class LogIns {
  readonly #hash: SlowHash;
  readonly #attempts: Attempts;
  /** Made with the first log-in. */
  #secrets: Secrets | null = null;
  /** HMACs of right passwords. A change of a user makes a new object of it. */
  readonly #right = new WeakMap<User, readonly string[]>();
  /** Checks in progress, by HMAC: those of the same password share one. */
  readonly #checking = new Map<string, Promise<boolean>>();

  constructor(clock: Clock, hash: SlowHash) {
    this.#hash = hash;
    this.#attempts = new Attempts(clock);
  }

  /**
   * Checks a password.
   *
   * @param user `undefined` if there is none of that name
   * @param password a byte string
   * @param address the host of the client
   */
  async check(
    user: User | undefined,
    name: string,
    password: string,
    address: string,
  ): Promise<PasswordVerdict> {
    if (user?.isEnabled === true && user.needsNoPassword) return "right";
    if (!this.#attempts.mayTry(address, name)) return "limited";
    let isRight = false;
    try {
      if (password.length <= PASSWORD_BYTES_MAX) {
        isRight = await this.#isRight(user, name, password, address);
      }
    } catch (error) {
      if (error instanceof HashingBusy) return "busy";
      throw error;
    }
    if (isRight) this.#attempts.noteSuccess(address, name);
    else this.#attempts.noteFailure(address, name);
    return isRight ? "right" : "wrong";
  }

  /** @throws {HashingBusy} */
  async #isRight(
    user: User | undefined,
    name: string,
    password: string,
    address: string,
  ): Promise<boolean> {
    const digest = passwordDigest(password);
    const { key: secret } = this.#secrets ??= newSecrets();
    const proof = createHmac("sha256", secret).update(`${name}\0${digest}`).digest("hex");
    const usable = user?.isEnabled === true ? user : null;
    const remembered = usable === null ? [] : this.#right.get(usable) ?? [];
    if (remembered.some((one) => isSameHex(one, proof))) return true;
    const verifiers = usable?.verifiers ?? [];
    const key = `${proof} ${verifiers.join(" ")}`;
    let checking = this.#checking.get(key);
    if (checking === undefined) {
      const end = this.#attempts.begin(address);
      if (end === null) throw new HashingBusy();
      checking = this.#compare(digest, verifiers).finally(() => {
        this.#checking.delete(key);
        end();
      });
      this.#checking.set(key, checking);
    }
    const isRight = await checking;
    if (isRight && usable !== null) this.#remember(usable, proof);
    return isRight;
  }

  async #compare(digest: string, verifiers: readonly string[]): Promise<boolean> {
    if (verifiers.length > 0) return (await this.#hash.matching(digest, verifiers)).length > 0;
    const { decoy } = this.#secrets ??= newSecrets();
    await this.#hash.hash(digest, decoy);
    return false;
  }

  #remember(user: User, proof: string): void {
    const others = (this.#right.get(user) ?? []).filter((one) => one !== proof);
    this.#right.set(user, [...others.slice(1 - REMEMBERED_MAX), proof]);
  }
}
