import type { PausedConnection } from "../../src/server/client_pause.ts";
import type { ReplyingConnection } from "../../src/server/pending_reply.ts";

/** A connection without a socket, whose replies the test looks at. */
export class FakeConnection implements ReplyingConnection, PausedConnection {
  isClosed = false;
  readonly outputBytesMax = 2 ** 28;
  mayWait = false;

  prepare(): void {}

  noteSettled(): void {}

  fail(error: unknown): void {
    throw error;
  }
}
