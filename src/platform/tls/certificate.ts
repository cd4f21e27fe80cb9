import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { messageOf } from "../../base/errors.ts";
import { type DerElement, derElements, derInside, DerTag, objectIdText } from "./der.ts";

/** What a certificate may be used for (RFC 5280, section 4.2.1.12). */
export const Purpose = {
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  any: "2.5.29.37.0",
} as const;

export type PurposeId = (typeof Purpose)[keyof typeof Purpose];

const COMMON_NAME = "2.5.4.3";
const SUBJECT_ALT_NAME = "2.5.29.17";
const EXTENDED_KEY_USAGE = "2.5.29.37";

/** Tags of the parts of a certificate and of its names (RFC 5280, sections 4.1 and 4.2.1.6). */
const Tag = { version: 0xa0, extensions: 0xa3, dnsName: 0x82, uri: 0x86, ipAddress: 0x87 } as const;
const VERSION_3 = 2;

const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Node's pattern for certificates in a PEM file. */
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * An X.509 certificate of version 3.
 *
 * Its names are read from the bytes here. `subjectAltName` of Deno 2.9's `node:crypto` is one text
 * without quotes, in which a DNS name `x, URI:regent://node/n1` looks like two names.
 */
export class Certificate {
  readonly x509: X509Certificate;
  /** In milliseconds since the Unix epoch; valid from here on. */
  readonly fromMs: number;
  /** In milliseconds since the Unix epoch; valid until here. */
  readonly untilMs: number;
  readonly commonNames: readonly string[];
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** IPv6 addresses are in brackets, in their shortest form. */
  readonly ips: readonly string[];
  /** What it may be used for, as object identifiers; `null`: for anything. */
  readonly #purposes: ReadonlySet<string> | null;

  /** @throws {Error} saying what is wrong, after "the certificate" */
  constructor(der: Uint8Array | string) {
    let fields: Fields;
    try {
      this.x509 = new X509Certificate(der);
      fields = fieldsOf(this.x509.raw);
    } catch (error) {
      throw new Error(`cannot be read: ${messageOf(error)}`, { cause: error });
    }
    const { version, commonNames, extensions } = fields;
    // Deno 2.9's `node:tls` takes older ones without any signature: see `checkChain`.
    if (version !== VERSION_3) throw new Error(`has X.509 version ${version + 1}, not 3`);
    this.fromMs = Date.parse(this.x509.validFrom);
    this.untilMs = Date.parse(this.x509.validTo);
    this.commonNames = commonNames;
    const altNames = valuesOf(extensions.get(SUBJECT_ALT_NAME));
    const textsOf = (tag: number) =>
      altNames.filter((name) => name.tag === tag).map(({ content }) => utf8.decode(content));
    this.dnsNames = textsOf(Tag.dnsName);
    this.uris = textsOf(Tag.uri);
    this.ips = altNames.filter(({ tag }) => tag === Tag.ipAddress).map(({ content }) =>
      ipText(content)
    );
    const purposes = extensions.get(EXTENDED_KEY_USAGE);
    this.#purposes = purposes === undefined
      ? null
      : new Set(valuesOf(purposes).map(({ content }) => objectIdText(content)));
  }

  /** All certificates of a PEM file, in their order. @throws {Error} for one that cannot be read */
  static allOf(pem: string): Certificate[] {
    return [...pem.matchAll(PEM)].map(([text]) => new Certificate(text));
  }

  get isAuthority(): boolean {
    return this.x509.ca;
  }

  isFor(purpose: PurposeId): boolean {
    return this.#purposes === null || this.#purposes.has(purpose) ||
      this.#purposes.has(Purpose.any);
  }

  /** Whether it is for the host that was dialled (RFC 9525): a DNS name, or an IP address. */
  isForHost(host: string): boolean {
    if (isIP(host) !== 0) return this.ips.includes(canonicalIp(host));
    const name = host.toLowerCase().replace(/\.$/, "");
    return this.dnsNames.some((pattern) => matchesHost(pattern.toLowerCase(), name));
  }
}

/** A `*` stands for one whole label, the first, where at least two others follow. */
function matchesHost(pattern: string, name: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === name;
  const rest = pattern.slice(1);
  const label = name.slice(0, -rest.length);
  return name.endsWith(rest) && label !== "" && !label.includes(".") && /\..*\./.test(rest);
}

/** The 4 or 16 bytes of an IP address; `null` for a name. */
export function ipBytes(host: string): Uint8Array<ArrayBuffer> | null {
  if (isIP(host) === 0) return null;
  if (isIP(host) === 4) return new Uint8Array(host.split(".").map(Number));
  const plain = canonicalIp(host).slice(1, -1);
  const [left = "", right = ""] = plain.split("::");
  const groupsOf = (part: string) => part === "" ? [] : part.split(":");
  const missing = plain.includes("::") ? 8 - groupsOf(left).length - groupsOf(right).length : 0;
  const groups = [...groupsOf(left), ...Array<string>(missing).fill("0"), ...groupsOf(right)]
    .map((group) => parseInt(group, 16));
  return new Uint8Array(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** One way to write each IP address. @param ip an IPv4 or IPv6 address */
function canonicalIp(ip: string): string {
  return ip.includes(":") ? new URL(`http://[${ip.replace(/%.*$/, "")}]`).hostname : ip;
}

/** @param bytes 4 or 16 */
function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new Error("has an IP address that is none");
  const groups = Array.from(
    { length: 8 },
    (_, at) => ((bytes[at * 2] ?? 0) << 8 | (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return canonicalIp(groups.join(":"));
}

interface Fields {
  /** One less than its name: 2 for version 3. */
  readonly version: number;
  readonly commonNames: readonly string[];
  /** The value of each extension, by its object identifier. */
  readonly extensions: ReadonlyMap<string, Uint8Array>;
}

function fieldsOf(der: Uint8Array): Fields {
  const [signed] = derInside(der, DerTag.sequence);
  if (signed?.tag !== DerTag.sequence) throw new Error("no certificate");
  const parts = derElements(signed.content);
  const version = parts[0]?.tag === Tag.version
    ? derElements(parts[0].content)[0]?.content[0] ?? 0
    : 0;
  // serial number, algorithm, issuer, validity, subject
  const subject = parts[(parts[0]?.tag === Tag.version ? 1 : 0) + 4];
  const extensions = parts.find(({ tag }) => tag === Tag.extensions);
  return {
    version,
    commonNames: subject === undefined ? [] : commonNamesOf(subject),
    extensions: extensions === undefined ? new Map() : extensionsOf(extensions),
  };
}

function commonNamesOf(subject: DerElement): string[] {
  return derElements(subject.content)
    .flatMap(({ content }) => derElements(content))
    .map(({ content }) => derElements(content))
    .filter(([type]) => type !== undefined && objectIdText(type.content) === COMMON_NAME)
    .map(([, value]) => utf8.decode(value?.content));
}

function extensionsOf({ content }: DerElement): Map<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>();
  for (const one of derInside(content, DerTag.sequence)) {
    const parts = derElements(one.content);
    const id = objectIdText(parts[0]?.content ?? new Uint8Array());
    if (extensions.has(id)) throw new Error(`the extension ${id} comes twice`);
    extensions.set(id, parts.at(-1)?.content ?? new Uint8Array());
  }
  return extensions;
}

/** The elements of an extension that is a sequence. */
function valuesOf(extension: Uint8Array | undefined): DerElement[] {
  return extension === undefined ? [] : derInside(extension, DerTag.sequence);
}
