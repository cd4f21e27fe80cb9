import { Request } from "../../src/node/clients/request.ts";
import { Node } from "../../src/node/node.ts";
import { ErrorReply } from "../../src/resp/reply.ts";

export interface ReadEvents {
  /** A read arrives. @returns a function that is called when it is answered from the state */
  asked(): () => void;
}

/** A node whose reads are judged one by one, whether or not the replies would show an error. */
export class ObservedNode extends Node {
  readonly #events: ReadEvents;

  constructor(options: ConstructorParameters<typeof Node>[0], events: ReadEvents) {
    super(options);
    this.#events = events;
  }

  override submit(request: Request): void {
    if (request.isWrite) return super.submit(request);
    const { command, args, client, sink } = request;
    const answered = this.#events.asked();
    super.submit(
      new Request(command, args, client, {
        settle: (reply) => {
          if (!(reply instanceof ErrorReply)) answered();
          sink.settle(reply);
        },
      }),
    );
  }
}
