import type { Address } from "../network.ts";
import { PeerLink, type PeerLinkOptions } from "./peer_link.ts";
import type { PeerMessage } from "./peer_message.ts";

/**
 * This node's two connections to one peer: a large value on its way on the one holds up no heartbeat,
 * vote or confirmation of a read on the other. What must stay in order, entries and the parts of
 * snapshots, goes over one of them; all else may overtake it.
 */
export class PeerLanes {
  readonly #urgent: PeerLink;
  readonly #bulk: PeerLink;

  constructor(address: Address, options: PeerLinkOptions) {
    this.#bulk = new PeerLink(address, options);
    this.#urgent = new PeerLink(address, {
      ...options,
      onLost: (peer) => {
        // Hardly anything may be said on the other, so that it would notice late.
        this.#bulk.renew();
        options.onLost(peer);
      },
    });
  }

  /** Whether both are open. */
  get isOpen(): boolean {
    return this.#urgent.isOpen && this.#bulk.isOpen;
  }

  /** Takes a message for the next `flush`; without a connection it is lost. */
  send(message: PeerMessage): void {
    (isBulk(message) ? this.#bulk : this.#urgent).send(message);
  }

  /** Sends what was collected in this turn, what is urgent first. */
  flush(): void {
    this.#urgent.flush();
    this.#bulk.flush();
  }

  /** The peer is to be found elsewhere from now on. */
  moveTo(address: Address): void {
    this.#urgent.moveTo(address);
    this.#bulk.moveTo(address);
  }

  /** The peer is known to be up: does not wait any longer to dial it. */
  dialNow(): void {
    this.#urgent.dialNow();
    this.#bulk.dialNow();
  }

  stop(): void {
    this.#urgent.stop();
    this.#bulk.stop();
  }
}

function isBulk({ type }: PeerMessage): boolean {
  return type === "append" || type === "snapshotOffer" || type === "snapshotChunk";
}
