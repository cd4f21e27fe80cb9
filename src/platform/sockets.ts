import net from "node:net";
import type { Address } from "./network.ts";

/** A TCP connection. The type is Node's, but only `platform` uses Node's module to open one. */
export type Socket = net.Socket;

/** Starts to connect. The socket emits `connect`, or `error` and `close`. */
export function connectSocket({ host, port }: Address): Socket {
  return net.connect({ host, port, noDelay: true });
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
