import net from "node:net";
import type { Address } from "./network.ts";

/** A TCP connection. The type is Node's, but only `platform` uses Node's module to open one. */
export type Socket = net.Socket;

/**
 * Starts to connect. It calls `opened` once data may be written, or the socket emits `error` and
 * `close`.
 *
 * @param node the id of the node that must be there; by default nobody in particular. Only an
 * encrypted connection can tell
 */
export type Connect = (address: Address, opened: () => void, node?: string) => Socket;

/** Connects without TLS. */
export const connectPlain: Connect = ({ host, port }, opened) => {
  const socket = net.connect({ host, port, noDelay: true });
  socket.once("connect", opened);
  return socket;
};

/** Decides about accepted connections before their owner sees them: TLS, if it is on. */
export interface ConnectionGate {
  /** Hands over a connection, perhaps as another socket, when data may be written. */
  take(socket: Socket, accepted: (socket: Socket) => void): void;
  /** Ends all connections that were not handed over. */
  close(): void;
}

export interface ListenSocketOptions {
  /** Whether a connection stays open for writing after the other side has ended its own half. */
  readonly allowHalfOpen: boolean;
}

/** A server socket that does not listen yet. */
export function listeningSocket({ allowHalfOpen }: ListenSocketOptions): net.Server {
  return net.createServer({ noDelay: true, allowHalfOpen });
}

/**
 * Whether another socket listens on this address.
 *
 * @throws when it cannot be listened on for another reason
 */
export function isAddressInUse({ host, port }: Address): boolean {
  try {
    Deno.listen({ hostname: host, port }).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return true;
    throw error;
  }
}
