import type { Address } from "../base/address.ts";

export type { Address };

/** Byte streams between nodes, as the peer transport sees them; the simulator brings its own. */
export interface Network {
  /** Starts to listen; `onConnection` gets each accepted stream. */
  listen(address: Address, onConnection: (stream: Stream) => void): Promise<Listener>;
  /** Begins to connect; the handlers tell how it went. */
  connect(address: Address, handlers: StreamHandlers): Stream;
}

export interface Listener {
  readonly address: Address;
  close(): void;
}

export interface StreamHandlers {
  onOpen(): void;
  onData(bytes: Uint8Array): void;
  /** Once, whatever ended it; nothing else is called afterwards. */
  onClose(reason: string): void;
}

export interface Stream {
  /** Of the other side, for log lines. */
  readonly remote: string;
  /** Bytes written and not yet taken by the operating system. */
  pendingBytes(): number;
  /** @param data bytes, or a text of one character (0–255) for each */
  write(data: Uint8Array | string): void;
  /** Sets who is told of data and the end; for accepted streams, in `onConnection`. */
  handle(handlers: StreamHandlers): void;
  close(): void;
}

/** What an operator needs of the system's words for why a connection ended, or was none. */
export function shortReason(reason: string): string {
  if (reason.includes("ECONNREFUSED")) return "refused";
  if (reason.includes("EHOSTUNREACH") || reason.includes("ENETUNREACH")) return "unreachable";
  if (reason.includes("ENOTFOUND") || reason.includes("EAI_AGAIN")) return "unknown host";
  if (reason.includes("ECONNRESET")) return "reset";
  return reason;
}
