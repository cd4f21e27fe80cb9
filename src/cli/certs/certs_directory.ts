import { createPrivateKey } from "node:crypto";
import { messageOf, UserError } from "../../base/errors.ts";
import { Certificate } from "../../platform/tls/certificate.ts";
import type { PemPair } from "./authority.ts";

const AUTHORITY = "ca";
const PRIVATE_DIRECTORY = 0o700;
const PRIVATE_FILE = 0o600;
const PUBLIC_FILE = 0o644;
const OTHERS = 0o077;

/**
 * A directory with an authority and the certificates that it has issued. `ca.crt` is a bundle:
 * `ca.key` belongs to one of its certificates, which is replacing the others. Beside it, each name
 * has its own `.crt` and `.key`.
 */
export class CertsDirectory {
  readonly path: string;

  /** Creates the directory for its owner alone, unless it exists. */
  constructor(path: string) {
    this.path = path;
    Deno.mkdirSync(path, { recursive: true, mode: PRIVATE_DIRECTORY });
  }

  /** Whether others than the owner may enter or list the directory. */
  get isOpenToOthers(): boolean {
    const { mode } = Deno.statSync(this.path);
    return mode !== null && (mode & OTHERS) !== 0;
  }

  fileOf(name: string, ending: "crt" | "key"): string {
    return `${this.path}/${name}.${ending}`;
  }

  /** The names that have a certificate, in order. */
  names(): string[] {
    return [...Deno.readDirSync(this.path)]
      .flatMap(({ name }) => /^(.+)\.crt$/.exec(name)?.[1] ?? [])
      .filter((name) => name !== AUTHORITY)
      .sort();
  }

  /**
   * The authorities of the bundle, and the one that has the key; `null` when there are none yet.
   *
   * @throws {UserError} when a part is missing or cannot be read
   */
  authority(): { readonly bundle: readonly Certificate[]; readonly first: PemPair } | null {
    const bundleText = this.#read(AUTHORITY, "crt");
    const key = this.#read(AUTHORITY, "key");
    if (bundleText === null && key === null) return null;
    if (bundleText === null || key === null) {
      const missing = this.fileOf(AUTHORITY, key === null ? "key" : "crt");
      throw new UserError(
        `Cannot go on without ${missing}: certificates are made where the authority was made`,
      );
    }
    const bundle = this.#certificates(AUTHORITY, bundleText);
    const first = bundle.find((one) => isKeyOf(key, one));
    if (first === undefined) {
      const path = this.fileOf(AUTHORITY, "crt");
      throw new UserError(`Cannot find the certificate in ${path} that its key belongs to`);
    }
    return { bundle, first: { certificate: first.x509.toString(), key } };
  }

  /** @returns `null` when it does not exist @throws {UserError} when a part is missing or bad */
  certificate(name: string): Certificate | null {
    const text = this.#read(name, "crt");
    const hasKey = this.#read(name, "key") !== null;
    if (text === null && !hasKey) return null;
    if (text === null || !hasKey) {
      const [there, missing] = hasKey ? ["key", "crt"] as const : ["crt", "key"] as const;
      throw new UserError(
        `Cannot replace ${this.fileOf(name, there)}, whose .${missing} is not there: move it away`,
      );
    }
    const [certificate] = this.#certificates(name, text);
    if (certificate === undefined) {
      throw new UserError(`Cannot find a certificate in ${this.fileOf(name, "crt")}`);
    }
    return certificate;
  }

  /** Whether the key beside a certificate belongs to it, and not to one that was never written. */
  hasItsKey(name: string): boolean {
    const key = this.#read(name, "key");
    const certificate = this.certificate(name);
    return key !== null && certificate !== null && isKeyOf(key, certificate);
  }

  /** Replaces the authority. An interruption leaves the old key with a bundle that has both. */
  writeAuthority(first: PemPair, others: readonly Certificate[]): void {
    const bundle = [first.certificate, ...others.map(({ x509 }) => x509.toString())];
    this.#write(AUTHORITY, "crt", bundle.map((pem) => `${pem.trimEnd()}\n`).join(""));
    this.#write(AUTHORITY, "key", first.key);
  }

  write(name: string, { certificate, key }: PemPair): void {
    this.#write(name, "key", key);
    this.#write(name, "crt", certificate);
  }

  #certificates(name: string, text: string): Certificate[] {
    try {
      return Certificate.allOf(text);
    } catch (error) {
      const path = this.fileOf(name, "crt");
      throw new UserError(`Cannot use ${path}: it ${messageOf(error)}`, { cause: error });
    }
  }

  #read(name: string, ending: "crt" | "key"): string | null {
    try {
      return Deno.readTextFileSync(this.fileOf(name, ending));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw new UserError(`Cannot read ${this.fileOf(name, ending)}: ${messageOf(error)}`);
    }
  }

  /** Replaces the file in one step, with no moment in which others could read a key. */
  #write(name: string, ending: "crt" | "key", text: string): void {
    const path = this.fileOf(name, ending);
    const partial = `${path}.partial`;
    const mode = ending === "key" ? PRIVATE_FILE : PUBLIC_FILE;
    try {
      removeIfThere(partial);
      using file = Deno.openSync(partial, { write: true, createNew: true, mode });
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncSync();
      Deno.renameSync(partial, path);
    } catch (error) {
      throw new UserError(`Cannot write ${path}: ${messageOf(error)}`, { cause: error });
    }
  }
}

function isKeyOf(key: string, { x509 }: Certificate): boolean {
  try {
    return x509.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
