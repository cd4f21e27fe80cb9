import { createPrivateKey } from "node:crypto";
import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { Peer } from "../network.ts";
import { Certificate, Purpose } from "./certificate.ts";
import { checkChain, dateText } from "./chain.ts";
import { CertifiedPeer } from "./peer.ts";
import { requireTlsSupport } from "./supported.ts";

/** Interval in milliseconds between looks at the files. */
const LOOK_MS = 2_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** A certificate with fewer days left is warned of, once a day. */
const WARNED_DAYS = 14;
const OTHERS = 0o077;

/** The files, as PEM. */
export interface TlsFiles {
  /**
   * The own certificate, which intermediate ones may follow, and its key; `null` for a client that
   * has none.
   */
  readonly own: { readonly certificate: string; readonly key: string } | null;
  /** The authorities that are trusted. Those that the runtime knows are not among them. */
  readonly authorities: string;
}

/** What the files held when they were read and found to be good. */
export interface TlsMaterial {
  readonly own: OwnCertificate | null;
  /** As PEM. */
  readonly authoritiesPem: string;
  readonly authorities: readonly Certificate[];
}

export interface OwnCertificate {
  readonly certificate: Certificate;
  readonly peer: Peer;
  /** With the intermediate ones. */
  readonly pem: string;
  readonly keyPem: string;
}

export interface TlsCredentialsOptions {
  readonly files: TlsFiles;
  /** Says why the own certificate cannot be used, after "it"; `null` if it can. @default it can */
  readonly refuseOwn?: (peer: Peer) => string | null;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The certificate, key and authorities of a process. When the files change, they are read again.
 * New connections use what is new; open ones stay. Files that are no good are refused with one line
 * in the log, and what was read before stays in use.
 */
export class TlsCredentials {
  readonly #options: TlsCredentialsOptions;
  readonly #listeners = new Set<() => void>();
  #material: TlsMaterial;
  /** What tells the files in use, or those that were refused, from others. */
  #stamp: string;
  /** What the last look found, if it differs: the files are read once two looks agree. */
  #changing: string | null = null;
  #cancel: Cancel = () => {};
  #warnedMs = -Infinity;

  /** @throws {UserError} when the files are no good */
  constructor(options: TlsCredentialsOptions) {
    requireTlsSupport();
    this.#options = options;
    const { logger, files } = options;
    this.#stamp = stampOf(files);
    this.#material = load(options);
    if (files.own !== null && isOpenToOthers(files.own.key)) {
      logger.warn(`others can read the key ${files.own.key}: chmod 600 ${files.own.key}`);
    }
    this.#warnOfEnd();
    this.#lookLater();
  }

  /** What new connections are to use. */
  get current(): TlsMaterial {
    return this.#material;
  }

  /** Calls this each time when the material has changed. */
  onChange(listener: () => void): Cancel {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the files now, as after SIGHUP. @returns whether they are in use */
  reload(): boolean {
    const { files, logger } = this.#options;
    this.#changing = null;
    this.#stamp = stampOf(files);
    try {
      this.#material = load(this.#options);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      logger.error(`${error.message}; the certificate that was read before stays in use`);
      return false;
    }
    const { own } = this.#material;
    const until = own === null ? "" : `, valid until ${dateText(own.certificate.untilMs)}`;
    logger.info(`new connections use the new certificate files${until}`);
    this.#warnedMs = -Infinity;
    this.#warnOfEnd();
    for (const listener of this.#listeners) listener();
    return true;
  }

  /** Stops looking at the files. */
  close(): void {
    this.#cancel();
  }

  #lookLater(): void {
    this.#cancel = this.#options.clock.after(LOOK_MS, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    const found = stampOf(this.#options.files);
    this.#warnOfEnd();
    if (found === this.#stamp) this.#changing = null;
    else if (found === this.#changing) this.reload();
    else this.#changing = found; // the certificate may be written, and its key not yet
  }

  #warnOfEnd(): void {
    const { clock, logger } = this.#options;
    const { own } = this.#material;
    const nowMs = clock.nowMs();
    if (own === null || clock.monotonicMs() - this.#warnedMs < DAY_MS) return;
    if (own.certificate.untilMs - nowMs >= WARNED_DAYS * DAY_MS) return;
    this.#warnedMs = clock.monotonicMs();
    logger.warn(`the certificate ends on ${dateText(own.certificate.untilMs)}: renew it`);
  }
}

/** @throws {UserError} saying which file is no good, and why */
function load({ files, refuseOwn, clock }: TlsCredentialsOptions): TlsMaterial {
  const { own, authorities } = files;
  const nowMs = clock.nowMs();
  const authoritiesPem = read(authorities);
  const trusted = certificatesIn(authorities, authoritiesPem);
  const stranger = trusted.find(({ isAuthority }) => !isAuthority);
  if (stranger !== undefined) {
    throw new UserError(
      `Cannot use ${authorities}: ${stranger.x509.subject} is no authority's certificate`,
    );
  }
  if (own === null) return { own, authoritiesPem, authorities: trusted };
  const pem = read(own.certificate);
  const keyPem = read(own.key);
  const [certificate, ...intermediates] = certificatesIn(own.certificate, pem);
  if (certificate === undefined) throw new UserError(`Cannot use ${own.certificate}: it is empty`);
  if (!isKeyOf(certificate, own.key, keyPem)) {
    throw new UserError(
      `Cannot use ${own.key}: it is not the key of the certificate in ${own.certificate}`,
    );
  }
  const purpose = certificate.isFor(Purpose.serverAuth) ? Purpose.serverAuth : Purpose.clientAuth;
  const reason = checkChain(certificate, { intermediates, authorities: trusted, purpose, nowMs });
  if (reason !== null) throw new UserError(`Cannot use ${own.certificate}: it ${reason}`);
  let peer: Peer;
  try {
    peer = new CertifiedPeer(certificate);
  } catch (error) {
    throw new UserError(`Cannot use ${own.certificate}: it ${messageOf(error)}`, { cause: error });
  }
  const refusal = refuseOwn?.(peer) ?? null;
  if (refusal !== null) throw new UserError(`Cannot use ${own.certificate}: it ${refusal}`);
  return { own: { certificate, peer, pem, keyPem }, authoritiesPem, authorities: trusted };
}

function certificatesIn(path: string, pem: string): Certificate[] {
  try {
    const certificates = Certificate.allOf(pem);
    if (certificates.length > 0) return certificates;
  } catch (error) {
    throw new UserError(`Cannot use ${path}: a certificate ${messageOf(error)}`, { cause: error });
  }
  throw new UserError(`Cannot use ${path}: it has no certificate in PEM`);
}

function isKeyOf({ x509 }: Certificate, path: string, pem: string): boolean {
  try {
    return x509.checkPrivateKey(createPrivateKey(pem));
  } catch (error) {
    // The message says nothing of the key itself.
    throw new UserError(`Cannot use ${path}: it is no private key in PEM without a password`, {
      cause: error,
    });
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Tells versions of the files apart, as far as the file system can. */
function stampOf({ own, authorities }: TlsFiles): string {
  return [own?.certificate, own?.key, authorities].map((path) => {
    if (path === undefined) return "";
    try {
      const { mtime, size, ino } = Deno.statSync(path);
      return `${mtime?.getTime()} ${size} ${ino}`;
    } catch {
      return "gone";
    }
  }).join("; ");
}

function isOpenToOthers(path: string): boolean {
  try {
    return ((Deno.statSync(path).mode ?? 0) & OTHERS) !== 0;
  } catch {
    return false;
  }
}
