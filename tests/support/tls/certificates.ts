import { createAuthority, issue, type PemPair } from "../../../src/cli/certs/authority.ts";
import type { TlsFiles } from "../../../src/platform/tls/credentials.ts";
import type { PeerKind } from "../../../src/platform/tls/peer.ts";

const HOUR_MS = 60 * 60 * 1000;
const HOSTS = ["localhost", "127.0.0.1", "::1"];

export interface IssueOptions {
  /** @default "node" */
  readonly kind?: PeerKind;
  readonly hosts?: readonly string[];
  /** @default now */
  readonly nowMs?: number;
  /** @default in an hour */
  readonly untilMs?: number;
}

/** An authority whose certificates a test needs, with its files in a directory. */
export class TestAuthority {
  readonly #pair: PemPair;
  readonly #dir: string;
  readonly path: string;

  private constructor(pair: PemPair, dir: string, name: string) {
    this.#pair = pair;
    this.#dir = dir;
    this.path = `${dir}/${name}.crt`;
    Deno.writeTextFileSync(this.path, pair.certificate);
  }

  static async create(
    dir: string,
    name = "ca",
    nowMs = Date.now(),
    lifeMs = 24 * HOUR_MS,
  ): Promise<TestAuthority> {
    return new TestAuthority(await createAuthority(nowMs, nowMs + lifeMs), dir, name);
  }

  get pem(): string {
    return this.#pair.certificate;
  }

  /** Issues a certificate, and writes it and its key. @param file without ending */
  async issue(name: string, options: IssueOptions = {}, file = name): Promise<TlsFiles> {
    const { kind = "node", hosts = HOSTS, nowMs = Date.now() } = options;
    const { untilMs = nowMs + HOUR_MS } = options;
    const pair = await issue(this.#pair, { kind, name, hosts, nowMs, untilMs });
    const own = { certificate: `${this.#dir}/${file}.crt`, key: `${this.#dir}/${file}.key` };
    Deno.writeTextFileSync(own.key, pair.key, { mode: 0o600 });
    Deno.writeTextFileSync(own.certificate, pair.certificate);
    return { own, authorities: this.path };
  }
}
