import type { TLSSocket } from "node:tls";
import { messageOf } from "../../base/errors.ts";
import type { Peer } from "../network.ts";
import type { Socket } from "../sockets.ts";
import { Certificate } from "./certificate.ts";
import { CertifiedPeer } from "./peer.ts";
import { notePeer } from "./peer_of.ts";

/** The versions of TLS, with all connections. */
export const TLS_VERSIONS = { minVersion: "TLSv1.2", maxVersion: "TLSv1.3" } as const;

/** The part of the runtime's sockets that back-pressure needs. */
interface ReadHandle {
  readStart(): number;
  readStop(): number;
}

/** What Deno's `TLSSocket` is made of. */
interface Internals {
  readonly _parent?: Socket;
  readonly _handle?: (ReadHandle & { readonly _nativeTcpHandle?: ReadHandle | null }) | null;
}

/** The TCP connection that a server's TLS connection was made of, also when both are closed. */
export function rawOf(socket: TLSSocket): Socket | undefined {
  return (socket as Internals)._parent;
}

/**
 * Makes a TLS connection ready for its owner, once its handshake is over and its peer is checked.
 *
 * A paused `TLSSocket` of Deno 2.9 goes on reading: 50 MB that a paused socket did not want were in
 * memory after a second, and came as one chunk when it went on. So the TCP socket below it stops
 * reading too. That needs a part of the runtime that is not public. `tls_test.ts` notices when it
 * changes.
 *
 * @throws {Error} when the runtime has changed there
 */
export function secured(socket: TLSSocket, peer: Peer | null): void {
  const handle = (socket as Internals)._handle;
  if (!handle?._nativeTcpHandle) {
    throw new Error("this version of Deno cannot hold back a peer over TLS");
  }
  const start = handle.readStart.bind(handle);
  const stop = handle.readStop.bind(handle);
  handle.readStart = () => {
    const result = start();
    handle._nativeTcpHandle?.readStart(); // `null` when it is closed
    return result;
  };
  handle.readStop = () => {
    handle._nativeTcpHandle?.readStop();
    return stop();
  };
  notePeer(socket, peer);
}

/** What the other side has sent as its certificates. */
export interface SentCertificates {
  readonly leaf: Certificate;
  readonly peer: Peer;
  readonly intermediates: readonly Certificate[];
}

/** Maximum number of certificates that are looked at. */
const CHAIN_MAX = 6;

/**
 * @returns `null` when there are none
 * @throws {Error} saying what is wrong with them
 */
export function sentCertificates(socket: TLSSocket): SentCertificates | null {
  let one: LegacyCertificate | undefined = socket.getPeerCertificate(true);
  const certificates: Certificate[] = [];
  try {
    while (one?.raw !== undefined && certificates.length < CHAIN_MAX) {
      certificates.push(new Certificate(one.raw));
      const issuer: LegacyCertificate | undefined = one.issuerCertificate;
      one = issuer === one ? undefined : issuer;
    }
    const [leaf, ...intermediates] = certificates;
    return leaf === undefined ? null : { leaf, peer: new CertifiedPeer(leaf), intermediates };
  } catch (error) {
    throw new Error(`its certificate ${messageOf(error)}`, { cause: error });
  }
}

/** Node's old form of a certificate, and of those above it. */
interface LegacyCertificate {
  readonly raw?: Uint8Array;
  readonly issuerCertificate?: LegacyCertificate;
}
