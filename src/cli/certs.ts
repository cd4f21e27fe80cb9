import { parseHost } from "../base/address.ts";
import { UserError } from "../base/errors.ts";
import { Certificate } from "../platform/tls/certificate.ts";
import { isPeerName, type PeerKind } from "../platform/tls/peer.ts";
import { requireTlsSupport } from "../platform/tls/supported.ts";
import { CertsDirectory } from "./certs/certs_directory.ts";
import { subcommand } from "./command_line.ts";
import {
  directoryFlag,
  type Flag,
  integer,
  repeatable,
  toggle,
  typedOnly,
  UsageError,
} from "./flags.ts";
import { table } from "./table.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** Ten years: replacing an authority takes work on each machine. */
const AUTHORITY_DAYS = 3650;
/** Days before its end at which a certificate is renewed, and at most a third of its time. */
const RENEWED_DAYS = 30;
const RENEWED_SHARE = 1 / 3;
/** How each machine can be dialled by itself. */
const LOCAL_HOSTS = ["localhost", "127.0.0.1", "::1"];
const AUTHORITY_NAME = "ca";

interface Host {
  /** Whose; `null`: everybody's. */
  readonly name: string | null;
  readonly host: string;
}

const hostsFlag: Flag<readonly Host[]> = {
  placeholder: "[NAME=]HOST,…",
  help: "Names and IP addresses under which NAME is dialled, or without NAME= everybody named; " +
    "localhost, 127.0.0.1 and ::1 are always among them. Can be given several times",
  defaultValue: [],
  isRequired: false,
  isRepeatable: true,
  parse: (text) =>
    text.split(",").map((part) => {
      const [, name = null, hostText = ""] = /^(?:([^=]*)=)?(.*)$/.exec(part.trim()) ?? [];
      const host = parseHost(hostText);
      if (host === null || (name !== null && !isPeerName(name))) {
        throw new UserError("expected HOST or NAME=HOST");
      }
      return { name, host };
    }),
};

const clientFlag: Flag<string> = {
  placeholder: "NAME",
  help: "Make a certificate for this client, which is neither node nor proxy",
  defaultValue: "",
  isRequired: false,
  parse(text) {
    if (!isPeerName(text)) throw new UserError("expected up to 64 letters, digits, _ . or -");
    return text;
  },
};

export const certsSubcommand = subcommand({
  name: "certs",
  summary: "make and renew the certificates of a cluster",
  description:
    "Makes a private authority in DIR, once, and a certificate and a key for each NAME: the id of " +
    "a node, or a proxy's name, which begins with `proxy`. A node accepts another one only with a " +
    "certificate for its id. Run it again to add names; certificates that end within 30 days are " +
    "renewed, and others stay as they are. With --renew, it replaces those that are named, or all. " +
    "What is not named for this run is kept: hosts of a renewed certificate too.\n\n" +
    "To replace the authority: run it with --new-authority, and copy ca.crt to every machine, " +
    "which then trusts both; run it with --renew, and copy the certificates; at last run it with " +
    "--drop-old-authority, and copy ca.crt again.",
  flags: {
    dir: directoryFlag({ help: "Directory of the authority", defaultValue: "certs" }),
    host: hostsFlag,
    client: repeatable(clientFlag),
    days: integer("N", {
      help: "Days for which new certificates are valid",
      defaultValue: 365,
      min: 1,
      max: AUTHORITY_DAYS,
    }),
    renew: typedOnly(toggle({ help: "Replace certificates that exist, with new keys" })),
    newAuthority: typedOnly(toggle({ help: "Make a new authority beside the old one" })),
    dropOldAuthority: typedOnly(toggle({ help: "Trust only the newest authority" })),
  },
  words: "[NAME…]",
  examples: [
    "regent certs n1 n2 n3 proxy",
    "regent certs --host n1=10.0.0.1,n2=10.0.0.2,n3=10.0.0.3,proxy=redis.example.com n1 n2 n3 proxy",
    "regent certs --client metrics",
    "regent certs --renew n2",
  ],
  async run(values, words) {
    const { dir, host, client, days, renew, newAuthority, dropOldAuthority } = values;
    const wanted = wantedNames(words, client);
    const isForAuthority = newAuthority || dropOldAuthority;
    if (isForAuthority && (wanted.size > 0 || renew || newAuthority === dropOldAuthority)) {
      throw new UsageError(
        "Cannot use --new-authority or --drop-old-authority with anything but --dir",
      );
    }
    requireTlsSupport();
    const directory = new CertsDirectory(dir);
    if (newAuthority) await addAuthority(directory);
    else if (dropOldAuthority) dropOldAuthorities(directory);
    else await makeCertificates(directory, { wanted, hosts: host, days, isRenewal: renew });
    if (directory.isOpenToOthers) {
      console.error(`regent: others may enter ${dir}: chmod 700 ${dir}`);
    }
    return 0;
  },
});

