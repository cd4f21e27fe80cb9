import { Integer, OctetString, Utf8String } from "asn1js";
import { Buffer } from "node:buffer";
import {
  AltName,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate as PkiCertificate,
  Extension,
  ExtKeyUsage,
  GeneralName,
  RelativeDistinguishedNames,
  Time,
} from "pkijs";
import { Certificate, ipBytes, Purpose, type PurposeId } from "../../platform/tls/certificate.ts";
import { type PeerKind, peerUri } from "../../platform/tls/peer.ts";

/** ECDSA with P-256: small, fast to sign with, and known to every client. */
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const HASH = "SHA-256";
const SERIAL_BYTES = 16;
/** Clocks of other machines may be late by this many milliseconds. */
const EARLIER_MS = 60 * 60 * 1000;

const COMMON_NAME = "2.5.4.3";
const ExtensionId = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
} as const;
/** Values of the extension key usage, as DER bit strings. */
const KeyUsage = {
  digitalSignature: [0x03, 0x02, 0x07, 0x80],
  certificatesAndLists: [0x03, 0x02, 0x01, 0x06],
} as const;

/** A certificate and its private key, as PEM. */
export interface PemPair {
  readonly certificate: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly kind: PeerKind;
  readonly name: string;
  /** Names and IP addresses under which a node or proxy is dialled. */
  readonly hosts: readonly string[];
  /** In milliseconds since the Unix epoch. It cannot outlive the authority. */
  readonly untilMs: number;
  readonly nowMs: number;
}

/** Makes a new authority, with a name of its own. */
export async function createAuthority(nowMs: number, untilMs: number): Promise<PemPair> {
  const keys = await newKeys();
  const certificate = blankCertificate(nowMs - EARLIER_MS, untilMs);
  // Two authorities whose names differ can be told apart while one replaces the other.
  certificate.subject = nameOf(`Regent authority ${hex(randomBytes(4))}`);
  certificate.issuer = certificate.subject;
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  certificate.extensions = [
    extension(
      ExtensionId.basicConstraints,
      new BasicConstraints({ cA: true, pathLenConstraint: 0 }).toSchema().toBER(),
      true,
    ),
    extension(ExtensionId.keyUsage, new Uint8Array(KeyUsage.certificatesAndLists).buffer, true),
    await keyIdentifier(certificate),
  ];
  await certificate.sign(keys.privateKey, HASH);
  return await pemPair(certificate, keys);
}

/** Has an authority issue a certificate for a new key. */
export async function issue(authority: PemPair, options: LeafOptions): Promise<PemPair> {
  const { kind, name, hosts, nowMs } = options;
  const issuer = PkiCertificate.fromBER(
    new Uint8Array(new Certificate(authority.certificate).x509.raw),
  );
  const issuerKey = await crypto.subtle.importKey(
    "pkcs8",
    bytesOf(authority.key),
    ALGORITHM,
    false,
    ["sign"],
  );
  const untilMs = Math.min(options.untilMs, issuer.notAfter.value.getTime());
  const keys = await newKeys();
  const certificate = blankCertificate(nowMs - EARLIER_MS, untilMs);
  certificate.subject = nameOf(name);
  certificate.issuer = issuer.subject;
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  const altNames = [
    new GeneralName({ type: 6, value: peerUri(kind, name) }),
    ...hosts.map(hostName),
  ];
  certificate.extensions = [
    extension(ExtensionId.basicConstraints, new BasicConstraints().toSchema().toBER(), true),
    extension(ExtensionId.keyUsage, new Uint8Array(KeyUsage.digitalSignature).buffer, true),
    extension(
      ExtensionId.extKeyUsage,
      new ExtKeyUsage({ keyPurposes: purposesOf(kind) }).toSchema().toBER(),
    ),
    extension(ExtensionId.subjectAltName, new AltName({ altNames }).toSchema().toBER()),
    await keyIdentifier(certificate),
    authorityKeyIdentifier(issuer),
  ];
  await certificate.sign(issuerKey, HASH);
  return await pemPair(certificate, keys);
}

/** A node or proxy serves and connects; a client only connects. */
function purposesOf(kind: PeerKind): PurposeId[] {
  return kind === "client" ? [Purpose.clientAuth] : [Purpose.serverAuth, Purpose.clientAuth];
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function blankCertificate(fromMs: number, untilMs: number): PkiCertificate {
  const certificate = new PkiCertificate();
  certificate.version = 2;
  const serial = randomBytes(SERIAL_BYTES);
  serial[0] = (serial[0] ?? 0) & 0x7f | 0x40; // positive, and always of the same length
  certificate.serialNumber = new Integer({ valueHex: serial.buffer });
  certificate.notBefore = timeOf(fromMs);
  certificate.notAfter = timeOf(untilMs);
  return certificate;
}

/** Until 2049 in the short form, from 2050 in the long one (RFC 5280, section 4.1.2.5). */
function timeOf(ms: number): Time {
  const value = new Date(Math.floor(ms / 1000) * 1000);
  return new Time({ type: value.getUTCFullYear() < 2050 ? 0 : 1, value });
}

function nameOf(commonName: string): RelativeDistinguishedNames {
  const value = new Utf8String({ value: commonName });
  const attribute = new AttributeTypeAndValue({ type: COMMON_NAME, value });
  return new RelativeDistinguishedNames({ typesAndValues: [attribute] });
}

function hostName(host: string): GeneralName {
  const ip = ipBytes(host);
  if (ip === null) return new GeneralName({ type: 2, value: host });
  return new GeneralName({ type: 7, value: new OctetString({ valueHex: ip.buffer }) });
}

function extension(extnID: string, extnValue: ArrayBuffer, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue });
}

/** The extension that names a key, by the hash of RFC 5280, section 4.2.1.2, method 1. */
async function keyIdentifier(certificate: PkiCertificate): Promise<Extension> {
  const bits = certificate.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView;
  const hash = await crypto.subtle.digest("SHA-1", new Uint8Array(bits));
  const value = new OctetString({ valueHex: hash }).toBER();
  return extension(ExtensionId.subjectKeyIdentifier, value);
}

/** The extension that names the issuer's key, by the issuer's own identifier. */
function authorityKeyIdentifier(issuer: PkiCertificate): Extension {
  const own = issuer.extensions?.find(({ extnID }) => extnID === ExtensionId.subjectKeyIdentifier);
  const id = new Uint8Array(own?.extnValue.valueBlock.valueHexView ?? []).subarray(2);
  const value = new Uint8Array([0x30, id.length + 2, 0x80, id.length, ...id]);
  return extension(ExtensionId.authorityKeyIdentifier, value.buffer);
}

async function pemPair(certificate: PkiCertificate, keys: CryptoKeyPair): Promise<PemPair> {
  return {
    certificate: pem("CERTIFICATE", certificate.toSchema(true).toBER()),
    key: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", keys.privateKey)),
  };
}

function pem(label: string, der: ArrayBuffer): string {
  const lines = Buffer.from(der).toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/** The bytes in a PEM file that has one part. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text.replace(/-----[^-]+-----/g, ""), "base64"));
}

function randomBytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
