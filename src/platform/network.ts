import type { Address } from "../base/address.ts";
import { tlsReason } from "./tls/reasons.ts";

export type { Address };

/** Who is at the other end, by a certificate. */
export interface Peer {
  isNode(id: string): boolean;
  /** Whether it can be some node; which one, `isNode` has to tell. */
  readonly mayBeNode: boolean;
  readonly isProxy: boolean;
  /** The name of a client; `null` for others. */
  readonly clientName: string | null;
  /** For log lines, such as `node n1`. */
  toString(): string;
}

/** Opens byte streams. The simulation has a network of its own. */
export interface Network {
  /** Starts to listen; `onConnection` gets each accepted stream. */
  listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener>;
  /**
   * Starts to connect. The handlers report the outcome.
   *
   * @param node the id of the node that must be there, where connections can tell
   */
  connect(address: Address, handlers: StreamHandlers, node?: string): Stream;
}

export interface Listener {
  readonly address: Address;
  close(): void;
}

export interface StreamHandlers {
  onOpen(): void;
  onData(bytes: Uint8Array): void;
  /** Called once, whatever ended the stream. No handler is called afterwards. */
  onClose(reason: string): void;
}

export interface Stream {
  /** Address of the other side, for log lines. */
  readonly remote: string;
  /**
   * Who is at the other end of an accepted stream, by its certificate; `null` without one. A network
   * that has no certificates leaves it out.
   */
  readonly peer?: Peer | null;
  /** Bytes written that the operating system has not taken yet. */
  pendingBytes(): number;
  /** @param data bytes, or a string with one character (0–255) per byte */
  write(data: Uint8Array | string): void;
  /** Sets who gets the data and the end. For an accepted stream, call it in `onConnection`. */
  handle(handlers: StreamHandlers): void;
  close(): void;
}

/** The part of a system error that an operator needs: why a connection failed or ended. */
export function shortReason(reason: string): string {
  if (reason.includes("ECONNREFUSED")) return "refused";
  if (reason.includes("EHOSTUNREACH") || reason.includes("ENETUNREACH")) return "unreachable";
  if (reason.includes("ENOTFOUND") || reason.includes("EAI_AGAIN")) return "unknown host";
  if (reason.includes("ECONNRESET")) return "reset";
  return tlsReason(reason);
}