function wantedNames(words: readonly string[], clients: readonly string[]): Map<string, PeerKind> {
  const wanted = new Map<string, PeerKind>();
  const add = (name: string, kind: PeerKind) => {
    if (!isPeerName(name) || name === AUTHORITY_NAME) {
      throw new UsageError(`Cannot make a certificate for ${name}: it is no name`);
    }
    if (wanted.has(name)) throw new UsageError(`Cannot make two certificates for ${name}`);
    wanted.set(name, kind);
  };
  for (const word of words) add(word, word.startsWith("proxy") ? "proxy" : "node");
  for (const name of clients) add(name, "client");
  return wanted;
}

interface Wishes {
  readonly wanted: ReadonlyMap<string, PeerKind>;
  readonly hosts: readonly Host[];
  readonly days: number;
  readonly isRenewal: boolean;
}

interface Row {
  readonly name: string;
  readonly kind: PeerKind;
  readonly certificate: Certificate;
  readonly what: "created" | "renewed" | "kept" | "kept, from the old authority";
}

async function makeCertificates(directory: CertsDirectory, wishes: Wishes): Promise<void> {
  const { hosts, days, isRenewal } = wishes;
  const names = wishes.wanted.size > 0 ? [...wishes.wanted.keys()] : directory.names();
  if (names.length === 0) {
    throw new UsageError("Cannot start: expected the NAMEs of nodes and proxies");
  }
  const stranger = hosts.find(({ name }) => name !== null && !names.includes(name));
  if (stranger !== undefined) {
    throw new UsageError(`Cannot use --host for ${stranger.name}, which is not named`);
  }
  const { createAuthority, issue } = await import("./certs/authority.ts");
  const nowMs = Date.now();
  const existing = new Map(names.map((name) => [name, directory.certificate(name)]));
  let authority = directory.authority();
  const isFirst = authority === null;
  if (authority === null) {
    const exists = [...existing].find(([, certificate]) => certificate !== null);
    if (exists !== undefined) {
      throw new UserError(
        `Cannot use ${directory.path}: ${exists[0]}.crt is there, and its authority is not`,
      );
    }
    directory.writeAuthority(await createAuthority(nowMs, nowMs + AUTHORITY_DAYS * DAY_MS), []);
    authority = directory.authority();
    if (authority === null) throw new Error("the authority is gone");
  }
  const first = new Certificate(authority.first.certificate);
  const plans = names.map((name) => {
    const certificate = existing.get(name) ?? null;
    const situation = { directory, wishes, authority, first, nowMs };
    return { name, certificate, ...planOf(name, certificate, situation) };
  });
  const rows: Row[] = [];
  for (const { name, certificate, kind, hosts, what } of plans) {
    let current = certificate;
    if (what === "created" || what === "renewed") {
      const untilMs = nowMs + days * DAY_MS;
      const pair = await issue(authority.first, { kind, name, hosts, untilMs, nowMs });
      directory.write(name, pair);
      current = new Certificate(pair.certificate);
    }
    if (current !== null) rows.push({ name, kind, certificate: current, what });
  }
  print(directory, rows, { first, isFirst, isRenewal, nowMs });
}

interface Situation {
  readonly directory: CertsDirectory;
  readonly wishes: Wishes;
  readonly authority: { readonly bundle: readonly Certificate[] };
  readonly first: Certificate;
  readonly nowMs: number;
}

/** What is to be done for a name. @throws {UserError} when that would destroy something */
function planOf(
  name: string,
  certificate: Certificate | null,
  { directory, wishes, authority, first, nowMs }: Situation,
): { kind: PeerKind; hosts: string[]; what: Row["what"] } {
  const wantedKind = wishes.wanted.get(name);
  const given = wishes.hosts.filter((one) => one.name === null || one.name === name)
    .map(({ host }) => host);
  if (certificate === null) {
    if (wantedKind === undefined) throw new Error("nobody wants it");
    if (wantedKind === "client") {
      const hosts = wishes.hosts.filter((one) => one.name === name).map(({ host }) => host);
      return { kind: wantedKind, hosts, what: "created" };
    }
    return { kind: wantedKind, hosts: unique([...LOCAL_HOSTS, ...given]), what: "created" };
  }
  const file = `${name}.crt`;
  if (!authority.bundle.some((one) => isFrom(certificate, one))) {
    throw new UserError(`Cannot replace ${file}: another authority made it; move it away first`);
  }
  const kind = kindOf(certificate, name);
  if (kind === null || (wantedKind !== undefined && wantedKind !== kind)) {
    throw new UserError(
      `Cannot replace ${file}: it is not the certificate of a ${wantedKind ?? "known kind"}`,
    );
  }
  const had = [...certificate.dnsNames, ...certificate.ips.map((ip) => ip.replace(/[[\]]/g, ""))];
  const hosts = kind === "client" ? had : unique([...had, ...given]);
  const isRenewed = wishes.isRenewal || endsSoon(certificate, nowMs) || !directory.hasItsKey(name);
  const added = hosts.filter((host) => !had.includes(host));
  if (!isRenewed && added.length > 0) {
    throw new UserError(`Cannot add ${added.join(", ")} to ${file}, which exists: give --renew`);
  }
  const kept = isFrom(certificate, first) ? "kept" : "kept, from the old authority";
  return { kind, hosts, what: isRenewed ? "renewed" : kept };
}

