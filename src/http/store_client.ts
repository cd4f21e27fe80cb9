import { type Arguments, textOf } from "../base/byte_string.ts";
import { checkRequest } from "../commands/table.ts";
import type { Clock } from "../platform/clock.ts";
import type { Router } from "../proxy/router.ts";
import { ErrorReply, type Reply } from "../resp/reply.ts";
import { decodeReply } from "../resp/reply_scanner.ts";
import { RequestText } from "../resp/request_decoder.ts";
import { problemOf } from "./problem.ts";

/** Sends commands to the cluster. */
export interface Store {
  /** @throws {Problem} when the reply is an error */
  request(args: Arguments): Promise<Reply>;
}

/**
 * Sends commands by a proxy's router: writes to the leader and exactly once, reads to any node. Each
 * request is a client of its own, so that none waits for another.
 */
export class StoreClient implements Store {
  readonly #router: () => Router;
  readonly #clock: Clock;

  /** @param router is asked for with each request, so that it may be started with the first one */
  constructor(router: () => Router, clock: Clock) {
    this.#router = router;
    this.#clock = clock;
  }

  async request(args: Arguments): Promise<Reply> {
    const reply = await this.send(args);
    if (reply instanceof ErrorReply) throw problemOf(reply);
    return reply;
  }

  /** As `request`, but an error reply is a result too. */
  send(args: Arguments): Promise<Reply> {
    const router = this.#router();
    const client = router.openClient();
    return new Promise<Reply>((resolve) => {
      const settleEncoded = (text: string, rest: Arguments = []) => {
        router.closeClient(client);
        resolve(decodeReply(text + rest.map(textOf).join("")));
      };
      const command = checkRequest(args);
      const request = RequestText.of(args);
      router.submit(
        client,
        command,
        request,
        { protocol: 2, settleEncoded },
        this.#clock.monotonicMs(),
      );
    });
  }
}
