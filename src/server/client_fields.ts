import { type Account, NEW_CLIENT } from "../access/accounts.ts";
import type { Protocol } from "../resp/encode.ts";

/** What a client has set for its connection, and what its requests have made of it. */
export class ClientFields {
  /** The host of the client. */
  readonly host: string;
  /** Who makes the requests. */
  account: Account = NEW_CLIENT;
  /** What the client has to answer to prove that it is a peer; "" if nothing. */
  challenge = "";
  protocol: Protocol = 2;
  /** Set by `CLIENT SETNAME`. */
  name = "";
  libraryName = "";
  libraryVersion = "";
  lastCommand = "NULL";
  /** Set by `CLIENT REPLY`; `skip` suppresses the next reply. */
  replyMode: "on" | "off" | "skip" = "on";
  /** Whether it is between a refused `MULTI` and its `EXEC` or `DISCARD`. */
  isInRefusedTransaction = false;
  /** When requests were last read. Requests that arrive together share one time. */
  lastReadMs = 0;
  /** Whether one of its requests may have waited without a bound. */
  mayWait = false;
  /** Whether it gets pushes, so that it is not idle even if it sends nothing. */
  isWatching = false;
  /** Whether it gets its replies even while the listener is silent. */
  ignoresSilence = false;

  constructor(host: string) {
    this.host = host;
  }

  /** The user's name, as `CLIENT LIST` shows it. */
  get userName(): string {
    return this.account.name;
  }

  /** Resets what the client has set for the connection, as for a new one. */
  reset(): void {
    this.protocol = 2;
    this.name = "";
    this.replyMode = "on";
    this.isInRefusedTransaction = false;
  }
}