function unique(hosts: readonly string[]): string[] {
  return [...new Set(hosts)];
}

function isFrom({ x509 }: Certificate, authority: Certificate): boolean {
  return x509.checkIssued(authority.x509) && x509.verify(authority.x509.publicKey);
}

function kindOf({ uris }: Certificate, name: string): PeerKind | null {
  const kinds = ["node", "proxy", "client"] as const;
  return kinds.find((kind) => uris.includes(`regent://${kind}/${name}`)) ?? null;
}

function endsSoon({ fromMs, untilMs }: Certificate, nowMs: number): boolean {
  return untilMs - nowMs < Math.min(RENEWED_DAYS * DAY_MS, (untilMs - fromMs) * RENEWED_SHARE);
}

interface Outcome {
  readonly first: Certificate;
  readonly isFirst: boolean;
  readonly isRenewal: boolean;
  readonly nowMs: number;
}

function print(directory: CertsDirectory, rows: readonly Row[], outcome: Outcome): void {
  const { first, isFirst, nowMs } = outcome;
  const { path } = directory;
  const made = isFirst ? "created" : "kept";
  console.log(`${path}/ca.crt: the authority, until ${dayOf(first.untilMs)}, ${made}`);
  if (endsSoon(first, nowMs)) {
    console.log("The authority ends soon: replace it, as `regent certs --help` says.");
  }
  const heading = ["NAME", "FOR", "UNTIL", "", "DIALLED AS"];
  console.log(table([
    heading,
    ...rows.map(({ name, kind, certificate, what }) => [
      name,
      kind,
      dayOf(certificate.untilMs),
      what,
      [...certificate.dnsNames, ...certificate.ips].join(" "),
    ]),
  ]));
  const changed = rows.filter(({ what }) => what === "created" || what === "renewed");
  if (changed.length === 0) {
    console.log("\nNothing was to be done. With --renew, certificates that exist are replaced.");
    return;
  }
  console.log("\nCopy to each its own files, with the key readable for its owner alone:");
  console.log(table(changed.map(({ name }) => [`  ${name}:`, `ca.crt ${name}.crt ${name}.key`])));
  console.log(
    `Keep ${path}/ca.key here, and safe: whoever has it can become a node of the cluster.`,
  );
}

/** @param ms since the Unix epoch @returns as `2026-12-01` */
function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

async function addAuthority(directory: CertsDirectory): Promise<void> {
  const authority = authorityOf(directory);
  const { createAuthority } = await import("./certs/authority.ts");
  const nowMs = Date.now();
  const created = await createAuthority(nowMs, nowMs + AUTHORITY_DAYS * DAY_MS);
  const stillValid = authority.bundle.filter(({ untilMs }) => untilMs > nowMs);
  directory.writeAuthority(created, stillValid);
  const { path } = directory;
  console.log(`${path}/ca.crt now has a new authority, and ${stillValid.length} older ones.`);
  console.log(
    `1. Copy ${path}/ca.crt to every machine.\n` +
      "2. Then run `regent certs --renew`, and copy the new certificates and keys.\n" +
      "3. At last run `regent certs --drop-old-authority`, and copy ca.crt again.",
  );
}

function dropOldAuthorities(directory: CertsDirectory): void {
  const { first } = authorityOf(directory);
  const newest = new Certificate(first.certificate);
  const old = directory.names().filter((name) => {
    const certificate = directory.certificate(name);
    return certificate !== null && !isFrom(certificate, newest);
  });
  if (old.length > 0) {
    throw new UserError(
      `Cannot drop the old authority: ${old.join(", ")} would not be trusted; renew first`,
    );
  }
  directory.writeAuthority(first, []);
  const { path } = directory;
  console.log(`${path}/ca.crt has only the newest authority now. Copy it to every machine.`);
}

function authorityOf(
  directory: CertsDirectory,
): NonNullable<ReturnType<CertsDirectory["authority"]>> {
  const authority = directory.authority();
  if (authority === null) throw new UserError(`Cannot find an authority in ${directory.path}`);
  return authority;
}
