import type { Clock } from "../platform/clock.ts";
import type { RequestText } from "../resp/request_decoder.ts";
import type { ClientLoad, LargeRequests } from "./client_load.ts";
import type { Connection } from "./connection.ts";
import type { FairReading } from "../platform/acceptor.ts";
import type { ClientLimits } from "./limits.ts";
import type { PendingReply } from "./pending_reply.ts";

/** What a connection needs of the listener that accepted it. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  /** Of all connections together. */
  readonly totals: { inputBytes: number; outputBytes: number };
  readonly load: ClientLoad;
  readonly largeRequests: LargeRequests;
  /** Nothing may be sent now, but to a connection that is spared. */
  readonly isSilent: boolean;
  /** Requests are wanted as they came. */
  readonly isForwarding: boolean;
  /** A whole request arrived: `reply` is to be settled, now or later. */
  request(connection: Connection, args: string[], reply: PendingReply): void;
  /** The same, where `isForwarding`. */
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  /** An exception was thrown while this connection was served: it ends, and nothing else. */
  failed(connection: Connection, error: unknown): void;
  /** Something is ready to be sent; `flush` is wanted at the end of the turn. */
  dirty(connection: Connection): void;
  protocolError(connection: Connection, reason: string): void;
  closed(connection: Connection): void;
}
