import type { Logger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import type { Network, Peer } from "../platform/network.ts";
import { onHangup } from "../platform/process.ts";
import type { ConnectionGate } from "../platform/sockets.ts";
import { TcpNetwork } from "../platform/tcp_network.ts";
import { tlsConnect } from "../platform/tls/connect.ts";
import { TlsCredentials, type TlsFiles } from "../platform/tls/credentials.ts";
import { eitherConnect } from "../platform/tls/either.ts";
import { TlsGate } from "../platform/tls/gate.ts";
import { connect, setConnect } from "./connect.ts";
import { choice, type Flag, type Flags, optional, text, UsageError, type Values } from "./flags.ts";

const MODES = ["plain", "both", "only"] as const;
type Mode = (typeof MODES)[number];

const mode: Flag<Mode | undefined> = {
  ...optional(choice(MODES, {
    help: "Whether ports take TLS, and other nodes are reached with it: both takes plain " +
      "connections too, while a cluster moves to TLS",
    defaultValue: "plain",
  })),
  defaultText: "only with --tls-cert, else plain",
};

/** The flags about TLS of node and proxy. */
export const tlsFlags = {
  tls: mode,
  tlsCert: optional(text("FILE", { help: "Own certificate in PEM, then intermediate ones" })),
  tlsKey: optional(text("FILE", { help: "Key of the own certificate, in PEM" })),
  tlsCa: optional(text("FILE", {
    help: "Certificates of the authorities that are trusted for nodes, proxies and clients",
  })),
} satisfies Flags;

/** What TLS needs, as plain data for other threads. */
export interface TlsSettings {
  readonly files: TlsFiles;
  readonly takesPlain: boolean;
}

/** @returns `null` without TLS @throws {UsageError} when flags do not fit together */
export function tlsSettings(values: Values<typeof tlsFlags>): TlsSettings | null {
  const { tlsCert, tlsKey, tlsCa } = values;
  const given = [tlsCert, tlsKey, tlsCa].filter((file) => file !== undefined).length;
  const mode = values.tls ?? (given === 0 ? "plain" : "only");
  if (tlsCert !== undefined && tlsKey !== undefined && tlsCa !== undefined) {
    const files = { own: { certificate: tlsCert, key: tlsKey }, authorities: tlsCa };
    return mode === "plain" ? null : { files, takesPlain: mode === "both" };
  }
  if (mode === "plain" && given === 0) return null;
  throw new UsageError("Cannot use TLS without all of --tls-cert, --tls-key and --tls-ca");
}

export interface GateOptions {
  /** What listens, in log lines. */
  readonly port: string;
  readonly connectionsMax: number;
  /** Says why a peer is not let in, after "its certificate". @default everybody may come, unknown */
  readonly refusePeer?: (peer: Peer) => string | null;
}

/** How this process or thread takes and makes connections. */
export interface Links {
  /** What connections to one port go through; `null` without TLS. */
  gate(options: GateOptions): ConnectionGate | null;
  /** A network that connects, and listens for those whom the options let in. */
  network(options?: GateOptions): Network;
}

/** Maximum number of connections to the Raft port, which closes those that send no hello. */
export const PEER_CONNECTIONS_MAX = 1_000;

/**
 * Sets how this process or thread connects, with TLS if it is on. Its files are looked at again and
 * again, and on SIGHUP.
 *
 * @param refuseOwn says why the own certificate cannot be used, after "it"
 * @throws {UserError} when the files cannot be used
 */
export function openLinks(
  settings: TlsSettings | null,
  logger: Logger,
  refuseOwn: (peer: Peer) => string | null = () => null,
): Links {
  if (settings === null) {
    return { gate: () => null, network: () => new TcpNetwork({ connect }) };
  }
  const { files, takesPlain } = settings;
  const credentials = new TlsCredentials({ files, refuseOwn, clock: systemClock, logger });
  onHangup(() => credentials.reload());
  const secure = tlsConnect({ credentials, clock: systemClock });
  setConnect(takesPlain ? eitherConnect(secure) : secure);
  const gate = ({ port, connectionsMax, refusePeer }: GateOptions) =>
    new TlsGate({
      ...{ credentials, takesPlain, connectionsMax, port, logger, clock: systemClock },
      requiresCertificate: refusePeer !== undefined,
      ...(refusePeer === undefined ? {} : { refusePeer }),
    });
  return {
    gate,
    network: (options) =>
      new TcpNetwork({
        connect,
        ...(options === undefined ? {} : { gate: () => gate(options) }),
      }),
  };
}

/** Lets in nodes only; which one it is, the one that listens has to check. */
export function refuseAllButNodes(peer: Peer): string | null {
  return peer.mayBeNode ? null : "is not a node's";
}
