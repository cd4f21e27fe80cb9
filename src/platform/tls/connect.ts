import tls from "node:tls";
import { messageOf } from "../../base/errors.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { Address } from "../network.ts";
import type { Connect, Socket } from "../sockets.ts";
import { Purpose } from "./certificate.ts";
import { checkChain } from "./chain.ts";
import type { TlsCredentials, TlsMaterial } from "./credentials.ts";
import { secured, type SentCertificates, sentCertificates, TLS_VERSIONS } from "./secured.ts";

/** Time in milliseconds for a connection and its handshake. */
const HANDSHAKE_MS = 10_000;

export interface TlsConnectOptions {
  readonly credentials: TlsCredentials;
  readonly clock: Clock;
  /** @default 10 s */
  readonly handshakeMs?: number;
}

/**
 * Makes connections with TLS. The server must show a certificate for the node that is expected, or
 * if none is, for the host that was dialled. Otherwise the socket emits an error that says why not.
 *
 * Nothing may be written before the connection is open: it would reach a server that nobody has
 * checked.
 */
export function tlsConnect(options: TlsConnectOptions): Connect {
  return (address, opened, node) => connect(options, address, opened, node);
}

function connect(
  { credentials, clock, handshakeMs = HANDSHAKE_MS }: TlsConnectOptions,
  { host, port }: Address,
  opened: () => void,
  node: string | undefined,
): Socket {
  const material = credentials.current;
  const { own, authoritiesPem } = material;
  const socket = tls.connect({
    ...TLS_VERSIONS,
    host,
    port,
    ca: authoritiesPem,
    ...(own === null ? {} : { cert: own.pem, key: own.keyPem }),
    checkServerIdentity: () => undefined, // it reads names from a text: see `Certificate`
  });
  const cancel: Cancel = clock.after(handshakeMs, () => {
    socket.destroy(new Error(`no TLS connection was made within ${handshakeMs / 1000} s`));
  });
  socket.once("close", cancel);
  socket.once("connect", () => socket.setNoDelay(true));
  socket.once("secureConnect", () => {
    cancel();
    try {
      const sent = sentCertificates(socket);
      const reason = refusalOf(sent, material, { host, node, nowMs: clock.nowMs() });
      if (sent === null || reason !== null) throw new Error(reason ?? "it has no certificate");
      secured(socket, sent.peer);
    } catch (error) {
      return void socket.destroy(new Error(messageOf(error)));
    }
    opened();
  });
  return socket;
}

/** Where a connection to an address for listening ends: on this machine. */
const WILDCARDS = new Map([["0.0.0.0", "127.0.0.1"], ["::", "::1"]]);

interface Expected {
  readonly host: string;
  readonly node: string | undefined;
  readonly nowMs: number;
}

/** Why a server is not the one that was expected; `null` when it is. */
function refusalOf(
  sent: SentCertificates | null,
  { authorities }: TlsMaterial,
  { host, node, nowMs }: Expected,
): string | null {
  if (sent === null) return "it showed no certificate";
  const { leaf, peer, intermediates } = sent;
  const purpose = Purpose.serverAuth;
  const reason = checkChain(leaf, { intermediates, authorities, purpose, nowMs });
  if (reason !== null) return `its certificate (${peer}) ${reason}`;
  if (node !== undefined) {
    return peer.isNode(node) ? null : `its certificate is that of ${peer}, not of node ${node}`;
  }
  return leaf.isForHost(WILDCARDS.get(host) ?? host)
    ? null
    : `its certificate (${peer}) is not for ${host}`;
}
