import type { Peer } from "../network.ts";
import type { Certificate } from "./certificate.ts";

/** What a certificate of Regent's own authority is made for. */
export type PeerKind = "node" | "proxy" | "client";

/** Names of nodes, proxies and clients: they are parts of URIs and of files' names. */
const NAME = "[A-Za-z0-9_.-]{1,64}";
const URI = new RegExp(`^regent://(node|proxy|client)/(${NAME})$`);
const SCHEME = "regent:";

/** Whether a certificate can be bound to this name. */
export function isPeerName(text: string): boolean {
  return new RegExp(`^${NAME}$`).test(text);
}

/** The URI in a certificate that binds it, such as `regent://node/n1`. */
export function peerUri(kind: PeerKind, name: string): string {
  return `regent://${kind}/${name}`;
}

/**
 * Who the holder of a certificate is.
 *
 * - With a URI `regent://node/ID`, `regent://proxy/NAME` or `regent://client/NAME` (several are
 *   allowed), it is what these say and nothing else. `regent certs` makes such certificates.
 * - Without one, as from a company's own authority, it is the node whose id is one of its DNS names
 *   or its common name, and a proxy if one of these is `proxy`. Otherwise it is a client. Case does
 *   not matter in these names.
 */
export class CertifiedPeer implements Peer {
  readonly #bound: ReadonlyMap<PeerKind, readonly string[]> | null;
  /** In lower case; for a certificate without a URI of Regent's. */
  readonly #names: readonly string[];

  /** @throws {Error} for a URI of Regent's that says nothing */
  constructor({ uris, dnsNames, commonNames }: Certificate) {
    const bound = new Map<PeerKind, string[]>();
    for (const uri of uris.filter((uri) => uri.toLowerCase().startsWith(SCHEME))) {
      const [, kind, name] = URI.exec(uri) ?? [];
      if (kind === undefined || name === undefined) {
        throw new Error(`names ${uri}, which is nobody`);
      }
      bound.set(kind as PeerKind, [...bound.get(kind as PeerKind) ?? [], name]);
    }
    this.#bound = bound.size === 0 ? null : bound;
    this.#names = [...commonNames, ...dnsNames].map((name) => name.toLowerCase());
  }

  isNode(id: string): boolean {
    return this.#bound?.get("node")?.includes(id) ?? this.#hasName(id);
  }

  /** Whether it can be some node; which one, `isNode` has to tell. */
  get mayBeNode(): boolean {
    return this.#bound?.has("node") ?? true;
  }

  get isProxy(): boolean {
    return this.#bound?.has("proxy") ?? this.#hasName("proxy");
  }

  /** The name of a client; `null` for others. */
  get clientName(): string | null {
    if (this.#bound !== null) return this.#bound.get("client")?.[0] ?? null;
    return this.isProxy ? null : this.#names[0] ?? null;
  }

  /** For log lines, such as `node n1`. */
  toString(): string {
    if (this.#bound === null) return this.#names[0] ?? "nobody";
    return [...this.#bound].flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`))
      .join(", ");
  }

  #hasName(name: string): boolean {
    return this.#bound === null && this.#names.includes(name.toLowerCase());
  }
}
