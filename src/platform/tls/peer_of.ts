import type { Peer } from "../network.ts";
import type { Socket } from "../sockets.ts";

const peers = new WeakMap<Socket, Peer | null>();

/** Notes that a connection is encrypted, and who is at its other end. */
export function notePeer(socket: Socket, peer: Peer | null): void {
  peers.set(socket, peer);
}

/** Who is at the other end of a TLS connection; `null` when it showed no certificate. */
export function peerOf(socket: Socket): Peer | null {
  return peers.get(socket) ?? null;
}

/** Whether a connection is encrypted. */
export function isSecured(socket: Socket): boolean {
  return peers.has(socket);
}
